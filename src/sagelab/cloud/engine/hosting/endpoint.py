"""A running endpoint: the fleet that serves, its metrics, its captured data, and the change to another fleet."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting.capture import Capture, Exchange
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.fleet import AnyVariant, Fleet
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.hosting.serverless import Declined, ServerlessVariant
from sagelab.cloud.engine.hosting.usage import Usage

DRAIN_SECONDS = 60.0
USAGE_SECONDS = 60.0


@dataclass(frozen=True)
class Invocation:
    """One request to an endpoint, as InvokeEndpoint has it. received: time.perf_counter() of its arrival."""

    body: bytes
    content_type: str = "application/json"
    accept: str = "application/json"
    custom: str | None = None
    target: str | None = None
    inference_id: str | None = None
    received: float = field(default_factory=time.perf_counter)

    def headers(self) -> dict[str, str]:
        """What the container sees of it."""
        found = {"Content-Type": self.content_type, "Accept": self.accept}
        if self.custom:
            found["X-Amzn-SageMaker-Custom-Attributes"] = self.custom
        if self.inference_id:
            found["X-Amzn-SageMaker-Inference-Id"] = self.inference_id
        return found


class NoVariant(Exception):
    """The invocation names a variant that the endpoint does not have."""


class Endpoint:
    """One endpoint. `deploy` brings a configuration to life while the one before goes on serving."""

    def __init__(self, name: str, context: EngineContext) -> None:
        self.name, self.context = name, context
        self.measures = Measures(name, context.client("cloudwatch"))
        self.capture: Capture | None = None
        self.capturing: dict[str, Any] | None = None  # the DataCaptureConfig
        self.fleet: Fleet | None = None
        self.asynchronous = False  # it is asked by way of S3
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._using, self._usage = threading.Lock(), defaultdict[str, Usage](Usage)
        threading.Thread(target=self._watch_usage, daemon=True, name=f"usage {name}").start()

    def deploy(self, specs: list[VariantSpec], capture: dict[str, Any] | None, stay: float = 0.0) -> None:
        """Start a new fleet, let it take over, close the old one. JobError: it did not come up.

        stay: seconds that the old one goes on after that, without invocations.
        """
        fleet = Fleet(self.name, specs, self.context, self.measures)
        fleet.start()
        with self._lock:
            gone = self._closed.is_set()
            if not gone:
                old, self.fleet = self.fleet, fleet
        if gone:
            fleet.close()
            return
        self._set_capture(capture)
        if old:
            self._closed.wait(stay)
            old.drain(DRAIN_SECONDS)

    def resize(self, wanted: list[dict[str, Any]]) -> None:
        """Give variants other weights and numbers of servers. JobError: a server did not come up.

        wanted: DesiredWeightsAndCapacities of the API; a variant keeps what is not named.
        """
        assert self.fleet
        for item in wanted:
            variant = self.fleet.variants[item["VariantName"]]
            variant.weight = item.get("DesiredWeight", variant.weight)
            if isinstance(variant, ServerlessVariant):
                change = item.get("ServerlessUpdateConfig", {})
                variant.adjust(change.get("MaxConcurrency"), change.get("ProvisionedConcurrency"))
            else:
                variant.resize(item.get("DesiredInstanceCount", variant.spec.count))

    def invoke(self, invocation: Invocation) -> tuple[str, Reply]:
        """(variant, reply) of one invocation. NoVariant: no such target. ServerUnavailable: no answer, a 5xx.

        Declined: a serverless variant does not take it now.
        """
        fleet = self._enter()
        try:
            variant = _variant_of(fleet, invocation.target)
            reply = self._ask(variant, invocation)
        finally:
            fleet.leave()
        if self.capture and reply.status < 400:
            kind = reply.headers.get("content-type", invocation.accept)
            self.capture.take(
                Exchange(variant.spec.name, invocation.content_type, invocation.body, kind, reply.body,
                         invocation.inference_id)
            )  # fmt: skip
        return variant.spec.name, reply

    def stream(self, invocation: Invocation) -> tuple[str, Reply, Iterator[bytes]]:
        """(variant, reply without a body, the body as it comes) of one invocation; errors as of `invoke`."""
        fleet = self._enter()
        try:
            variant = _variant_of(fleet, invocation.target)
            server, count = variant.pick(), variant.instances
            if server is None:
                raise ServerUnavailable("no server of the variant is ready")
            reply, parts = server.stream(invocation.headers(), invocation.body)
        except BaseException:
            fleet.leave()
            raise
        overhead = time.perf_counter() - invocation.received - reply.seconds
        self.measures.note(variant.spec.name, count, reply.status, reply.seconds, overhead)
        return variant.spec.name, reply, _then(parts, fleet.leave)

    def close(self) -> None:
        """End everything; what is under way ends with an error."""
        self._note_usage()  # an endpoint of less than a minute has its usage, too
        with self._lock:
            self._closed.set()
            fleet, self.fleet = self.fleet, None
        if fleet:
            fleet.close()
        self._set_capture(None)
        self.measures.close()

    def _enter(self) -> Fleet:
        with self._lock:
            if self.fleet is None:
                raise ServerUnavailable("the endpoint is not in service")
            self.fleet.enter()
            return self.fleet

    def _ask(self, variant: AnyVariant, invocation: Invocation) -> Reply:
        name, count = variant.spec.name, variant.instances
        try:
            server = variant.pick()
            if server is None:
                raise ServerUnavailable("no server of the variant is ready")
            reply = server.invoke("/invocations", invocation.headers(), invocation.body)
        except (ServerUnavailable, Declined) as error:
            self.measures.note(name, count, error.status, None, time.perf_counter() - invocation.received)
            raise
        overhead = time.perf_counter() - invocation.received - reply.seconds
        self.measures.note(name, count, reply.status, reply.seconds, overhead)
        return reply

    @property
    def instances(self) -> int:
        """How many servers there are, of all variants."""
        fleet = self.fleet
        return sum(len(variant.servers) for variant in fleet.variants.values()) if fleet else 0

    @property
    def role(self) -> str:
        """The model's role: of the first variant's, where they differ. ServerUnavailable: the endpoint is gone."""
        fleet = self.fleet
        if fleet is None:
            raise ServerUnavailable("the endpoint is gone")
        return next(iter(fleet.variants.values())).spec.role

    def _set_capture(self, config: dict[str, Any] | None) -> None:
        old, self.capture, self.capturing = self.capture, None, config
        if config and config.get("EnableCapture"):
            self.capture = Capture(self.name, config, self.context.client_as(self.role, "s3"))
        if old:
            old.close()

    def _watch_usage(self) -> None:
        """CPU and memory of each variant, once a minute."""
        while not self._closed.wait(USAGE_SECONDS):
            self._note_usage()

    def _note_usage(self) -> None:
        fleet = self.fleet
        with self._using:
            for name, variant in list(fleet.variants.items()) if fleet else []:
                if isinstance(variant, ServerlessVariant):
                    continue  # it tells by itself
                pids = [pid for server in variant.servers for pid in server.processes()]
                cpu, memory = self._usage[name].look(pids)
                self.measures.usage(name, cpu, 100 * memory / self.context.memory)


def _then(parts: Iterator[bytes], act: Callable[[], None]) -> Iterator[bytes]:
    """The parts; then, even if nobody reads them to their end, `act`."""
    try:
        yield from parts
    finally:
        act()


def _variant_of(fleet: Fleet, target: str | None) -> AnyVariant:
    if target is None:
        return fleet.choose()
    try:
        return fleet.variants[target]
    except KeyError:
        raise NoVariant(target) from None
