"""Percentiles of CloudWatch's metrics, which moto does not have.

GetMetricStatistics with ExtendedStatistics and GetMetricData with a Stat of "p90" are answered here, from the
values that moto keeps; whatever else these operations are asked for stays moto's. Periods begin where moto's
do, so that an average and a percentile of one request belong together.

The rules: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate, groupby
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from sagelab.cloud.errors import InvalidParameterCombination, InvalidParameterValue, ServiceError, ValidationError
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.moto.metrics import Metrics, Sample
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.validation import validate

CLOUDWATCH_OPERATIONS = ("GetMetricData", "GetMetricStatistics")
STATISTICS, DATA = 1_440, 100_800  # datapoints of one request, at most
PLAIN = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(100(?:\.0{1,10})?|\d{1,2}(?:\.\d{1,10})?)", re.ASCII)

Params = dict[str, Any]


@dataclass(frozen=True)
class Period:
    """What was measured in one period, which begins at `start`."""

    start: datetime
    samples: Sequence[Sample]


def percentiles(moto: MotoFront, context: Context) -> Answer | None:
    """The answer to a request that asks CloudWatch for percentiles. None: it does not, and moto answers."""
    name = context.operation
    if context.service != "monitoring" or name not in CLOUDWATCH_OPERATIONS:
        return None
    metrics = moto.metrics(context.request, context.region)
    validate(_shape(name), metrics.params)
    _check_points(name, metrics.params)
    output = _data(metrics) if name == "GetMetricData" else _statistics(metrics)
    return None if output is None else metrics.answer(output)


def _check_points(name: str, params: Params) -> None:
    """ServiceError: more datapoints than AWS counts; each would be a step of moto's, with data or without."""
    seconds = (params["EndTime"] - params["StartTime"]).total_seconds()
    if name == "GetMetricStatistics":
        if (points := seconds / params["Period"]) > STATISTICS:
            raise InvalidParameterCombination(
                f"You have requested up to {points:,.0f} datapoints, which exceeds the limit of {STATISTICS:,}."
                " You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        return
    periods = [query["MetricStat"]["Period"] for query in params["MetricDataQueries"] if "MetricStat" in query]
    if sum(seconds / period for period in periods) > DATA:
        raise ValidationError(f"The request asks for more than {DATA:,} datapoints: take a larger Period.")


def read_percentile(text: str) -> float | None:
    """The rank, 0 to 100, that "p90" or "p99.9" names; None: it is no percentile."""
    found = _PERCENTILE.fullmatch(text)
    return float(found[1]) if found else None


def percentile(samples: Sequence[Sample], rank: float) -> float | None:
    """The value below which `rank` percent of the samples lie, between two values by proportion.

    None, as AWS has it: a value is negative, or a statistic set hides its values.
    """
    known = sorted((sample.value, sample.count) for sample in samples if sample.value is not None)
    if len(known) < len(samples) or not known or known[0][0] < 0:
        return None
    ends = list(accumulate(count for _, count in known))
    place = rank / 100 * (ends[-1] - 1)
    low, high = (known[bisect_right(ends, end)][0] for end in (math.floor(place), math.ceil(place)))
    return low + (high - low) * (place - math.floor(place))


def split(samples: Sequence[Sample], start: datetime, seconds: int) -> list[Period]:
    """The periods that have samples, in order; the first one possible begins at `start`."""
    length = timedelta(seconds=seconds)
    ordered = sorted(samples, key=lambda sample: sample.time)
    groups = groupby(ordered, key=lambda sample: (sample.time - start) // length)
    return [Period(start + number * length, list(group)) for number, group in groups]


def _statistics(metrics: Metrics) -> Params | None:
    """GetMetricStatistics, or None where plain statistics are asked for."""
    params = metrics.params
    names = params.get("ExtendedStatistics")
    if not names:
        return None
    if params.get("Statistics"):
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
    ranks = _ranks(names)
    window = _window(params, InvalidParameterValue)
    samples = _select(metrics, params, window, params.get("Unit"))
    first = min((sample.time for sample in samples), default=window[0])
    points = [_datapoint(period, ranks) for period in split(samples, first, params["Period"])]
    return {"Label": params["MetricName"], "Datapoints": [point for point in points if point is not None]}


def _ranks(names: list[str]) -> dict[str, float]:
    """The rank of each extended statistic. InvalidParameterValue: one is no percentile."""
    ranks = {}
    for number, name in enumerate(names, 1):
        rank = read_percentile(name)
        if rank is None:
            raise InvalidParameterValue(
                f"The value {name} for parameter ExtendedStatistics.member.{number} is not supported: the local"
                " cloud computes percentiles, p0 to p100."
            )
        ranks[name] = rank
    return ranks


def _datapoint(period: Period, ranks: dict[str, float]) -> Params | None:
    values = {name: percentile(period.samples, rank) for name, rank in ranks.items()}
    if None in values.values():
        return None
    return {"Timestamp": period.start, "Unit": period.samples[0].unit, "ExtendedStatistics": values}


def _data(metrics: Metrics) -> Params | None:
    """GetMetricData, or None where no query asks for a percentile. Queries for anything else are moto's."""
    params = metrics.params
    queries = params["MetricDataQueries"]
    ranks = {query["Id"]: rank for query in queries if (rank := read_percentile(_stat(query))) is not None}
    theirs = [query for query in queries if query["Id"] not in ranks]
    known = {query["Id"] for query in theirs if "MetricStat" in query}
    for query in theirs:
        _check(query, queries.index(query) + 1, known)
    if not ranks:
        return None
    window = _window(params, ValidationError)
    descending = (params.get("ScanBy") or "TimestampDescending") == "TimestampDescending"
    found = {result["id"]: result for result in metrics.data(theirs, window, descending)}
    for query in queries:
        if query["Id"] in ranks:
            points = _points(metrics, query, window, ranks[query["Id"]])
            found[query["Id"]] = _result(query, sorted(points, reverse=descending))
    return {"MetricDataResults": [found[query["Id"]] for query in queries if query.get("ReturnData", True)]}


def _check(query: Params, number: int, known: set[str]) -> None:
    """ValidationError: moto would answer the query with something else than what it asks for."""
    expression = query.get("Expression")
    if expression is not None and expression not in known:
        raise ValidationError(f"The local cloud does no metric math and no Metrics Insights: {expression}")
    if "MetricStat" not in query and expression is None:
        raise ValidationError(f"The parameter MetricDataQueries.member.{number}.MetricStat is required.\n")
    if "MetricStat" in query and _stat(query) not in PLAIN:
        raise ValidationError(
            f"The value {_stat(query)} for parameter MetricStat.Stat is not supported: the local cloud computes"
            f" {', '.join(PLAIN)} and percentiles, p0 to p100."
        )


def _stat(query: Params) -> str:
    return str(query.get("MetricStat", {}).get("Stat", ""))


def _points(
    metrics: Metrics, query: Params, window: tuple[datetime, datetime], rank: float
) -> list[tuple[datetime, float]]:
    wanted = query["MetricStat"]
    samples = _select(metrics, wanted["Metric"], window, wanted.get("Unit"))
    periods = split(samples, window[0], wanted["Period"])
    found = [(period.start, percentile(period.samples, rank)) for period in periods]
    return [(start, value) for start, value in found if value is not None]


def _result(query: Params, points: list[tuple[datetime, float]]) -> Params:
    wanted = query["MetricStat"]
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or f"{wanted['Metric'].get('MetricName')} {wanted['Stat']}",
        "Timestamps": [time for time, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    }


def _select(metrics: Metrics, metric: Params, window: tuple[datetime, datetime], unit: str | None) -> list[Sample]:
    """The samples of a metric (its namespace, name and exactly its dimensions) in a window of time."""
    dimensions = {pair["Name"]: pair["Value"] for pair in metric.get("Dimensions", [])}
    samples = metrics.samples(metric.get("Namespace", ""), metric.get("MetricName", ""), dimensions)
    return [one for one in samples if window[0] <= one.time < window[1] and unit in (None, one.unit)]


def _window(params: Params, trouble: type[ServiceError]) -> tuple[datetime, datetime]:
    """StartTime and EndTime, in whole seconds."""
    start, end = (params[name].replace(microsecond=0) for name in ("StartTime", "EndTime"))
    if start >= end:
        raise trouble("The parameter StartTime must be less than the parameter EndTime.")
    return start, end


@cache
def _shape(name: str) -> Shape:
    """The input shape of an operation of CloudWatch."""
    model = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")
    shape: Shape = model.operation_model(name).input_shape
    return shape
