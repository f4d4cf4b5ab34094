"""The variants of an endpoint: so many servers each, and a choice of one for every invocation."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting.capture import Capture
from sagelab.cloud.engine.hosting.client import ServerUnavailable
from sagelab.cloud.engine.hosting.mirror import Mirror
from sagelab.cloud.engine.hosting.server import Server, VariantSpec, close_all
from sagelab.cloud.engine.hosting.zones import Placement
from sagelab.cloud.errors import ClientError

AT_ONCE = 4

Answer = TypeVar("Answer")


class Variant:
    """One production variant: its servers and its weight."""

    def __init__(self, endpoint: str, spec: VariantSpec, context: EngineContext) -> None:
        self.spec, self.weight = spec, spec.weight
        self._endpoint, self._context = endpoint, context
        self._lock = threading.Lock()
        self._closed = False
        self._place = Placement(context.zones, context.region, spec.zones)
        self.servers: list[Server] = []

    def resize(self, count: int) -> None:
        """Start or close servers until there are `count`; the old ones serve until the new ones answer.

        JobError: one did not come up, or the variant was closed.
        """
        new = [self._make() for _ in range(count - len(self.servers))]
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for started in [pool.submit(server.start) for server in new]:
                    started.result()
        except BaseException:
            close_all(new)
            raise
        with self._lock:
            closed = self._closed
            if not closed:
                self.servers, rest = (self.servers + new)[:count], self.servers[count:]
                self.spec = replace(self.spec, count=count)
        if closed:
            close_all(new)
            raise ClientError("The endpoint was deleted while it was changed.")
        close_all(rest)

    def release(self) -> list[Server]:
        """Its servers, for them to be closed: it has none from now on."""
        with self._lock:
            self._closed = True
            servers, self.servers = self.servers, []
        return servers

    def _make(self) -> Server:
        return Server(self._endpoint, self.spec, self._context, self._place)

    def pick(self, besides: Server | None = None) -> Server | None:
        """The server with the least to do, besides one; None where none is ready."""
        with self._lock:
            ready = [server for server in self.servers if server.ready and server is not besides]
        return min(ready, key=lambda server: server.busy) if ready else None

    def ask(self, act: Callable[[Server], Answer]) -> Answer:
        """What a server answers; one that dies before it says a word is followed by another, once.

        ServerUnavailable: none answers, and no other one could be asked.
        """
        server = self.pick()
        if server is None:
            raise ServerUnavailable("no server of the variant is ready")
        try:
            return act(server)
        except ServerUnavailable as error:
            other = self.pick(besides=server) if error.silent else None
            if other is None:
                raise
            return act(other)


@dataclass(frozen=True)
class FleetSpec:
    """What an endpoint configuration asks for. config: its name. capture: its DataCaptureConfig.

    shadow: the variant that is given copies of the requests.
    """

    config: str
    variants: list[VariantSpec]
    shadow: VariantSpec | None = None
    capture: dict[str, Any] | None = None

    @property
    def all(self) -> list[VariantSpec]:
        """The variants, the shadow among them."""
        return [*self.variants, *([self.shadow] if self.shadow else [])]

    def named(self, name: str) -> VariantSpec:
        """The variant of a name. KeyError: there is none."""
        return {spec.name: spec for spec in self.all}[name]


class Fleet:
    """All variants of one endpoint configuration, running. capture: of what they are asked and answer.

    started: `start` was called. mirror: gives copies of requests to the shadow variant; whoever starts the fleet
    sets it.
    """

    def __init__(self, endpoint: str, wanted: FleetSpec, context: EngineContext) -> None:
        self.wanted, self.config, self.capturing = wanted, wanted.config, wanted.capture
        self.variants = {spec.name: Variant(endpoint, spec, context) for spec in wanted.variants}
        self.shadow = Variant(endpoint, wanted.shadow, context) if wanted.shadow else None
        self.capture: Capture | None = None
        self.mirror: Mirror[Any] | None = None
        self.started = False
        self._endpoint, self._context = endpoint, context
        self._random = random.Random()
        self._under_way = 0
        self._drained = threading.Condition()

    @property
    def all(self) -> list[Variant]:
        """Its variants, the shadow among them."""
        return [*self.variants.values(), *([self.shadow] if self.shadow else [])]

    @property
    def role(self) -> str:
        """The model's role: of the first variant's, where they differ."""
        return next(iter(self.variants.values())).spec.role

    def named(self, name: str) -> Variant:
        """The variant of a name, be it the shadow. KeyError: there is none."""
        return {variant.spec.name: variant for variant in self.all}[name]

    def start(self, counts: Mapping[Variant, int] | None = None) -> None:
        """Start every variant, with so many servers. JobError: one did not come up; then none runs."""
        self.started = True
        try:
            for variant in self.all:
                variant.resize(counts[variant] if counts else variant.spec.count)
            if self.capturing and self.capturing.get("EnableCapture"):
                self.capture = Capture(self._endpoint, self.capturing, self._context.client_as(self.role, "s3"))
        except BaseException:
            self.close()
            raise

    def resize(self, counts: Mapping[Variant, int]) -> None:
        """Let variants have so many servers. JobError: one did not come up."""
        for variant, count in counts.items():
            variant.resize(count)

    def choose(self) -> Variant:
        """A variant by the weights: each gets weight / sum of weights of the invocations."""
        variants = list(self.variants.values())
        weights = [variant.weight for variant in variants]
        if not any(weights):
            return variants[0]
        return self._random.choices(variants, weights)[0]

    def enter(self) -> None:
        """An invocation begins: the fleet is not closed before it left."""
        with self._drained:
            self._under_way += 1

    def leave(self) -> None:
        with self._drained:
            self._under_way -= 1
            self._drained.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until no invocation is under way, then close."""
        with self._drained:
            self._drained.wait_for(lambda: self._under_way == 0, seconds)
        self.close()

    def close(self) -> None:
        """End everything; what is under way ends with an error."""
        if self.mirror:
            self.mirror.close()
        close_all([server for variant in self.all for server in variant.release()])
        if self.capture:
            self.capture.close()


Traffic = tuple[tuple[Fleet, float], ...]  # fleets, and the share of the requests that each has


def draw(traffic: Traffic) -> Fleet:
    """A fleet for one request, by the shares."""
    left = random.random()
    for fleet, share in traffic:
        left -= share
        if left < 0:
            return fleet
    return traffic[-1][0]
