"""A serverless variant: no server at rest, an environment for each request under way, started when it is needed.

An environment takes one request at a time, waits for the next one and ends when none comes. Those of the
provisioned concurrency are always there.
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.environment import Environment, Fetched
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.server import Serverless, VariantSpec, close_all
from sagelab.cloud.engine.hosting.targets import ModelNotReady
from sagelab.cloud.errors import ClientError, JobError

logger = logging.getLogger("sagelab")
Answer = TypeVar("Answer")

IDLE = 300.0  # seconds of the clock that an environment waits for the next request; AWS does not say
MINUTE = 60.0  # of the clock, between two looks
PATIENCE = 60.0  # seconds that a request waits for an environment to start
PAYLOAD = 4 << 20  # bytes of a request, and of an answer
MOST = 20  # environments of a variant at a time, on this one machine
AT_ONCE = 4
LONGEST_PAUSE = 30.0  # seconds until a provisioned environment that does not start is tried again

TROUBLE = (JobError, RuntimeError, OSError, botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)

CONCURRENT = ("ServerlessConcurrentExecutionsUtilization", "None")
EXECUTIONS = ("ServerlessProvisionedConcurrencyExecutions", "Count")
UTILIZATION = ("ServerlessProvisionedConcurrencyUtilization", "None")
HANDLED = ("ServerlessProvisionedConcurrencyInvocations", "Count")
SPILLED = ("ServerlessProvisionedConcurrencySpilloverInvocations", "Count")


class Declined(Exception):
    """An invocation that no environment takes."""


class Throttled(Declined):
    """So many requests are under way as there may be."""


class TooLarge(Declined):
    """The request is larger than a serverless endpoint takes."""


class Turn:
    """One invocation, from its beginning on one of those under way; it must be made."""

    def __init__(self, variant: ServerlessVariant) -> None:
        self._variant = variant

    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """As a server's, and Declined."""
        environment, well = self._variant.take(body), False
        try:
            reply = environment.invoke(path, headers, body)
            well = True
        finally:
            self._variant.give(environment, well)
        _check_size(len(reply.body))
        return reply

    def stream(self, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """As a server's, and Declined."""
        environment = self._variant.take(body)
        try:
            reply, parts = environment.stream(headers, body)
        except BaseException:
            self._variant.give(environment, well=False)
            raise
        return reply, self._until_end(environment, parts)

    def _until_end(self, environment: Environment, parts: Iterator[bytes]) -> Iterator[bytes]:
        well, size = False, 0
        try:
            for part in parts:
                size += len(part)
                _check_size(size)
                yield part
            well = True
        finally:
            self._variant.give(environment, well)


class ServerlessVariant:
    """One serverless production variant: its environments, which are `servers`, and its weight."""

    instances = None
    environment: type[Environment] = Environment

    def __init__(
        self, endpoint: str, spec: VariantSpec, context: EngineContext, measures: Measures | None
    ) -> None:
        """measures: None of a variant that is only described."""
        self.spec, self.weight = spec, spec.weight
        self.servers: list[Environment] = []
        self._endpoint, self._context, self._told = endpoint, context, measures
        self._clock, self._model = context.clock, Fetched(endpoint, spec, context)
        self._lock, self._wake, self._closed = threading.Lock(), threading.Event(), threading.Event()
        self._provisioning, self._started = threading.Lock(), False
        self._free: list[Environment] = []  # the longest waiting first
        self._starts: list[Future[Environment]] = []  # that nobody waits for
        self._open = self._open_kept = 0  # requests under way, and those in provisioned environments
        self._failed, self._again = 0, 0.0  # starts of provisioned ones; not before this epoch second

    @property
    def _measures(self) -> Measures:
        assert self._told
        return self._told

    @property
    def plan(self) -> Serverless:
        assert self.spec.serverless
        return self.spec.serverless

    def resize(self, count: int) -> None:  # noqa: ARG002 - it has no instances
        """See that an environment can start, and end it; have the provisioned ones. JobError: none can."""
        if self._started:
            return
        self._started = True
        if not self.plan.proven and not self.plan.provisioned:
            first = self._make(kept=False)
            try:
                first.start()
            finally:
                self._end([first])
        self._provision(self.plan.provisioned)
        threading.Thread(target=self._watch, daemon=True, name=f"serverless {self._endpoint}").start()

    def adjust(self, most: int | None = None, provisioned: int | None = None) -> None:
        """Take so many requests at a time; have so many environments always there. JobError: one cannot start."""
        plan = self.plan
        plan = replace(plan, most=most or plan.most, provisioned=provisioned or plan.provisioned)
        self._provision(plan.provisioned)
        self.spec = replace(self.spec, serverless=plan)
        self._wake.set()

    def pick(self) -> Turn | None:
        """The way to an environment, for one request. None: it is closed. Throttled: there are too many."""
        if self._closed.is_set():
            return None
        with self._lock:
            most = self.plan.most
            if self._open >= min(most, MOST):
                raise Throttled("Rate exceeded")
            self._open += 1
            share = self._open / most
        self._measures.sample(self.spec.name, {CONCURRENT: share})
        return Turn(self)

    def ask(self, act: Callable[[Turn], Answer]) -> Answer:
        """What an environment answers. ServerUnavailable, Declined, ModelNotReady: none does."""
        turn = self.pick()
        if turn is None:
            raise ServerUnavailable("no server of the variant is ready")
        return act(turn)

    def release(self) -> list[Environment]:
        """Take no more requests; the environments, which are to be closed."""
        self._closed.set()
        with self._lock:
            servers, self.servers, self._free = self.servers, [], []
        self._wake.set()
        self._model.close()
        return servers

    # Of a turn

    def take(self, body: bytes) -> Environment:
        """An environment for a request: one that waits, or a new one. Declined, ModelNotReady: not now."""
        try:
            if len(body) > PAYLOAD:
                raise TooLarge(f"Request body of {len(body):,} bytes is larger than {PAYLOAD:,} bytes.")
            environment = self._find() or self._await_start()
        except BaseException:
            with self._lock:
                self._open -= 1
            raise
        self._note(environment)
        return environment

    def give(self, environment: Environment, well: bool) -> None:
        """The request is done. well: it was answered; of another environment nobody knows what it still does."""
        with self._lock:
            self._open -= 1
            self._open_kept -= environment.kept
            stays = well and environment.alive and not self._closed.is_set() and self._has_room(environment)
            if stays:
                environment.since = self._clock.real()
                self._free.append(environment)
        if not stays:
            self._end_later([environment])

    def _find(self) -> Environment | None:
        """One that waits: of the provisioned ones, or that which has waited least."""
        with self._lock:
            alive = [each for each in self._free if each.alive]
            if not alive:
                return None
            found = next((each for each in alive if each.kept), alive[-1])
            self._free.remove(found)
            self._open_kept += found.kept
            return found

    def _note(self, environment: Environment) -> None:
        if not (provisioned := self.plan.provisioned):
            return
        executions = self._open_kept
        values: dict[tuple[str, str], float] = {EXECUTIONS: executions, UTILIZATION: executions / provisioned}
        self._measures.sample(self.spec.name, values | {(HANDLED if environment.kept else SPILLED): 1.0})

    def _has_room(self, environment: Environment) -> bool:
        """Whether it is not one too many, after a change."""
        if environment.kept:
            return len(self._kept()) <= self.plan.provisioned
        return len(self.servers) <= self.plan.most

    # Starts

    def _await_start(self) -> Environment:
        with self._lock:
            future = self._starts.pop() if self._starts else None
        if future is None:
            future = Future()
            threading.Thread(target=self._bring, args=(future,), daemon=True, name="cold start").start()
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            with self._lock:
                if not future.done():
                    self._starts.append(future)  # it goes on; the next request waits for it
                    raise ModelNotReady from None
            return future.result()

    def _bring(self, future: Future[Environment]) -> None:
        """Start an environment for a request; if that does not wait any more, for whichever comes."""
        try:
            environment = self._make(kept=False)
            try:
                environment.start()
            except BaseException:
                self._end([environment])
                raise
        except Exception as error:
            if not isinstance(error, TROUBLE):
                logger.exception("an environment of %s did not start", self._endpoint)
            with self._lock:
                self._forget(future)
                future.set_exception(ServerUnavailable(str(error)))
            return
        self._measures.note_model(self.spec.name, ModelSetupTime=environment.setup)
        with self._lock:
            if self._forget(future):
                environment.since = self._clock.real()
                self._free.append(environment)
            future.set_result(environment)

    def _forget(self, future: Future[Environment]) -> bool:
        """Whether nobody waits for a start."""
        if future not in self._starts:
            return False
        self._starts.remove(future)
        return True

    def _make(self, kept: bool) -> Environment:
        made = self.environment(self._endpoint, self.spec, self._context, self._model, kept, self._wake.set)
        with self._lock:
            if self._closed.is_set():
                raise ClientError("The endpoint is not in service any more.")
            self.servers.append(made)
        return made

    def _provision(self, count: int) -> None:
        """Start what is missing of the provisioned environments. JobError: one does not start; then none does."""
        with self._provisioning:
            new = [self._make(kept=True) for _ in range(count - len(self._kept()))]
            try:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    for started in [pool.submit(each.start) for each in new]:
                        started.result()
            except BaseException:
                self._end(new)
                raise
            with self._lock:
                self._free += new

    def _kept(self) -> list[Environment]:
        return [each for each in self.servers if each.kept]

    # At rest

    def _watch(self) -> None:
        """End what is not needed, replace what has died, say once a minute how much there is to do."""
        told = self._clock.real()
        while True:
            self._clock.wait(self._wake, self._pause())
            self._wake.clear()
            if self._closed.is_set():
                return
            try:
                self._end(self._outdated())
                self._replace()
                if self._clock.elapsed(told) >= MINUTE:
                    told = self._clock.real()
                    self._tell()
            except Exception:  # the next look may go well
                logger.exception("environments of %s", self._endpoint)

    def _pause(self) -> float:
        """Seconds of the clock until there is something to do."""
        with self._lock:
            ages = [self._clock.elapsed(each.since) for each in self._free if not each.kept]
        again = max(0.0, self._again - self._clock.real()) * self._clock.speed
        return min([MINUTE, *([again] if again else []), *(IDLE - age for age in ages)])

    def _outdated(self) -> list[Environment]:
        """Those that waited for too long, that died, or that are too many."""
        with self._lock:
            found = [each for each in self._free if not each.alive]
            idle = [each for each in self._free if not each.kept and self._clock.elapsed(each.since) >= IDLE]
            spare = [each for each in self._free if each.kept][: max(0, len(self._kept()) - self.plan.provisioned)]
            found += [each for each in (*idle, *spare) if each not in found]
            self._free = [each for each in self._free if each not in found]
        return found

    def _replace(self) -> None:
        """Start provisioned environments again that died; ever more slowly while they do not start."""
        if self._clock.real() < self._again:
            return
        try:
            self._provision(self.plan.provisioned)
            self._failed = 0
        except Exception as error:
            self._failed += 1
            self._again = self._clock.real() + min(LONGEST_PAUSE, 2.0 ** (self._failed - 1))
            logger.warning("a provisioned environment of %s does not start: %s", self._endpoint, error)

    def _tell(self) -> None:
        with self._lock:
            busy, kept, plan, servers = self._open, self._open_kept, self.plan, list(self.servers)
        values: dict[tuple[str, str], float] = {CONCURRENT: busy / plan.most}
        if plan.provisioned:
            values |= {EXECUTIONS: kept, UTILIZATION: kept / plan.provisioned}
        self._measures.sample(self.spec.name, values)
        self._tell_memory(servers)

    def _tell_memory(self, servers: list[Environment]) -> None:
        for used in [each.memory() for each in servers if each.alive]:
            self._measures.memory(self.spec.name, 100 * used / (self.plan.memory << 20))

    def _end(self, servers: list[Environment]) -> None:
        self._tell_memory(servers)
        with self._lock:
            self.servers = [each for each in self.servers if each not in servers]
        close_all(list(servers))

    def _end_later(self, servers: list[Environment]) -> None:
        with self._lock:
            self.servers = [each for each in self.servers if each not in servers]
        threading.Thread(target=self._end, args=(servers,), daemon=True, name="end of environments").start()


def _check_size(size: int) -> None:
    if size > PAYLOAD:
        raise ServerUnavailable(f"its answer is larger than {PAYLOAD:,} bytes")
