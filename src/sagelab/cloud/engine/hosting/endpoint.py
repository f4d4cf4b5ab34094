"""A running endpoint: the fleet that serves, its metrics, its captured data, and the change to another fleet."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import targets
from sagelab.cloud.engine.hosting.capture import Capture, Exchange
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.fleet import Fleet, Variant
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.hosting.usage import Usage

DRAIN_SECONDS = 60.0
USAGE_SECONDS = 60.0


@dataclass(frozen=True)
class Invocation:
    """One request to an endpoint, as InvokeEndpoint has it. received: time.perf_counter() of its arrival.

    target: a variant. container, model: which of several, for endpoints that have them.
    """

    body: bytes
    content_type: str = "application/json"
    accept: str = "application/json"
    custom: str | None = None
    target: str | None = None
    inference_id: str | None = None
    container: str | None = None
    model: str | None = None
    received: float = field(default_factory=time.perf_counter)

    def headers(self) -> dict[str, str]:
        """What the container sees of it."""
        found = {"Content-Type": self.content_type, "Accept": self.accept}
        if self.custom:
            found["X-Amzn-SageMaker-Custom-Attributes"] = self.custom
        if self.inference_id:
            found["X-Amzn-SageMaker-Inference-Id"] = self.inference_id
        if self.container:
            found[targets.CONTAINER] = self.container
        if self.model:
            found[targets.MODEL] = self.model
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
        self._using, self._usage = threading.Lock(), defaultdict[tuple[str, str], Usage](Usage)
        threading.Thread(target=self._watch_usage, daemon=True, name=f"usage {name}").start()

    def deploy(self, specs: list[VariantSpec], capture: dict[str, Any] | None, stay: float = 0.0) -> None:
        """Start a new fleet, let it take over, close the old one. JobError: it did not come up.

        stay: seconds that the old one goes on after that, without invocations.
        """
        fleet = Fleet(self.name, specs, self.context)
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
            variant.resize(item.get("DesiredInstanceCount", variant.spec.count))

    def invoke(self, invocation: Invocation) -> tuple[str, Reply]:
        """(variant, reply) of one invocation. ServerUnavailable: no answer, a 5xx.

        NoVariant, BadTarget: there is no such variant, container or model. ModelNotReady: it is being loaded.
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
            variant, headers = _variant_of(fleet, invocation.target), invocation.headers()
            targets.check(self.name, variant.spec, headers)
            server, count = variant.pick(), len(variant.servers)
            if server is None:
                raise ServerUnavailable("no server of the variant is ready")
            reply, parts = server.stream(headers, invocation.body)
        except BaseException:
            fleet.leave()
            raise
        self._note(variant, count, reply, time.perf_counter() - invocation.received - reply.seconds)
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

    def _ask(self, variant: Variant, invocation: Invocation) -> Reply:
        headers = invocation.headers()
        targets.check(self.name, variant.spec, headers)
        server, name = variant.pick(), variant.spec.name
        count = len(variant.servers)
        if server is None:
            self.measures.note(name, count, 503, None, time.perf_counter() - invocation.received)
            raise ServerUnavailable("no server of the variant is ready")
        try:
            reply = server.invoke("/invocations", headers, invocation.body)
        except targets.ModelNotReady:
            self.measures.note(name, count, 429, None, time.perf_counter() - invocation.received)
            raise
        except targets.BadTarget:
            self.measures.note(name, count, 400, None, time.perf_counter() - invocation.received)
            raise
        except ServerUnavailable:
            self.measures.note(name, count, 500, None, time.perf_counter() - invocation.received)
            raise
        self._note(variant, count, reply, time.perf_counter() - invocation.received - reply.seconds)
        return reply

    def _note(self, variant: Variant, count: int, reply: Reply, overhead: float) -> None:
        self.measures.note(variant.spec.name, count, reply.status, reply.seconds, overhead)
        if reply.hops:
            self.measures.note_containers(variant.spec.name, reply.hops, overhead if variant.spec.direct else None)

    @property
    def instances(self) -> int:
        """How many servers there are, of all variants."""
        fleet = self.fleet
        return sum(len(variant.servers) for variant in fleet.variants.values()) if fleet else 0

    @property
    def instance_types(self) -> dict[str, str]:
        """Variant -> instance type, of those that serve."""
        fleet = self.fleet
        return {name: one.spec.instance_type for name, one in fleet.variants.items()} if fleet else {}

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
        """CPU and memory of each variant and its containers, once a minute."""
        while not self._closed.wait(USAGE_SECONDS):
            self._note_usage()

    def _note_usage(self) -> None:
        fleet = self.fleet
        with self._using:
            for name, variant in list(fleet.variants.items()) if fleet else []:
                self._note_usage_of(name, variant)

    def _note_usage_of(self, name: str, variant: Variant) -> None:
        """Of each container on all instances where there are several, and of all together."""
        found = defaultdict[str, list[int]](list)
        for server in list(variant.servers):
            for container, pids in server.processes().items():
                found[container] += pids
        used = {one: self._usage[name, one].look(pids) for one, pids in found.items()}
        if len(variant.spec.containers) > 1:
            for container, (cpu, memory) in used.items():
                self.measures.usage(name, cpu, 100 * memory / self.context.memory, container)
        cpu, memory = (sum(values) for values in zip(*used.values(), strict=True)) if used else (0.0, 0)
        self.measures.usage(name, cpu, 100 * memory / self.context.memory)


def _then(parts: Iterator[bytes], act: Callable[[], None]) -> Iterator[bytes]:
    """The parts; then, even if nobody reads them to their end, `act`."""
    try:
        yield from parts
    finally:
        act()


def _variant_of(fleet: Fleet, target: str | None) -> Variant:
    if target is None:
        return fleet.choose()
    try:
        return fleet.variants[target]
    except KeyError:
        raise NoVariant(target) from None
