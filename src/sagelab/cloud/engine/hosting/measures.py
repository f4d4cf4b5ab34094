"""An endpoint's numbers, on their way to CloudWatch.

Names, dimensions and units as SageMaker has them:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.hosting.batch_sender import BatchSender

logger = logging.getLogger("sagelab")

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
PAUSE = 1.0
SAMPLES = 40  # latencies kept of one second; of more, evenly spaced ones in order of size


@dataclass
class _Second:
    """What happened to one variant since the last time."""

    count: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    samples: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))


class Measures:
    """Counts and latencies of one endpoint, sent once a second while there is something to send."""

    def __init__(self, endpoint: str, cloudwatch: Any) -> None:
        self._endpoint, self._cloudwatch = endpoint, cloudwatch
        self._lock = threading.Lock()
        self._seconds: dict[str, _Second] = defaultdict(_Second)
        self._instances: dict[str, int | None] = {}
        self._backlog: tuple[int, int] | None = None
        self._sender = BatchSender(f"measures {endpoint}", PAUSE, self._send)

    def note(self, variant: str, instances: int | None, status: int, model: float | None, overhead: float) -> None:
        """One invocation. status: of HTTP. model, overhead: seconds; model is None where no server answered.

        instances: None of a variant that has none.
        """
        with self._lock:
            second = self._seconds[variant]
            second.count += 1
            second.errors_4xx += 400 <= status < 500
            second.errors_5xx += status >= 500
            if model is not None:
                second.latencies["ModelLatency"].append(model * 1e6)
            second.latencies["OverheadLatency"].append(overhead * 1e6)
            self._instances[variant] = instances
        self._sender.wake()

    def setup(self, variant: str, seconds: float) -> None:
        """The start of an environment of a serverless variant."""
        with self._lock:
            self._seconds[variant].latencies["ModelSetupTime"].append(seconds * 1e6)
        self._sender.wake()

    def sample(self, variant: str, values: dict[tuple[str, str], float]) -> None:
        """What a serverless variant has at this moment: (metric, unit) -> value."""
        with self._lock:
            for key, value in values.items():
                self._seconds[variant].samples[key].append(value)
        self._sender.wake()

    def backlog(self, size: int, instances: int) -> None:
        """Asynchronous invocations that wait or are under way, and the servers that there are for them.

        https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
        """
        with self._lock:
            self._backlog = size, instances
        self._sender.wake()

    def usage(self, variant: str, cpu: float, memory: float) -> None:
        """CPU (100 is one core) and memory (percent of this machine's) of a variant's instances."""
        self._put(INSTANCES, [self._datum(variant, "CPUUtilization", "Percent", Value=cpu)])
        self.memory(variant, memory)

    def memory(self, variant: str, memory: float) -> None:
        """Memory of instances, or of an environment without one, in percent of what there is for them."""
        self._put(INSTANCES, [self._datum(variant, "MemoryUtilization", "Percent", Value=memory)])

    def close(self) -> None:
        """Send the rest."""
        self._sender.close()

    def _send(self) -> None:
        with self._lock:
            seconds, self._seconds = self._seconds, defaultdict(_Second)
            backlog, self._backlog = self._backlog, None
        data = [datum for name, second in seconds.items() for datum in self._data(name, second)]
        if backlog:
            size, instances = backlog
            data.append(self._datum(None, "ApproximateBacklogSize", "Count", Value=size))
            each = size / max(1, instances)
            data.append(self._datum(None, "ApproximateBacklogSizePerInstance", "Count", Value=each))
        self._put(NAMESPACE, data)

    def _data(self, variant: str, second: _Second) -> list[dict[str, Any]]:
        data = []
        for name, (value, count) in self._counts(variant, second).items():
            total = {"SampleCount": second.count, "Sum": value * count, "Minimum": 0.0, "Maximum": value}
            data.append(self._datum(variant, name, "Count", StatisticValues=total))
        for name, values in second.latencies.items():
            data.append(self._datum(variant, name, "Microseconds", Values=_thin(values)))
        for (name, unit), values in second.samples.items():
            ends = {"Minimum": min(values), "Maximum": max(values)}
            total = {"SampleCount": len(values), "Sum": sum(values), **ends}
            data.append(self._datum(variant, name, unit, StatisticValues=total))
        return data

    def _counts(self, variant: str, second: _Second) -> dict[str, tuple[float, int]]:
        """Metric -> what one invocation counts there, and how many did."""
        if not second.count:
            return {}
        instances = self._instances[variant]
        return {
            "Invocations": (1.0, second.count),
            **({} if instances is None else {"InvocationsPerInstance": (1 / max(1, instances), second.count)}),
            "Invocation4XXErrors": (1.0, second.errors_4xx),
            "Invocation5XXErrors": (1.0, second.errors_5xx),
        }

    def _datum(self, variant: str | None, name: str, unit: str, **value: Any) -> dict[str, Any]:
        """variant: None for what is of the whole endpoint."""
        dimensions = {"EndpointName": self._endpoint} | ({"VariantName": variant} if variant else {})
        return {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
            "Timestamp": datetime.now(UTC),
            "Unit": unit,
            **value,
        }

    def _put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        try:
            if data:
                self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            logger.exception("metrics of endpoint %s were refused", self._endpoint)


def _thin(values: list[float]) -> list[float]:
    """At most SAMPLES values that keep the distribution: the smallest, the largest, evenly spaced ones."""
    if len(values) <= SAMPLES:
        return values
    ordered, last = sorted(values), len(values) - 1
    return [ordered[round(n * last / (SAMPLES - 1))] for n in range(SAMPLES)]
