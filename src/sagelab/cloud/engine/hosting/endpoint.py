"""A running endpoint: the fleet that serves, its metrics, its captured data, and the change to another fleet."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import targets
from sagelab.cloud.engine.hosting.capture import Exchange
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.fleet import AnyVariant, Fleet, FleetSpec, Traffic, Variant, draw
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.mirror import Mirror
from sagelab.cloud.engine.hosting.serverless import Declined, ServerlessVariant, Throttled, TooLarge
from sagelab.cloud.engine.hosting.shifting import Closed, Plan, Shift, Watch
from sagelab.cloud.engine.hosting.usage import Usage
from sagelab.cloud.errors import ClientError

MINUTE = 60.0  # seconds of the clock
# What an invocation ends with that no container answered -> its status in the metrics.
WITHOUT_ANSWER: dict[type[Exception], int] = {
    ServerUnavailable: 500,
    targets.ModelNotReady: 429,
    targets.BadTarget: 400,
    Throttled: 400,
    TooLarge: 413,
}
SILENT = (ServerUnavailable, targets.ModelNotReady, targets.BadTarget, Declined)


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
    """One endpoint. `deploy` brings a configuration to life while the one before goes on serving.

    traffic: the fleets that serve, each with its share of the requests. closed: it has come to its end.
    """

    def __init__(self, name: str, context: EngineContext) -> None:
        self.name, self.context = name, context
        self.measures = Measures(name, context.client("cloudwatch"), context.clock)
        self.traffic: Traffic = ()
        self.asynchronous = False  # it is asked by way of S3
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._using, self._usage = threading.Lock(), defaultdict[tuple[str, str], Usage](Usage)
        threading.Thread(target=self._watch_usage, daemon=True, name=f"usage {name}").start()

    @property
    def fleet(self) -> Fleet | None:
        """The fleet that the endpoint is described by; while it goes from one to the next, the one before."""
        traffic = self.traffic
        return traffic[0][0] if traffic else None

    def deploy(self, wanted: FleetSpec, plan: Plan | None = None, watch: Watch | None = None) -> None:
        """Start a new fleet, let it take over, close the old one, as the plan says.

        JobError: it did not come up. RolledBack, RollbackFailed: the old one serves again, or they both serve.
        """
        fleet = Fleet(self.name, wanted, self.context, self.measures)
        if shadow := fleet.shadow:
            self._reflect(fleet, shadow)
        try:
            Shift(self, fleet, plan or Plan(), watch or Watch()).run()
        except Closed:
            raise ClientError("The endpoint was deleted while it was changed.") from None

    def share(self, traffic: Traffic) -> None:
        """Let fleets serve from now on, and no others. Closed: none serves any more."""
        with self._lock:
            if self.closed.is_set():
                raise Closed
            self.traffic = traffic

    def resize(self, wanted: list[dict[str, Any]]) -> None:
        """Give variants other weights and numbers of servers. JobError: a server did not come up.

        wanted: DesiredWeightsAndCapacities of the API; a variant keeps what is not named.
        """
        assert self.fleet
        for item in wanted:
            variant = self.fleet.named(item["VariantName"])
            variant.weight = item.get("DesiredWeight", variant.weight)
            if isinstance(variant, ServerlessVariant):
                change = item.get("ServerlessUpdateConfig", {})
                variant.adjust(change.get("MaxConcurrency"), change.get("ProvisionedConcurrency"))
            else:
                variant.resize(item.get("DesiredInstanceCount", variant.spec.count))

    def invoke(self, invocation: Invocation) -> tuple[str, Reply]:
        """(variant, reply) of one invocation. ServerUnavailable: no answer, a 5xx.

        NoVariant, BadTarget: there is no such variant, container or model. ModelNotReady: it is being loaded.
        Declined: a serverless variant does not take it now.
        """
        fleet = self._enter()
        try:
            variant = _variant_of(fleet, invocation.target)
            reply = self._ask(fleet, variant, invocation)
        finally:
            if fleet.mirror:
                fleet.mirror.take(invocation, len(invocation.body))
            fleet.leave()
        return variant.spec.name, reply

    def stream(self, invocation: Invocation) -> tuple[str, Reply, Iterator[bytes]]:
        """(variant, reply without a body, the body as it comes) of one invocation; errors as of `invoke`."""
        fleet = self._enter()
        try:
            variant, headers = _variant_of(fleet, invocation.target), invocation.headers()
            targets.check(self.name, variant.spec, headers)
            count = variant.instances
            reply, parts = variant.ask(lambda server: server.stream(headers, invocation.body))
        except BaseException:
            fleet.leave()
            raise
        if fleet.mirror:
            fleet.mirror.take(invocation, len(invocation.body))
        self._note(fleet, variant, count, reply, time.perf_counter() - invocation.received - reply.seconds)
        return variant.spec.name, reply, _then(parts, fleet.leave)

    def close(self) -> None:
        """End everything; what is under way ends with an error."""
        self._note_usage()  # an endpoint of less than a minute has its usage, too
        with self._lock:
            self.closed.set()
            traffic, self.traffic = self.traffic, ()
        for fleet, _ in traffic:
            fleet.close()
        self.measures.close()

    def _enter(self) -> Fleet:
        with self._lock:
            traffic = self.traffic
            if not traffic:
                raise ServerUnavailable("the endpoint is not in service")
            fleet = traffic[0][0] if len(traffic) == 1 else draw(traffic)
            fleet.enter()
            return fleet

    def _ask(self, fleet: Fleet, variant: AnyVariant, invocation: Invocation) -> Reply:
        """The answer of a variant's server, which is measured, and captured if it is good."""
        name, count, headers = variant.spec.name, variant.instances, invocation.headers()
        targets.check(self.name, variant.spec, headers)
        try:
            reply = variant.ask(lambda server: server.invoke("/invocations", headers, invocation.body))
        except SILENT as error:
            status, waited = WITHOUT_ANSWER[type(error)], time.perf_counter() - invocation.received
            self.measures.note(name, count, status, None, waited, fleet.config)
            raise
        self._note(fleet, variant, count, reply, time.perf_counter() - invocation.received - reply.seconds)
        if fleet.capture and reply.status < 400:
            kind = reply.headers.get("content-type", invocation.accept)
            fleet.capture.take(
                Exchange(name, invocation.content_type, invocation.body, kind, reply.body, invocation.inference_id)
            )
        return reply

    def _note(self, fleet: Fleet, variant: AnyVariant, count: int | None, reply: Reply, overhead: float) -> None:
        self.measures.note(variant.spec.name, count, reply.status, reply.seconds, overhead, fleet.config)
        if reply.hops:
            self.measures.note_containers(variant.spec.name, reply.hops, overhead if variant.spec.direct else None)

    def _reflect(self, fleet: Fleet, shadow: Variant) -> None:
        """Give the shadow variant copies of what the production variant is asked, by their weights."""
        (production,) = fleet.variants.values()

        def share() -> float:
            return shadow.weight / production.weight if production.weight else 0.0

        def ask(invocation: Invocation) -> None:
            with suppress(*SILENT):  # the metrics tell of it
                self._ask(fleet, shadow, replace(invocation, received=time.perf_counter()))

        fleet.mirror = Mirror(f"shadow of {self.name}", ask, share)

    @property
    def instances(self) -> int:
        """How many servers there are to be asked, of all variants."""
        return sum(len(one.servers) for fleet, _ in self.traffic for one in fleet.variants.values())

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
        return fleet.role

    def _watch_usage(self) -> None:
        """CPU and memory of variants and containers, and zeros where nobody asks, once a minute of the clock."""
        clock = self.context.clock
        while not clock.wait(self.closed, MINUTE - clock.now() % MINUTE):
            found = [(one, fleet.config) for fleet, _ in self.traffic for one in fleet.all]
            serverless = {one.spec.name for one, _ in found if isinstance(one, ServerlessVariant)}
            places = [(one.spec.name, config) for one, config in found]
            if places and self.measures.rest(places, serverless):
                self._note_usage()

    def _note_usage(self) -> None:
        found = defaultdict[str, list[Variant]](list)
        for fleet, _ in self.traffic:
            for variant in fleet.all:
                if isinstance(variant, Variant):  # a serverless one tells by itself
                    found[variant.spec.name].append(variant)
        with self._using:
            for name, variants in found.items():
                self._note_usage_of(name, variants)

    def _note_usage_of(self, name: str, variants: list[Variant]) -> None:
        """Of each container on all instances where there are several, and of all together."""
        found = defaultdict[str, list[int]](list)
        for server in [server for variant in variants for server in variant.servers]:
            for container, pids in server.processes().items():
                found[container] += pids
        used = {one: self._usage[name, one].look(pids) for one, pids in found.items()}
        if len(used) > 1:
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


def _variant_of(fleet: Fleet, target: str | None) -> AnyVariant:
    if target is None:
        return fleet.choose()
    try:
        return fleet.variants[target]
    except KeyError:
        raise NoVariant(target) from None
