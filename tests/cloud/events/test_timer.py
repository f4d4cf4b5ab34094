"""The timer: what is due is done once, by a clock that the test puts on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sagelab.cloud import clock as clocks
from sagelab.cloud.events.timer import Timed, Timer
from tests.waiting import until


@dataclass
class Clock:
    """Every ten seconds something is due; what was done is in `done`."""

    now: float = 100.0
    done: list[float] = field(default_factory=list)
    looks: int = 0
    broken: bool = False

    def look(self) -> list[Timed]:
        self.looks += 1
        if self.broken:
            self.broken = False
            raise RuntimeError("this look fails")
        return [Timed(lambda after: after // 10 * 10 + 10, self.done.append)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timer(clock: Clock) -> Iterator[Timer]:
    made = Timer(clock.look, clocks.Clock(real=lambda: clock.now))
    yield made
    made.close()


def put_on(clock: Clock, timer: Timer, now: float) -> None:
    looks, clock.now = clock.looks, now
    timer.wake()
    until(lambda: clock.looks, lambda seen: seen > looks)


def test_what_is_due_is_done_once(clock: Clock, timer: Timer) -> None:
    until(lambda: clock.looks, bool)
    for now in (105.0, 109.9, 110.0, 110.0, 119.0, 123.0):
        put_on(clock, timer, now)
    until(lambda: clock.done, lambda done: done == [110.0, 120.0])


def test_time_that_was_slept_through_is_made_up_for_once(clock: Clock, timer: Timer) -> None:
    until(lambda: clock.looks, bool)
    put_on(clock, timer, 10_003.0)
    put_on(clock, timer, 10_005.0)
    until(lambda: clock.done, lambda done: done == [110.0])


def test_timer_outlives_a_look_that_fails(clock: Clock, timer: Timer) -> None:
    until(lambda: clock.looks, bool)
    clock.broken = True
    put_on(clock, timer, 105.0)
    put_on(clock, timer, 111.0)
    until(lambda: clock.done, lambda done: done == [110.0])


def test_timer_waits_less_on_a_faster_clock_and_goes_on_when_it_is_set_back(clock: Clock) -> None:
    fast = clocks.Clock(real=lambda: clock.now)
    timer = Timer(clock.look, fast)
    try:
        fast.set(10)
        put_on(clock, timer, 101.0)
        until(lambda: clock.done, lambda done: done == [110.0])
        assert timer._fire() == 1.0  # to 120, which the clock shows a second later
        fast.set(1)
        until(lambda: timer._seen, lambda seen: seen == 101.0)
        put_on(clock, timer, 111.0)
        until(lambda: clock.done, lambda done: done == [110.0, 110.0])
    finally:
        timer.close()
