"""Which job runs are under way: as many as this machine has room for, and as their application may have."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sagelab.cloud.clock import Clock

AT_ONCE = 3  # on this machine: each has a Java of its own, or several
LOOK = 2.0  # seconds between two looks at the time, by a clock whose speed may change

Room = tuple[float, float, float]  # vCPUs, GB of memory, GB of disk
ANY: Room = (math.inf, math.inf, math.inf)


@dataclass(eq=False)
class Place:
    """Of one run. application: its ARN. most: runs of it at once. room: of all of them, need: of this one.

    ready: whether the application takes runs now; a JobError of it is the run's end. seconds: that it may wait.
    """

    application: str
    most: float
    room: Room
    need: Room
    ready: Callable[[], bool]
    seconds: float = math.inf
    since: float = 0.0
    asked: threading.Event = field(default_factory=threading.Event)


class Places:
    """Runs in the order in which they came: those that wait, and those that have begun."""

    def __init__(self, clock: Clock, at_once: int = AT_ONCE) -> None:
        self._clock, self.at_once = clock, at_once
        self._changed = threading.Condition()
        self._waiting, self._begun = list[Place](), list[Place]()

    def enter(self, place: Place) -> None:
        """A run is there, and waits."""
        with self._changed:
            place.since = self._clock.real()
            self._waiting.append(place)

    def wait(self, place: Place) -> bool:
        """Until it is a run's turn. False: it is to end, or has waited too long."""
        with self._changed:
            while not place.asked.is_set():
                if place.ready() and self._fits(place):
                    self._waiting.remove(place)
                    self._begun.append(place)
                    return True
                left = place.seconds - self._clock.elapsed(place.since)
                if left <= 0:
                    return False
                self._changed.wait(None if math.isinf(left) else min(LOOK, left / self._clock.speed))
            return False

    def leave(self, place: Place) -> None:
        """A run is over."""
        with self._changed:
            for places in (self._waiting, self._begun):
                if place in places:
                    places.remove(place)
            self._changed.notify_all()

    def wake(self) -> None:
        """Something changed elsewhere."""
        with self._changed:
            self._changed.notify_all()

    def count(self, application: str) -> int:
        """The runs of an application that are not over."""
        with self._changed:
            return sum(one.application == application for one in (*self._waiting, *self._begun))

    def crowded(self, place: Place) -> bool:
        """Whether its application has as many runs before it as it may have at once."""
        with self._changed:
            waiting = [one for one in self._waiting if one.application == place.application]
            before = waiting[: waiting.index(place)] if place in waiting else []
            return len(self._of(place.application)) + len(before) >= place.most

    @property
    def full(self) -> bool:
        """Whether this machine has no room for another one."""
        with self._changed:
            return len(self._begun) >= self.at_once

    def _of(self, application: str) -> list[Place]:
        return [one for one in self._begun if one.application == application]

    def _fits(self, place: Place) -> bool:
        first = next(one for one in self._waiting if one.application == place.application)
        others = self._of(place.application)
        if first is not place or len(self._begun) >= self.at_once or len(others) >= place.most:
            return False
        used = [sum(one.need[number] for one in others) for number in range(3)]
        return all(used[number] + place.need[number] <= place.room[number] for number in range(3))
