"""CloudWatch's GetMetricData, and the percentiles of GetMetricStatistics, which moto does not have.

Both are answered here, from the values that moto keeps; plain statistics of GetMetricStatistics stay moto's.
Periods begin where moto's do, so that an average and a percentile of one request belong together.

The rules: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from sagelab.cloud.alarms import queries
from sagelab.cloud.alarms.expressions import MathError
from sagelab.cloud.alarms.frames import Frame
from sagelab.cloud.alarms.samples import Sample, metric_of, percentile, read_percentile, statistic
from sagelab.cloud.alarms.series import Series
from sagelab.cloud.errors import InvalidParameterCombination, InvalidParameterValue, ServiceError, ValidationError
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.validation import validate

CLOUDWATCH_OPERATIONS = ("GetMetricData", "GetMetricStatistics")
STATISTICS, DATA = 1_440, 100_800  # datapoints of one request, at most
QUERIES = 500  # of one GetMetricData
DESCENDING = "TimestampDescending"

Params = dict[str, Any]


@dataclass(frozen=True)
class Period:
    """What was measured in one period, which begins at `start`, in epoch seconds."""

    start: float
    samples: Sequence[Sample]


def metric_data(moto: MotoFront, context: Context) -> Answer | None:
    """The answer to a request for data of metrics. None: it is none, or moto answers it."""
    name = context.operation
    if context.service != "monitoring" or name not in CLOUDWATCH_OPERATIONS:
        return None
    request = moto.metrics(context.request, context.region)
    validate(shape(name), request.params)
    reader = _Reader(moto, context.region, request.params)
    output = reader.data() if name == "GetMetricData" else reader.statistics()
    return None if output is None else request.answer(output)


def split(samples: Sequence[Sample], start: float, seconds: int) -> list[Period]:
    """The periods that have samples, in order; the first one possible begins at `start`."""
    groups = groupby(samples, key=lambda sample: int((sample.time - start) // seconds))
    return [Period(start + number * seconds, list(group)) for number, group in groups]


class _Reader:
    """What one request asks for."""

    def __init__(self, moto: MotoFront, region: str, params: Params) -> None:
        self._moto, self._region, self._params = moto, region, params

    def data(self) -> Params:
        """GetMetricData."""
        asked = self._params["MetricDataQueries"]
        self._check_points()
        queries.check(asked, "MetricDataQueries")
        start, end = self._window(ValidationError)
        metrics = {one["Id"]: self._series(one, start, end) for one in asked if "MetricStat" in one}
        texts = {one["Id"]: one["Expression"] for one in asked if "Expression" in one}
        frame = Frame(_times(asked, start, end), metrics, texts)
        found = [
            result
            for one in asked
            if one.get("ReturnData", True)
            for result in (
                [self._result(one, metrics[one["Id"]])] if one["Id"] in metrics else self._worked_out(one, frame)
            )
        ]
        return {"MetricDataResults": found}

    def statistics(self) -> Params | None:
        """GetMetricStatistics, or None where plain statistics are asked for."""
        params = self._params
        names = params.get("ExtendedStatistics")
        points = (params["EndTime"] - params["StartTime"]).total_seconds() / params["Period"]
        if points > STATISTICS:
            raise InvalidParameterCombination(
                f"You have requested up to {points:,.0f} datapoints, which exceeds the limit of {STATISTICS:,}."
                " You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        if not names:
            return None
        if params.get("Statistics"):
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
        ranks = _ranks(names)
        start, end = self._window(InvalidParameterValue)
        samples = self._select(params, start, end, params.get("Unit"))
        first = samples[0].time if samples else start
        found = [_datapoint(period, ranks) for period in split(samples, first, params["Period"])]
        return {"Label": params["MetricName"], "Datapoints": [point for point in found if point is not None]}

    def _check_points(self) -> None:
        """ValidationError: more than AWS answers; each datapoint would be a step, with data or without."""
        params = self._params
        asked = params["MetricDataQueries"]
        if len(asked) > QUERIES:
            raise ValidationError(f"The collection MetricDataQueries must not have more than {QUERIES} elements.")
        seconds = (params["EndTime"] - params["StartTime"]).total_seconds()
        periods = [one["MetricStat"]["Period"] for one in asked if "MetricStat" in one]
        if sum(seconds / period for period in periods) > DATA:
            raise ValidationError(f"The request asks for more than {DATA:,} datapoints: take a larger Period.")

    def _series(self, query: Params, start: float, end: float) -> Series:
        wanted = query["MetricStat"]
        samples = self._select(wanted["Metric"], start, end, wanted.get("Unit"))
        found = {}
        for period in split(samples, start, wanted["Period"]):
            value = statistic(wanted["Stat"], period.samples)
            if value is not None:
                found[period.start] = value
        label = query.get("Label") or f"{wanted['Metric'].get('MetricName')} {wanted['Stat']}"
        return Series(found, label, wanted["Period"])

    def _worked_out(self, query: Params, frame: Frame) -> list[Params]:
        """The results of an expression, one a time series."""
        try:
            found = frame.result(query["Id"])
        except MathError as error:
            raise ValidationError(f"Error in expression '{query['Id']}': {error}") from None
        if len(found) == 1:
            return [self._result(query, Series(found[0].values, query.get("Label") or query["Id"]))]
        own = query.get("Label", query["Id"])
        return [self._result(query, Series(one.values, f"{own} {one.label}".strip())) for one in found]

    def _result(self, query: Params, found: Series) -> Params:
        down = (self._params.get("ScanBy") or DESCENDING) == DESCENDING
        points = sorted(found.values.items(), reverse=down)
        return {
            "Id": query["Id"],
            "Label": found.label,
            "Timestamps": [datetime.fromtimestamp(time, UTC) for time, _ in points],
            "Values": [value for _, value in points],
            "StatusCode": "Complete",
        }

    def _select(self, metric: Params, start: float, end: float, unit: str | None) -> list[Sample]:
        """The samples of a metric (its namespace, name and exactly its dimensions) in a window of time."""
        found = self._moto.samples.window(self._region, metric_of(metric), start, end)
        return found if unit is None else [one for one in found if one.unit == unit]

    def _window(self, trouble: type[ServiceError]) -> tuple[float, float]:
        """StartTime and EndTime, in whole epoch seconds."""
        start, end = (_epoch(self._params[name]) for name in ("StartTime", "EndTime"))
        if start >= end:
            raise trouble("The parameter StartTime must be less than the parameter EndTime.")
        return start, end


def _times(asked: list[Params], start: float, end: float) -> list[float]:
    """When the periods of a request's expressions begin: those of its shortest metric."""
    periods = [one["MetricStat"]["Period"] for one in asked if "MetricStat" in one]
    periods = periods or [one["Period"] for one in asked if "Period" in one]
    if not periods:
        return []
    number = int(min(-(-(end - start) // min(periods)), DATA))
    return [start + at * min(periods) for at in range(number)]


def _epoch(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).replace(microsecond=0).timestamp()


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
    start = datetime.fromtimestamp(period.start, UTC)
    return {"Timestamp": start, "Unit": period.samples[0].unit, "ExtendedStatistics": values}


@cache
def shape(name: str) -> Shape:
    """The input shape of an operation of CloudWatch."""
    model = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")
    found: Shape = model.operation_model(name).input_shape
    return found
