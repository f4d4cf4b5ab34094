"""What was measured of a metric, and its statistics over a period.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from sagelab.cloud.clock import Clock

PLAIN = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(100(?:\.0{1,10})?|\d{1,2}(?:\.\d{1,10})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value, or a statistic set: `count` values between `low` and `high`. time: epoch seconds."""

    time: float
    low: float
    high: float
    total: float
    count: float
    unit: str

    @property
    def value(self) -> float | None:
        """The one value; None: a statistic set, which says no more than its extremes."""
        return self.low if self.low == self.high else None


@dataclass(frozen=True)
class Metric:
    """What names a metric: its namespace, its name and exactly its dimensions, in order of their names."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


class Reads(Protocol):
    """The samples of a metric of a region from one epoch second to another, the end not included, in order."""

    def __call__(self, region: str, metric: Metric, start: float, end: float) -> list[Sample]: ...


def pause(clock: Clock) -> float:
    """Real seconds for which samples gather before they are sent: a second, or less on a fast clock."""
    return min(1.0, 15 / clock.speed)


def metric_of(asked: dict[str, Any]) -> Metric:
    """Of a request's Namespace, MetricName and Dimensions."""
    pairs = sorted((one["Name"], one["Value"]) for one in asked.get("Dimensions") or [])
    return Metric(asked.get("Namespace", ""), asked.get("MetricName", ""), tuple(pairs))


def is_statistic(name: str) -> bool:
    return name in PLAIN or read_percentile(name) is not None


def statistic(name: str, samples: Sequence[Sample]) -> float | None:
    """A statistic, by its name ("Sum", "p90"), of samples. None: there are none, or they do not tell."""
    if not samples:
        return None
    if name in _STATISTICS:
        return _STATISTICS[name](samples)
    rank = read_percentile(name)
    return None if rank is None else percentile(samples, rank)


def read_percentile(text: str) -> float | None:
    """The rank, 0 to 100, that "p90" or "p99.9" names; None: it is no percentile."""
    found = _PERCENTILE.fullmatch(text)
    return float(found[1]) if found else None


def percentile(samples: Sequence[Sample], rank: float) -> float | None:
    """The value below which `rank` percent of the samples lie, between two values by proportion.

    None, as AWS has it: a value is negative, or a statistic set hides its values.
    """
    known = sorted((one.value, max(1, round(one.count))) for one in samples if one.value is not None)
    if len(known) < len(samples) or not known or known[0][0] < 0:
        return None
    ends = list(accumulate(count for _, count in known))
    place = rank / 100 * (ends[-1] - 1)
    low, high = (known[bisect_right(ends, end)][0] for end in (math.floor(place), math.ceil(place)))
    return low + (high - low) * (place - math.floor(place))


def few(rank: float) -> float:
    """Samples under which a percentile says little.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
    """
    part = rank / 100
    away = 1 - part if part >= 0.5 else part
    return 10 / away if away else math.inf


def count(samples: Sequence[Sample]) -> float:
    return math.fsum(one.count for one in samples)


def _sum(samples: Sequence[Sample]) -> float:
    return math.fsum(one.total for one in samples)


def _average(samples: Sequence[Sample]) -> float | None:
    number = count(samples)
    return _sum(samples) / number if number else None


_STATISTICS: dict[str, Callable[[Sequence[Sample]], float | None]] = {
    "SampleCount": count,
    "Average": _average,
    "Sum": _sum,
    "Minimum": lambda samples: min(one.low for one in samples),
    "Maximum": lambda samples: max(one.high for one in samples),
}
