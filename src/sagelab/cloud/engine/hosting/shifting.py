"""How an endpoint goes from one fleet to the next: by stages, watched by alarms, and back where one fires.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.hosting.fleet import AnyVariant, Fleet, Traffic
from sagelab.cloud.errors import JobError

if TYPE_CHECKING:
    from sagelab.cloud.engine.hosting.endpoint import Endpoint

LOOK = 0.2  # seconds between two looks at the alarms
DRAIN_SECONDS = 60.0
ALARM = "ALARM"
CREATING, ACTIVATING, BAKING = "Creating", "ActivatingTraffic", "Baking"  # stages, as the API has them


@dataclass(frozen=True)
class Plan:
    """What an update does. Seconds are the clock's.

    steps: the share of the requests that the new fleet has, one after the other; the last is 1. bake: seconds
    after each, in which alarms are watched. stay: seconds that the old fleet goes on after the last. limit: of all
    of it, or None. alarms: names. rolling: the new fleet grows by the steps, and the old one shrinks with it; back
    is the share of the old one that comes again at a time.
    """

    steps: tuple[float, ...] = (1.0,)
    bake: float = 0.0
    stay: float = 0.0
    limit: float | None = None
    alarms: tuple[str, ...] = ()
    rolling: bool = False
    back: float = 1.0


class RolledBack(Exception):
    """An update was taken back: the fleet from before serves all again. The text says why."""


class RollbackFailed(Exception):
    """An update could not be taken back: both fleets serve. The text says why."""


class Closed(Exception):
    """The endpoint was closed meanwhile."""


@dataclass(frozen=True)
class Watch:
    """Who looks at a shift.

    state: of the alarm of a name; None: there is none. tell: is told of each stage, with the new fleet and its
    share of the requests.
    """

    state: Callable[[str], str | None] = lambda _: None
    tell: Callable[[str, Fleet, float], None] = lambda *_: None


class Shift:
    """One run of a plan. The old fleets serve until the last stage is over, or for good.

    endpoint: where the requests are shared out. new: the fleet that is to serve, which has not started.
    """

    def __init__(self, endpoint: Endpoint, new: Fleet, plan: Plan, watch: Watch) -> None:
        self._endpoint, self._new, self._plan, self._watch = endpoint, new, plan, watch
        self._old = endpoint.traffic
        self._counts = {variant: variant.spec.count for fleet, _ in self._old for variant in fleet.all}
        self._wanted = {variant: variant.spec.count for variant in new.all}
        self._spent = self._share = 0.0
        self._clock: Clock = endpoint.context.clock
        self._closed: threading.Event = endpoint.closed

    def run(self) -> None:
        """Let the new fleet take over.

        JobError: it did not come up. RolledBack, RollbackFailed: an alarm fired, or time ran out. Closed.
        """
        try:
            self._grow(self._plan.steps[0])
            self._check()
            for step in self._plan.steps:
                self._grow(step)
                self._give(step)
                self._bake()
                self._shrink(step)
        except (RolledBack, JobError) as error:
            if not self._closed.is_set():
                self._go_back(str(error))
            raise
        finally:
            if self._closed.is_set():
                self._retire([self._new, *[fleet for fleet, _ in self._old]])
        self._clock.wait(self._closed, self._plan.stay)
        self._retire([fleet for fleet, _ in self._old])

    def _grow(self, share: float) -> None:
        """Start the servers of the new fleet that a share needs; all of them at first, unless it rolls."""
        begun = time.monotonic()
        if not self._new.started:
            self._tell(CREATING)
            self._new.start(_part(self._wanted, share) if self._plan.rolling else None)
        elif self._plan.rolling:
            self._tell(CREATING)
            self._new.resize(_part(self._wanted, share))
        self._spent += time.monotonic() - begun

    def _give(self, share: float) -> None:
        self._tell(ACTIVATING)
        self._share = share
        self._endpoint.share(_mixed(self._old, self._new, share))
        self._tell(BAKING)

    def _bake(self) -> None:
        """Wait, with an eye on the alarms."""
        begun = self._clock.real()
        while (left := self._plan.bake - self._clock.elapsed(begun)) > 0:
            self._check(self._clock.elapsed(begun))
            if self._clock.wait(self._closed, min(left, LOOK * self._clock.speed)):
                raise Closed
        self._spent += self._plan.bake
        self._check()

    def _check(self, waited: float = 0.0) -> None:
        """RolledBack: an alarm is on, or is gone, or there is no time left. waited: seconds of this stage."""
        if self._closed.is_set():
            raise Closed
        states = {name: self._watch.state(name) for name in self._plan.alarms}
        if fired := [name for name, state in states.items() if state == ALARM]:
            raise RolledBack(f"The deployment was rolled back: in state ALARM {_are(fired)}.")
        if gone := [name for name, state in states.items() if state is None]:
            raise RolledBack(f"The deployment was rolled back: no longer there to be watched {_are(gone)}.")
        if self._plan.limit is not None and self._spent + waited > self._plan.limit:
            raise RolledBack(
                "The deployment was rolled back: it took longer than MaximumExecutionTimeoutInSeconds,"
                f" {self._plan.limit:g}{self._clock.words}."
            )

    def _shrink(self, share: float) -> None:
        """End as many of the old servers as new ones have taken over from."""
        if self._plan.rolling and share < 1:
            self._keep_old(1 - share)

    def _go_back(self, reason: str) -> None:
        """Let the old fleets serve all again. They are there, unless the plan rolls: then they come by batches."""
        try:
            while self._plan.rolling and self._share:
                share = round(max(0.0, self._share - self._plan.back), 9)
                self._keep_old(1 - share)
                self._endpoint.share(_mixed(self._old, self._new, share))
                self._share = share
                if share:
                    self._new.resize(_part(self._wanted, share))
        except JobError as error:
            raise RollbackFailed(f"{reason} The rollback failed: {error}") from None
        self._endpoint.share(self._old)
        self._retire([self._new])

    def _keep_old(self, share: float) -> None:
        for fleet, _ in self._old:
            fleet.resize(_part({variant: self._counts[variant] for variant in fleet.all}, share))

    def _retire(self, fleets: list[Fleet]) -> None:
        for fleet in fleets:
            fleet.drain(0.0 if self._closed.is_set() else DRAIN_SECONDS)

    def _tell(self, stage: str) -> None:
        self._watch.tell(stage, self._new, self._share)


def _mixed(old: Traffic, new: Fleet, share: float) -> Traffic:
    """What is left to the old fleets, in their proportion, and the new one's share."""
    left = [(fleet, part * (1 - share)) for fleet, part in old]
    return tuple((fleet, part) for fleet, part in (*left, (new, share)) if part > 0)


def _part(counts: dict[AnyVariant, int], share: float) -> dict[AnyVariant, int]:
    """So many servers of each variant, rounded up. 1e-9: what a third three times is short of the whole."""
    return {variant: math.ceil(count * share - 1e-9) for variant, count in counts.items()}


def _are(names: list[str]) -> str:
    return ("is the alarm " if len(names) == 1 else "are the alarms ") + ", ".join(names)
