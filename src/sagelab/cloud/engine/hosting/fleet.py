"""The variants of an endpoint: so many servers each, and a choice of one for every invocation."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import chain
from sagelab.cloud.engine.hosting.capture import Capture
from sagelab.cloud.engine.hosting.client import ServerUnavailable
from sagelab.cloud.engine.hosting.instance import Instance
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.mirror import Mirror
from sagelab.cloud.engine.hosting.server import VariantSpec, close_all
from sagelab.cloud.engine.hosting.serverless import ServerlessVariant
from sagelab.cloud.engine.hosting.zones import Placement
from sagelab.cloud.errors import ClientError

logger = logging.getLogger("sagelab")

AT_ONCE = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two tries to replace servers of a lost zone
NO_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error: every zone that"
    " {} may stand in is down ({})."
)

Answer = TypeVar("Answer")


class Variant:
    """One production variant: its servers and its weight."""

    def __init__(self, endpoint: str, spec: VariantSpec, context: EngineContext) -> None:
        self.spec, self.weight = spec, spec.weight
        self._endpoint, self._context = endpoint, context
        self._lock, self._changing = threading.Lock(), threading.Lock()
        self._closed = threading.Event()
        self._place, self._zones = Placement(context.zones, context.region, spec.zones), dict[Instance, str]()
        self.servers: list[Instance] = []
        context.zones.join(self)

    def resize(self, count: int) -> None:
        """Start or close servers until there are `count`; the old ones serve until the new ones answer.

        JobError: one did not come up, or the variant was closed.
        """
        with self._changing:
            while len(self.servers) < count:
                self._add(count - len(self.servers))
            with self._lock:
                self.servers, rest = self.servers[:count], self.servers[count:]
                self.spec = replace(self.spec, count=count)
            self._end(rest)

    def _add(self, count: int) -> None:
        """Start so many servers; those whose zone is lost meanwhile are ended again."""
        new = list[Instance]()
        try:
            new += [self._make() for _ in range(count)]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for started in [pool.submit(server.start) for server in new]:
                    started.result()
        except BaseException:
            self._end(new)
            raise
        with self._lock:
            stand = (
                [] if self._closed.is_set() else [one for one in new if self._zones[one] not in self._place.down]
            )
            self.servers = self.servers + stand
        self._end([one for one in new if one not in stand])
        if self._closed.is_set():
            raise ClientError("The endpoint was deleted while it was changed.")

    def _make(self) -> Instance:
        """A new server, in a zone. ClientError: all of its zones are down."""
        zone = self._place.take()
        if zone is None:
            raise ClientError(NO_CAPACITY.format(self.spec.instance_type, self._place))
        made = chain.make(self._endpoint, replace(self.spec, zones=(zone,)), self._context)
        self._zones[made] = zone
        return made

    def _end(self, servers: list[Instance]) -> None:
        for server in servers:
            self._place.leave(self._zones.pop(server))
        close_all(servers)

    def standing(self) -> Counter[str]:
        """How many of its servers stand in each zone."""
        with self._lock:
            return Counter(self._zones[server] for server in self.servers)

    def lose(self, zone: str) -> int:
        """A zone is gone: its servers are killed, and others start elsewhere. How many they were."""
        with self._lock:
            lost = [server for server in self.servers if self._zones[server] == zone]
            self.servers = [server for server in self.servers if server not in lost]
        for server in lost:
            server.kill()
        if lost:
            threading.Thread(target=self._replace, args=[lost], daemon=True, name=f"without {zone}").start()
        return len(lost)

    def _replace(self, lost: list[Instance]) -> None:
        """Start as many servers as there should be, as soon as there is a zone for them."""
        pause = 0.0
        while len(self.servers) < self.spec.count and not self._closed.wait(pause):
            try:
                self.resize(self.spec.count)
            except Exception as error:  # it is tried until it is done
                if not pause:
                    logger.warning("variant %s of %s lacks servers: %s", self.spec.name, self._endpoint, error)
                pause = min(LONGEST_PAUSE, 2 * pause or FIRST_PAUSE)
        self._end(lost)

    @property
    def instances(self) -> int:
        """How many servers it has."""
        return len(self.servers)

    def release(self) -> list[Instance]:
        """Its servers, for them to be closed: it has none from now on."""
        with self._lock:
            self._closed.set()
            servers, self.servers = self.servers, []
        return servers

    def pick(self, besides: Instance | None = None) -> Instance | None:
        """The server with the least to do, besides one; None where none is ready."""
        with self._lock:
            ready = [server for server in self.servers if server.ready and server is not besides]
        return min(ready, key=lambda server: server.busy) if ready else None

    def ask(self, act: Callable[[Instance], Answer]) -> Answer:
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


AnyVariant = Variant | ServerlessVariant


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

    def __init__(
        self, endpoint: str, wanted: FleetSpec, context: EngineContext, measures: Measures | None = None
    ) -> None:
        """measures: of its endpoint; None of a fleet that is only described."""
        self.wanted, self.config, self.capturing = wanted, wanted.config, wanted.capture
        self.variants: dict[str, AnyVariant] = {
            spec.name: ServerlessVariant(endpoint, spec, context, measures)
            if spec.serverless
            else Variant(endpoint, spec, context)
            for spec in wanted.variants
        }
        self.shadow = Variant(endpoint, wanted.shadow, context) if wanted.shadow else None
        self.capture: Capture | None = None
        self.mirror: Mirror[Any] | None = None
        self.started = False
        self._endpoint, self._context = endpoint, context
        self._random = random.Random()
        self._under_way = 0
        self._drained = threading.Condition()

    @property
    def all(self) -> list[AnyVariant]:
        """Its variants, the shadow among them."""
        return [*self.variants.values(), *([self.shadow] if self.shadow else [])]

    @property
    def role(self) -> str:
        """The model's role: of the first variant's, where they differ."""
        return next(iter(self.variants.values())).spec.role

    def named(self, name: str) -> AnyVariant:
        """The variant of a name, be it the shadow. KeyError: there is none."""
        return {variant.spec.name: variant for variant in self.all}[name]

    def start(self, counts: Mapping[AnyVariant, int] | None = None) -> None:
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

    def resize(self, counts: Mapping[AnyVariant, int]) -> None:
        """Let variants have so many servers. JobError: one did not come up."""
        for variant, count in counts.items():
            variant.resize(count)

    def choose(self) -> AnyVariant:
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
