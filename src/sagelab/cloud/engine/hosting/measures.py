"""An endpoint's numbers, on their way to CloudWatch.

Names, dimensions and units as SageMaker has them:
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-metrics.html
https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoint-cloudwatch-metrics.html
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.alarms.samples import pause
from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.hosting.batch_sender import BatchSender
from sagelab.cloud.engine.hosting.client import Hop

logger = logging.getLogger("sagelab")

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
COUNTS = ("Invocations", "InvocationsPerInstance", "Invocation4XXErrors", "Invocation5XXErrors")
SAMPLES = 40  # latencies kept of one second; of more, evenly spaced ones in order of size
MINUTE, QUIET = 60, 1440  # seconds of the clock; minutes without an invocation after which zeros may be fewer

Place = tuple[str, str]  # (variant, endpoint configuration; "" for whatever is the endpoint's)
Moment = tuple[Place, str | None, int]  # what, its container or None, minute of the clock


@dataclass
class _Second:
    """What happened to one variant, or to one container of it, in one minute of the clock since the last time.

    time: real epoch seconds of the last of it.
    """

    time: float = 0.0
    count: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    hits: list[float] = field(default_factory=list)
    samples: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))


class Measures:
    """Counts and latencies of one endpoint, sent once a second while there is something to send.

    On a fast clock they are sent sooner, and what belongs to two of its minutes is never sent as one.
    """

    def __init__(self, endpoint: str, cloudwatch: Any, clock: Clock) -> None:
        self._endpoint, self._cloudwatch, self._clock = endpoint, cloudwatch, clock
        self._lock = threading.Lock()
        self._seconds: dict[Moment, _Second] = defaultdict(_Second)
        self._instances: dict[Place, int | None] = {}
        # The last two minutes in which each was invoked; at first, when it began to wait for that.
        self._asked: dict[Place, tuple[int, int]] = {}
        self._rested = 0.0  # when zeros were last sent, in real epoch seconds
        self._backlog: tuple[int, int] | None = None
        self._known_backlog: tuple[int, int] | None = None
        self.listeners: list[Callable[[float], None]] = []  # are told the seconds that a model took
        self._sender = BatchSender(f"measures {endpoint}", lambda: pause(clock), self._send)

    def note(
        self, variant: str, instances: int | None, status: int, model: float | None, overhead: float, config: str
    ) -> None:
        """One invocation. status: of HTTP. model, overhead: seconds; model is None where no server answered.

        instances: None of a variant that has none. config: the endpoint configuration that the variant is of.
        """
        place, minute = (variant, config), self._minute()
        if model is not None:
            for listener in list(self.listeners):
                listener(model)
        with self._lock:
            second = self._second(place)
            second.count += 1
            second.errors_4xx += 400 <= status < 500
            second.errors_5xx += status >= 500
            if model is not None:
                second.latencies["ModelLatency"].append(model * 1e6)
            second.latencies["OverheadLatency"].append(overhead * 1e6)
            self._instances[place] = instances
            for one in ((variant, ""), place):
                before, latest = self._asked.get(one, (minute, minute))
                self._asked[one] = (before, latest) if latest == minute else (latest, minute)
        self._sender.wake()

    def rest(self, places: Iterable[Place], serverless: Container[str] = ()) -> bool:
        """A minute of the clock is over: what was not invoked in it has sent zeros, as on AWS.

        places: the variants with their endpoint configurations. serverless: those that have no instances. After a
        day of a fast clock without an invocation, they do so once in a minute of the machine's. False: in this one
        they did not.
        """
        last, now = self._minute() - 1, self._clock.real()
        every = dict.fromkeys(one for place in places for one in ((place[0], ""), place))
        with self._lock:
            quiet = [one for one in every if last not in self._asked.setdefault(one, (last - 1, last - 1))]
            asleep = all(last - max(self._asked[one]) > QUIET for one in quiet)
            if quiet and asleep and self._clock.speed > 1 and now - self._rested < MINUTE:
                return False
            self._rested = now
            self._backlog = self._backlog or self._known_backlog
        end = self._clock.ago(self._clock.now() % MINUTE + 1, now)  # a second before the minute was over
        zeros = [
            (self._datum(name, count, "Count", None, end, Value=0.0), config)
            for name, config in quiet
            for count in COUNTS
            if count != "InvocationsPerInstance" or name not in serverless
        ]
        self._put(NAMESPACE, [_of(datum, config) if config else datum for datum, config in zeros])
        if self._backlog:
            self._sender.wake()
        return True

    def note_containers(self, variant: str, hops: tuple[Hop, ...], overhead: float | None) -> None:
        """What the containers of an instance did for an invocation.

        overhead: seconds, where one of them was asked directly; then it has counts of its own as well.
        """
        with self._lock:
            for hop in hops:
                second = self._second((variant, ""), hop.container)
                second.latencies["ContainerLatency"].append(hop.seconds * 1e6)
                if overhead is not None:
                    second.count += 1
                    second.errors_4xx += 400 <= hop.status < 500
                    second.errors_5xx += hop.status >= 500
                    second.latencies["OverheadLatency"].append(overhead * 1e6)

    def note_model(self, variant: str, hit: bool | None = None, **seconds: float) -> None:
        """A model of many. hit: whether it was loaded when it was asked for. seconds: of its metrics by name."""
        with self._lock:
            second = self._second((variant, ""))
            if hit is not None:
                second.hits.append(float(hit))
            for name, value in seconds.items():
                second.latencies[name].append(value * 1e6)
        self._sender.wake()

    def loaded(self, variant: str, count: int) -> None:
        """So many models of an instance are in memory."""
        self._put(INSTANCES, [self._datum(variant, "LoadedModelCount", "None", Value=count)])

    def sample(self, variant: str, values: dict[tuple[str, str], float]) -> None:
        """What a serverless variant has at this moment: (metric, unit) -> value."""
        with self._lock:
            for key, value in values.items():
                self._second((variant, "")).samples[key].append(value)
        self._sender.wake()

    def backlog(self, size: int, instances: int) -> None:
        """Asynchronous invocations that wait or are under way, and the servers that there are for them.

        https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
        """
        with self._lock:
            self._backlog = self._known_backlog = size, instances
        self._sender.wake()

    def usage(self, variant: str, cpu: float, memory: float, container: str | None = None) -> None:
        """CPU (100 is one core) and memory (percent of this machine's) of a variant's instances.

        container: of this one alone.
        """
        data = {"CPUUtilization": cpu, "MemoryUtilization": memory}
        put = [self._datum(variant, name, "Percent", container, Value=value) for name, value in data.items()]
        self._put(INSTANCES, put)

    def memory(self, variant: str, memory: float) -> None:
        """Memory of an environment without an instance, in percent of what there is for it."""
        self._put(INSTANCES, [self._datum(variant, "MemoryUtilization", "Percent", Value=memory)])

    def close(self) -> None:
        """Send the rest."""
        self._sender.close()

    def _send(self) -> None:
        with self._lock:
            seconds, self._seconds = self._seconds, defaultdict(_Second)
            backlog, self._backlog = self._backlog, None
        data = [datum for (place, part, _), second in seconds.items() for datum in self._data(place, second, part)]
        if backlog:
            size, instances = backlog
            data.append(self._datum(None, "ApproximateBacklogSize", "Count", Value=size))
            each = size / max(1, instances)
            data.append(self._datum(None, "ApproximateBacklogSizePerInstance", "Count", Value=each))
        self._put(NAMESPACE, data)

    def _data(self, place: Place, second: _Second, container: str | None) -> list[dict[str, Any]]:
        """What there is of one second: for the variant, and for the variant in its configuration."""
        variant, config = place
        instances = self._instances.get(place, 1)
        counts = {
            "Invocations": (1.0, second.count),
            "InvocationsPerInstance": (1 / max(1, instances or 1), second.count),
            "Invocation4XXErrors": (1.0, second.errors_4xx),
            "Invocation5XXErrors": (1.0, second.errors_5xx),
        }
        if container or instances is None:
            del counts["InvocationsPerInstance"]
        data = []
        for name, (value, count) in counts.items() if second.count else ():
            total = {"SampleCount": second.count, "Sum": value * count, "Minimum": 0.0, "Maximum": value}
            data.append(self._datum(variant, name, "Count", container, second.time, StatisticValues=total))
        for name, values in second.latencies.items():
            data.append(self._datum(variant, name, "Microseconds", container, second.time, Values=_thin(values)))
        if second.hits:
            data.append(
                self._datum(variant, "ModelCacheHit", "None", None, second.time, Values=_thin(second.hits))
            )
        for (name, unit), values in second.samples.items():
            ends = {"Minimum": min(values), "Maximum": max(values)}
            total = {"SampleCount": len(values), "Sum": sum(values), **ends}
            data.append(self._datum(variant, name, unit, None, second.time, StatisticValues=total))
        return data + [_of(one, config) for one in data if config]

    def _second(self, place: Place, container: str | None = None) -> _Second:
        """Where what happens now is gathered."""
        second = self._seconds[place, container, self._minute()]
        second.time = self._clock.real()
        return second

    def _datum(
        self,
        variant: str | None,
        name: str,
        unit: str,
        container: str | None = None,
        time: float | None = None,
        **value: Any,
    ) -> dict[str, Any]:
        """variant: None for what is of the whole endpoint. time: epoch seconds; by default now."""
        named = {"EndpointName": self._endpoint, "VariantName": variant, "ContainerName": container}
        dimensions = {key: text for key, text in named.items() if text}
        return {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
            "Timestamp": datetime.fromtimestamp(self._clock.real() if time is None else time, UTC),
            "Unit": unit,
            **value,
        }

    def _minute(self) -> int:
        return int(self._clock.now() // MINUTE)

    def _put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        try:
            if data:
                self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            logger.exception("metrics of endpoint %s were refused", self._endpoint)


def _of(datum: dict[str, Any], config: str) -> dict[str, Any]:
    """The same of a variant in one endpoint configuration."""
    return datum | {"Dimensions": [*datum["Dimensions"], {"Name": "EndpointConfigName", "Value": config}]}


def _thin(values: list[float]) -> list[float]:
    """At most SAMPLES values that keep the distribution: the smallest, the largest, evenly spaced ones."""
    if len(values) <= SAMPLES:
        return values
    ordered, last = sorted(values), len(values) - 1
    return [ordered[round(n * last / (SAMPLES - 1))] for n in range(SAMPLES)]
