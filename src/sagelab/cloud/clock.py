"""The clock of one local cloud: how fast its minutes pass, for all that waits for minutes.

Alarms, cooldowns, schedules, idle times, the waits of deployments and the phases of loads take minutes on AWS. On
a clock of 30 they take two seconds each, all of them together. Jobs, model servers and requests take the time that
they take, and data keep the time at which they came: the clock is for lengths of time, and for what is due.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sagelab.cloud.errors import ControlError, ValidationException
from sagelab.cloud.home import Home

AREA = "clock"
FASTEST = 600.0
KEPT = 100  # changes of speed that are remembered
SLICE = 1.0  # seconds after which a wait looks at the speed again

Change = tuple[float, float]  # from this epoch second on, this speed


class Clock:
    """real: the machine's time, in epoch seconds. changes: of speed, in order; before the first it is 1."""

    def __init__(self, changes: Iterable[Change] = (), real: Callable[[], float] = time.time) -> None:
        self.real = real
        self.changes = tuple(changes)[-KEPT:]
        self._listeners: list[Callable[[], None]] = []

    @property
    def speed(self) -> float:
        """How many of its seconds pass in one."""
        return self.changes[-1][1] if self.changes else 1.0

    @property
    def words(self) -> str:
        """What is said where a time is shown that ran on it; "" where its minutes are minutes."""
        return "" if self.speed == 1 else f" (on a clock {self.speed:g} times faster)"

    def now(self) -> float:
        """Epoch seconds on this clock, by which something is due."""
        return self.at(self.real())

    def at(self, real: float) -> float:
        """What this clock showed, or will show at its speed, at an epoch second.

        It is ahead of the machine's time by what it gained since it was set faster; set to 1, it shows that again.
        """
        slow = max((number for number, (_, speed) in enumerate(self.changes) if speed == 1), default=-1)
        gaining = self.changes[slow + 1 :]
        return real if not gaining or real <= gaining[0][0] else gaining[0][0] + self.elapsed(gaining[0][0], real)

    def elapsed(self, since: float, until: float | None = None) -> float:
        """Its seconds between two epoch seconds; until: by default now."""
        end = self.real() if until is None else until
        return sum(
            speed * max(0.0, min(stop, end) - max(start, since)) for start, stop, speed in self._stretches()
        )

    def ago(self, seconds: float, real: float | None = None) -> float:
        """The epoch second that lies so many of its seconds before another; by default before now."""
        end = self.real() if real is None else real
        for start, stop, speed in reversed(self._stretches()):
            stop = min(stop, end)
            if stop > start:
                if speed * (stop - start) >= seconds:
                    return stop - seconds / speed
                seconds -= speed * (stop - start)
        return -math.inf

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event, for so many of its seconds at the most; whether it was set."""
        start = self.real()
        while (left := seconds - self.elapsed(start)) > 0:
            if event.wait(min(SLICE, left / self.speed)):
                return True
        return event.is_set()

    def set(self, speed: float) -> None:
        """Go at another speed from now on. ValueError: no clock goes so fast, or slower than the machine's."""
        if not 1 <= speed <= FASTEST:  # not a number is neither
            raise ValueError(f"a clock's speed is between 1 and {FASTEST:g}, not {speed:g}")
        self.changes = (*self.changes, (self.real(), speed))[-KEPT:]
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change of speed. It must not take long."""
        self._listeners.append(listener)

    def _stretches(self) -> list[tuple[float, float, float]]:
        """(from, to, speed), in order."""
        begins = [(-math.inf, 1.0), *self.changes]
        ends = [start for start, _ in self.changes] + [math.inf]
        return [(start, stop, speed) for (start, speed), stop in zip(begins, ends, strict=True)]


def read(home: Home) -> Clock:
    """The clock of a home as it was set last."""
    kept = home.settings().get(AREA, {}).get("changes", [])
    return Clock((float(start), float(speed)) for start, speed in kept)


def keep(home: Home, clock: Clock) -> None:
    """Let it go on like this after a restart."""
    home.set(AREA, {"changes": [list(change) for change in clock.changes]})


def put_on(home: Home, clock: Clock, params: Mapping[str, Any]) -> dict[str, Any]:
    """The local cloud's own operation SetClock. ValidationException: there is no such speed."""
    try:
        clock.set(float(params["Speed"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValidationException(f"Speed: {error}") from None
    keep(home, clock)
    return {"Speed": clock.speed}


def set_speed(home: Home, speed: float) -> None:
    """Let the minutes of a home's local cloud pass so many times faster. ControlError: no clock goes so fast."""
    from sagelab.cloud.control import ask

    clock = read(home)
    try:
        clock.set(speed)
    except ValueError as error:
        raise ControlError(f"{error}.") from None
    if home.server() is None:
        keep(home, clock)
    else:
        ask(home, "SetClock", {"Speed": speed})
