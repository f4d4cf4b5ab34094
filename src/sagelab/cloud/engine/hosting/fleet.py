"""The variants of an endpoint: so many servers each, and a choice of one for every invocation."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import chain
from sagelab.cloud.engine.hosting.instance import Instance
from sagelab.cloud.engine.hosting.server import VariantSpec, close_all

AT_ONCE = 4


class Variant:
    """One production variant: its servers and its weight."""

    def __init__(self, endpoint: str, spec: VariantSpec, context: EngineContext) -> None:
        self.spec, self.weight = spec, spec.weight
        self._endpoint, self._context = endpoint, context
        self._lock = threading.Lock()
        self.servers: list[Instance] = []

    def start(self) -> None:
        """Start as many servers as the variant has instances. JobError: one did not come up."""
        self.resize(self.spec.count)

    def resize(self, count: int) -> None:
        """Start or close servers until there are `count`; the old ones serve until the new ones answer."""
        new = [chain.make(self._endpoint, self.spec, self._context) for _ in range(count - len(self.servers))]
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for started in [pool.submit(server.start) for server in new]:
                    started.result()
        except BaseException:
            close_all(new)
            raise
        with self._lock:
            self.servers, rest = (self.servers + new)[:count], self.servers[count:]
            self.spec = replace(self.spec, count=count)
        close_all(rest)

    def pick(self) -> Instance | None:
        """The server with the least to do; None where none is ready."""
        with self._lock:
            ready = [server for server in self.servers if server.ready]
        return min(ready, key=lambda server: server.busy) if ready else None


class Fleet:
    """All variants of one endpoint configuration, running."""

    def __init__(self, endpoint: str, specs: list[VariantSpec], context: EngineContext) -> None:
        self.variants = {spec.name: Variant(endpoint, spec, context) for spec in specs}
        self._random = random.Random()
        self._under_way = 0
        self._drained = threading.Condition()

    def start(self) -> None:
        """Start every variant. JobError: one did not come up; then none runs."""
        try:
            for variant in self.variants.values():
                variant.start()
        except BaseException:
            self.close()
            raise

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
        close_all([server for variant in self.variants.values() for server in variant.servers])
