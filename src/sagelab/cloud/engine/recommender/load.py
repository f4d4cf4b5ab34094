"""One load test: users come level by level, and each level shows what the endpoint does then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.fleet import AnyVariant
from sagelab.cloud.engine.hosting.instance import Instance
from sagelab.cloud.engine.hosting.usage import Usage
from sagelab.cloud.engine.jobs.run import Stopped
from sagelab.cloud.engine.recommender.crowd import Crowd, Deeds
from sagelab.cloud.engine.recommender.curve import Limits, Window
from sagelab.cloud.engine.recommender.latencies import Latencies
from sagelab.cloud.engine.recommender.traffic import Level
from sagelab.cloud.errors import ClientError

logger = logging.getLogger("sagelab")

NAMESPACE = "/aws/sagemaker/InferenceRecommendationsJobs"
VALUES = 150  # of one datum, at the most
TICK = 1.0  # real seconds between two looks
PATIENCE = 70.0  # real seconds that a level waits for the first answer of each of its users
SHORT = 0.05  # real seconds between two looks then


class Meter:
    """What an endpoint does and uses while it is asked. memory: bytes of this machine."""

    def __init__(self, endpoint: Endpoint, memory: int) -> None:
        self._endpoint, self._memory = endpoint, memory
        self._lock, self._times, self._usage = threading.Lock(), Latencies(), Usage()
        endpoint.measures.listeners.append(self._hear)

    def reset(self) -> None:
        """What is read next began now."""
        self._usage.look(self._processes())
        with self._lock:
            self._times = Latencies()

    def read(self, window: Window) -> None:
        """Put into a window what was since the reset. Its CPU is of the cores that the servers are held to."""
        cpu, memory = self._usage.look(self._processes())
        window.cpu, window.memory = cpu / self._cores(), 100 * memory / self._room()
        window.setup = max((getattr(server, "setup", 0.0) for server in self._servers()), default=0.0)
        with self._lock:
            window.model = self._times

    def close(self) -> None:
        self._endpoint.measures.listeners.remove(self._hear)

    def _hear(self, seconds: float) -> None:
        with self._lock:
            self._times.add(1000 * seconds)

    def _variants(self) -> list[AnyVariant]:
        fleet = self._endpoint.fleet
        return list(fleet.variants.values()) if fleet else []

    def _servers(self) -> list[Instance]:
        return [server for variant in self._variants() for server in list(variant.servers)]

    def _processes(self) -> list[int]:
        return [pid for server in self._servers() for pids in server.processes().values() for pid in pids]

    def _cores(self) -> int:
        return max(1, sum(each.spec.threads * len(each.servers) for each in self._variants()))

    def _room(self) -> int:
        """Bytes of memory that what serves is held to: this machine's, or that of its environments."""
        environments = [
            len(each.servers) * each.spec.serverless.memory << 20
            for each in self._variants()
            if each.spec.serverless
        ]
        return sum(environments) or self._memory


@dataclass(frozen=True)
class Metrics:
    """What the users see, on its way to CloudWatch.

    https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
    """

    cloudwatch: Any
    job: str
    endpoint: str

    def send(self, users: int, deeds: Deeds) -> None:
        """What so many users did since the last time."""
        data = [
            self._datum("NumberOfUsers", Value=users),
            self._datum("ClientInvocations", Value=deeds.requests),
            self._datum("ClientInvocationErrors", Value=deeds.errors),
        ]
        if deeds.latencies.counts:
            values, counts = deeds.latencies.values(VALUES)
            data.append(self._datum("ClientLatency", "Milliseconds", Values=values, Counts=counts))
        try:
            self.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            logger.exception("metrics of the recommendations job %s were refused", self.job)

    def _datum(self, name: str, unit: str = "None", **value: Any) -> dict[str, Any]:
        names = {"JobName": self.job, "EndpointName": self.endpoint}
        dimensions = [{"Name": key, "Value": text} for key, text in names.items()]
        return {
            "MetricName": name,
            "Dimensions": dimensions,
            "Timestamp": datetime.now(UTC),
            "Unit": unit,
            **value,
        }


@dataclass(frozen=True)
class Load:
    """The users of one test. asked: it is to end early. say: takes a line for the job's log."""

    crowd: Crowd
    meter: Meter
    metrics: Metrics
    clock: Clock
    asked: threading.Event
    say: Callable[[str], None]

    def run(self, levels: Iterable[Level], limits: Limits) -> list[Window]:
        """One window a level, until a limit is reached. Stopped: it was asked to. ClientError: nothing answers."""
        windows: list[Window] = []
        for level in levels:
            window = self._hold(level)
            windows.append(window)
            self.say(describe(window))
            if window.errors == window.requests:
                raise ClientError(window.error or f"No request was answered in {window.seconds:,.0f} s.")
            if reason := limits.reached(windows):
                self.say(f"no more users: {reason}")
                break
        return windows

    def _hold(self, level: Level) -> Window:
        """A level lasts as long as it is to on the clock, and until each of its users has had an answer."""
        self.crowd.look(level.users)  # what came until now is of the level before
        self.meter.reset()
        window, began, cpu = Window(level.users), self.clock.real(), 0.0
        while (left := self._left(level, window, began)) > 0:
            if self.clock.wait(self.asked, left):
                raise Stopped
            deeds = self.crowd.look(level.users)
            self.metrics.send(level.users, deeds)
            window.requests += deeds.requests
            window.errors += deeds.errors
            window.error = window.error or deeds.error
            window.seconds += deeds.seconds
            window.client.take(deeds.latencies)
            cpu += deeds.cpu
        window.generator = cpu / window.seconds if window.seconds else 0.0
        self.meter.read(window)
        return window

    def _left(self, level: Level, window: Window, began: float) -> float:
        """Seconds of the clock until the next look; 0 where the level is over."""
        left = level.seconds - self.clock.elapsed(began)
        if left > 0:
            return min(left, TICK * self.clock.speed)
        late = self.clock.real() - began > PATIENCE
        return 0.0 if late or window.requests >= level.users else SHORT * self.clock.speed


def describe(window: Window) -> str:
    """A level, as the log has it."""
    model, client = window.latencies, window.client
    text = (
        f"{window.users} user{'s' * (window.users > 1)}: {window.per_minute:,.0f} invocations a minute in"
        f" {window.seconds:.1f} s,"
        f" model latency {model.percentile(0.5):,.1f} ms (P95 {model.percentile(0.95):,.1f} ms), for the users"
        f" {client.percentile(0.5):,.1f} ms; CPU {window.cpu:.0f} %, memory {window.memory:.1f} %; the users take"
        f" {100 * window.generator:.0f} % of a core"
    )
    return text + (f"; {window.errors} errors, the first: {window.error}" if window.errors else "")
