"""What delivery streams count, on its way to CloudWatch.

https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.alarms.samples import pause
from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.hosting.batch_sender import BatchSender

NAMESPACE = "AWS/Firehose"
AT_A_TIME = 500  # data of a request
_UNITS = {"Bytes": "Bytes", "Records": "Count", "Requests": "Count", "Success": "None", "DataFreshness": "Seconds"}
_UNITS |= {"Latency": "Milliseconds", "Duration": "Milliseconds", "KinesisMillisBehindLatest": "Milliseconds"}

logger = logging.getLogger("sagelab")


@dataclass
class _Sum:
    count: int = 0
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0


class Measures:
    """client: region -> CloudWatch. space, dimension: of what is counted."""

    def __init__(
        self,
        client: Callable[[str], Any],
        clock: Clock,
        space: str = NAMESPACE,
        dimension: str = "DeliveryStreamName",
    ) -> None:
        self._client, self._space, self._dimension = client, space, dimension
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str, str], _Sum] = {}
        self._sender: BatchSender | None = None
        self._clock = clock

    def note(self, region: str, stream: str, **values: float) -> None:
        """By its name, with "__" for the dot in it: what happened just now."""
        with self._lock:
            for name, value in values.items():
                found = self._sums.setdefault((region, stream, name.replace("__", ".")), _Sum())
                found.low = min(found.low, value) if found.count else value
                found.high = max(found.high, value) if found.count else value
                found.count += 1
                found.total += value
            if self._sender is None:
                self._sender = BatchSender(f"measures of {self._space}", lambda: pause(self._clock), self._send)
        self._sender.wake()

    def close(self) -> None:
        if self._sender:
            self._sender.close()

    def _send(self) -> None:
        with self._lock:
            sums, self._sums = self._sums, {}
        of_regions: dict[str, list[dict[str, Any]]] = {}
        for (region, stream, name), one in sums.items():
            of_regions.setdefault(region, []).append(self._datum(stream, name, one))
        for region, data in of_regions.items():
            for at in range(0, len(data), AT_A_TIME):
                try:
                    part = data[at : at + AT_A_TIME]
                    self._client(region).put_metric_data(Namespace=self._space, MetricData=part)
                except (ClientError, BotoCoreError):
                    logger.exception("what %s has counted was not sent", self._space)

    def _datum(self, stream: str, name: str, one: _Sum) -> dict[str, Any]:
        last = name.rpartition(".")[2]
        unit = next((unit for ending, unit in _UNITS.items() if last.endswith(ending)), "Count")
        values = {"SampleCount": one.count, "Sum": one.total, "Minimum": one.low, "Maximum": one.high}
        dimensions = [{"Name": self._dimension, "Value": stream}]
        return {"MetricName": name, "Dimensions": dimensions, "StatisticValues": values, "Unit": unit}
