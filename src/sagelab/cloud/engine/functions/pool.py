"""The environments of all functions: kept for the next call, so many at a time, ended when nobody calls."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.functions.environment import RUNTIME, Environment, Unusable
from sagelab.cloud.engine.functions.function import Call, Function, Outcome
from sagelab.cloud.engine.functions.packages import BadPackage, Packages

logger = logging.getLogger("sagelab")

MOST = 32  # environments at a time; AWS has 1,000 an account
IDLE = 300.0  # seconds that one waits for the next call; AWS does not say
RESERVED, UNRESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded", "ConcurrentInvocationLimitExceeded"


class Throttled(Exception):
    """There is no room for another call now. reason: in AWS's words."""

    def __init__(self, reason: str) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason


class CannotStart(Exception):
    """No environment can be made; `str()` says why. denied: the role is nobody's to assume."""

    def __init__(self, message: str, denied: bool = False) -> None:
        super().__init__(message)
        self.denied = denied


class Pool:
    """context_of: what the engine needs, of a region."""

    def __init__(self, context_of: Callable[[str], EngineContext], packages: Packages) -> None:
        self._context_of, self.packages = context_of, packages
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle: list[Environment] = []
        self._busy: list[Environment] = []
        self._outdated: set[str] = set()
        self._calls: Counter[str] = Counter()  # ARN without a version -> calls under way
        self._closed = False
        self._reaper: threading.Thread | None = None

    def warm(self, region: str) -> None:
        """Start the Python that environments are forked from, if it does not run. Does not wait for it."""
        self._context_of(region).launcher.warm(RUNTIME)

    def call(self, function: Function, call: Call, reserved: int | None = None) -> Outcome:
        """Have a function make something of an event.

        reserved: calls at a time that its versions may have. Throttled: they have them, or all have too many.
        CannotStart: it cannot be run.
        """
        found = self._take(function, reserved)
        try:
            if found is None:
                found = self._start(function, call)
            return found.call(call)
        except Unusable as unusable:
            return unusable.outcome
        finally:
            self._give(function, found)

    def renew(self, base: str) -> None:
        """A function has changed or is gone: no environment of it takes another call. base: its ARN."""
        with self._lock:
            ended = [one for one in self._idle if one.function.base == base]
            self._idle = [one for one in self._idle if one.function.base != base]
            self._outdated |= {one.id for one in self._busy if one.function.base == base}
        for one in ended:
            _close_later(one)

    def close(self) -> None:
        """End all of them; whoever waits for an answer hears that its environment is gone."""
        with self._lock:
            self._closed = True
            environments, self._idle = self._idle + self._busy, []
            self._changed.notify_all()
        threads = [_close_later(one) for one in environments]
        for thread in threads:
            thread.join()

    def _take(self, function: Function, reserved: int | None) -> Environment | None:
        """An environment that waits; None: there is room to make one."""
        dropped = None
        with self._lock:
            if self._closed:
                raise CannotStart("The local cloud ends.")
            if reserved is not None and self._calls[function.base] >= reserved:
                raise Throttled(RESERVED)
            found = next((one for one in reversed(self._idle) if one.function == function and one.fresh), None)
            if found:
                self._idle.remove(found)
                self._busy.append(found)
            elif self._calls.total() >= MOST:
                raise Throttled(UNRESERVED)
            elif len(self._idle) + self._calls.total() >= MOST:
                dropped = self._idle.pop(0)
            self._calls[function.base] += 1
        if dropped:
            _close_later(dropped)
        return found

    def _start(self, function: Function, call: Call) -> Environment:
        made = Environment(function, self._context_of(function.region), self.packages)
        with self._lock:
            self._busy.append(made)
        try:
            made.start(call)
        except BaseException as error:
            with self._lock:
                self._busy.remove(made)
            _close_later(made)
            if isinstance(error, botocore.exceptions.ClientError):
                words = "The role defined for the function cannot be assumed by Lambda."
                raise CannotStart(words, denied=True) from error
            if isinstance(error, BadPackage | RuntimeError | OSError):
                raise CannotStart(f"The function cannot be started now: {error}") from error
            raise
        return made

    def _give(self, function: Function, environment: Environment | None) -> None:
        """A call has ended."""
        ended = None
        with self._lock:
            self._calls[function.base] -= 1
            self._calls += Counter()
            if environment is None:
                return
            self._busy.remove(environment)
            outdated = environment.id in self._outdated
            self._outdated.discard(environment.id)
            if self._closed or outdated or not environment.fresh:
                ended = environment
            else:
                self._idle.append(environment)
                self._watch()
        if ended:
            _close_later(ended)

    def _watch(self) -> None:
        """End what is idle for too long, from now on; with the lock."""
        if self._reaper is None:
            self._reaper = threading.Thread(target=self._reap, daemon=True, name="functions")
            self._reaper.start()
        self._changed.notify_all()

    def _reap(self) -> None:
        while True:
            with self._lock:
                if self._closed:
                    return
                now = time.monotonic()
                ended = [one for one in self._idle if now - one.used >= IDLE or not one.fresh]
                self._idle = [one for one in self._idle if one not in ended]
                if not ended:
                    oldest = min((one.used for one in self._idle), default=None)
                    self._changed.wait(None if oldest is None else max(0.1, oldest + IDLE - now))
            for one in ended:
                one.close()


def _close_later(environment: Environment) -> threading.Thread:
    thread = threading.Thread(target=environment.close, daemon=True, name=f"end {environment.id}")
    thread.start()
    return thread
