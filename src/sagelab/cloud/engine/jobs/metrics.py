"""What a job's log says in numbers: MetricDefinitions' expressions, read from each line as it appears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import regex

NAMESPACE = "/aws/sagemaker/TrainingJobs"
LINE_LIMIT = 8192
TIMEOUT = 0.05
BATCH = 500


@dataclass(frozen=True)
class Point:
    """One value of one metric at one time."""

    name: str
    value: float
    time: datetime


class Metrics:
    """The metrics of one job, from all of its hosts."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        """definitions: [{"Name": ..., "Regex": ...}] as the API has them, already checked by `compile`."""
        self._expressions = [(item["Name"], regex.compile(item["Regex"])) for item in definitions]
        self._lock = threading.Lock()
        self._last: dict[str, Point] = {}
        self._unsent: list[Point] = []
        self.listener: Callable[[Point], None] | None = None  # hears of each value as it is found

    def read(self, line: str, time_ms: int) -> None:
        """Find values in one line of the log, printed at `time_ms` (milliseconds since the epoch)."""
        for name, expression in self._expressions:
            value = _find(expression, line[:LINE_LIMIT])
            if value is not None:
                point = Point(name, value, datetime.fromtimestamp(time_ms / 1000, UTC))
                with self._lock:
                    self._last[name] = point
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
    """Check an expression of a MetricDefinition. ValueError: it cannot be read."""
    try:
        regex.compile(text)
    except regex.error as error:
        raise ValueError(str(error)) from error


def _find(expression: Any, line: str) -> float | None:
    try:
        found = expression.search(line, timeout=TIMEOUT)
        return float(found[1] if expression.groups else found[0]) if found else None
    except (ValueError, TypeError, TimeoutError):
        return None
