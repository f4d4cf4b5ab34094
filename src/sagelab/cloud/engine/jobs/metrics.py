"""What a job's log says in numbers: MetricDefinitions' expressions, read from each line as it appears.

The expressions are a stranger's: each has a time for one line and one for all of a job, and a size.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import regex

NAMESPACE = "/aws/sagemaker/TrainingJobs"
LINE_LIMIT = 8192
TIMEOUT = 0.05  # seconds for one line,
PATIENCE = 10.0  # and of processor time for all lines of a job
BATCH = 500
# CloudWatch takes no NaN, no infinity, and nothing beyond this:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
MOST = 2.0**360
LONGEST = 20_000  # parts of an expression, its repetitions written out
REPETITION = re.compile(r"(\)?)\{(\d+)")


@dataclass(frozen=True)
class Point:
    """One value of one metric at one time."""

    name: str
    value: float
    time: datetime


class Expression:
    """One MetricDefinition. given_up: its matches took all the time that they have."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self._pattern, self._left = name, regex.compile(text), PATIENCE

    @property
    def given_up(self) -> bool:
        return self._left <= 0

    def find(self, line: str) -> float | None:
        """The value that a line has, where it is one that CloudWatch takes."""
        began = time.thread_time()
        try:
            found = self._pattern.search(line, timeout=TIMEOUT)
            value = float(found[1] if self._pattern.groups else found[0]) if found else None
        except (ValueError, TypeError, TimeoutError):
            return None
        finally:
            self._left -= time.thread_time() - began
        return value if value is not None and -MOST <= value <= MOST else None


class Metrics:
    """The metrics of one job, from all of its hosts."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        """definitions: [{"Name": ..., "Regex": ...}] as the API has them, checked by `compile_expression`."""
        self._expressions = [Expression(item["Name"], item["Regex"]) for item in definitions]
        self._lock = threading.Lock()
        self._last: dict[str, Point] = {}
        self._unsent: list[Point] = []
        self.listener: Callable[[Point], None] | None = None  # hears of each value as it is found

    def read(self, line: str, time_ms: int) -> list[str]:
        """Find values in one line of the log, printed at `time_ms` (milliseconds since the epoch).

        Sentences for the log: of each expression that is not tried again.
        """
        said: list[str] = []
        for each in self._expressions:
            value = None if each.given_up else self._find(each, line[:LINE_LIMIT], said)
            if value is not None:
                self._take(Point(each.name, value, datetime.fromtimestamp(time_ms / 1000, UTC)))
        return said

    def _find(self, expression: Expression, line: str, said: list[str]) -> float | None:
        value = expression.find(line)
        if expression.given_up:
            said.append(f"the metric {expression.name} is read no longer: its Regex takes too long on these lines")
        return value

    def _take(self, point: Point) -> None:
        with self._lock:
            self._last[point.name] = point
            self._unsent.append(point)
        if self.listener:
            self.listener(point)

    def send(self, cloudwatch: Any, job: str) -> None:
        """Put what was found since the last time into CloudWatch, where SageMaker has it."""
        with self._lock:
            points, self._unsent = self._unsent, []
        dimensions = [{"Name": "TrainingJobName", "Value": job}]
        for start in range(0, len(points), BATCH):
            data = [
                {"MetricName": p.name, "Dimensions": dimensions, "Timestamp": p.time, "Value": p.value}
                for p in points[start : start + BATCH]
            ]
            cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: the last value of each metric."""
        with self._lock:
            points = list(self._last.values())
        return [{"MetricName": p.name, "Value": p.value, "Timestamp": p.time} for p in points]


def compile_expression(text: str) -> None:
    """Check an expression of a MetricDefinition. ValueError: it cannot be read, or it is too large."""
    if _size(text) > LONGEST:
        raise ValueError(f"its repetitions come to more than {LONGEST:,} parts")
    try:
        regex.compile(text)
    except regex.error as error:
        raise ValueError(str(error)) from error


def _size(text: str) -> int:
    """How many parts an expression has at most, once it is compiled: {n} is n times what it follows."""
    parts, times = len(text), 1
    for of_group, count in REPETITION.findall(text):
        if of_group:
            times *= max(1, int(count))
        else:
            parts += int(count)
    return parts * times
