"""The clock of a local cloud: lengths of its time, what it shows, its setting from the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.clock import Clock, put_on, read
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.home import Home
from tests import clouds

Sagelab = Callable[..., Any]


class Wall:
    now = 1000.0


def fast() -> tuple[Wall, Clock]:
    """A clock that goes 30 times faster from 1000 on, and as the wall's again from 1010 on; it is 1020."""
    wall = Wall()
    clock = Clock(real=lambda: wall.now)
    clock.set(30)
    wall.now = 1010.0
    clock.set(1)
    wall.now = 1020.0
    return wall, clock


def test_seconds_are_counted_at_the_speed_that_they_had() -> None:
    _, clock = fast()
    assert clock.elapsed(1000) == 310
    assert clock.elapsed(990, 1002) == 70
    assert clock.elapsed(1015, 1010) == 0


@pytest.mark.parametrize(("seconds", "real"), [(0, 1020), (10, 1010), (40, 1009), (310, 1000), (311, 999)])
def test_what_lies_so_long_ago_is_found_through_changes_of_speed(seconds: float, real: float) -> None:
    _, clock = fast()
    assert clock.ago(seconds) == pytest.approx(real)
    assert clock.elapsed(clock.ago(seconds)) == pytest.approx(seconds)


def test_clock_shows_the_machines_time_again_when_it_is_set_back() -> None:
    wall = Wall()
    clock = Clock(real=lambda: wall.now)
    assert clock.now() == 1000
    clock.set(30)
    wall.now = 1002.0
    assert (clock.now(), clock.at(900)) == (1060, 900)
    clock.set(60)
    wall.now = 1003.0
    assert clock.now() == 1120
    clock.set(1)
    assert clock.now() == 1003


def test_words_tell_of_a_fast_clock_alone() -> None:
    assert Clock().words == ""
    assert Clock([(0, 30)]).words == " (on a clock 30 times faster)"


def test_wait_follows_the_clock() -> None:
    wall = Wall()
    clock = Clock(real=lambda: wall.now)

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout
            waits.append(timeout)
            wall.now += timeout
            if len(waits) == 2:
                clock.set(10)
            return False

    waits: list[float] = []
    assert clock.wait(Event(), 7) is False
    assert waits == [1, 1, 0.5]
    done = threading.Event()
    done.set()
    assert clock.wait(done, 600) is True


@pytest.mark.parametrize("speed", [0, 0.5, -1, 601, float("nan"), float("inf"), "fast", None, [2]])
def test_speed_that_is_none_is_refused_and_the_old_one_stays(home: Home, speed: Any) -> None:
    clock = Clock([(0, 2)])
    with pytest.raises(ValidationException, match="Speed"):
        put_on(home, clock, {"Speed": speed})
    assert clock.speed == 2
    assert read(home).speed == 1


def test_clock_of_a_home_is_set_and_shown_before_it_runs(sagelab: Sagelab, home: Home) -> None:
    assert "takes 2 s (30 times faster)" in sagelab("clock", "set", "30", home=home.path).stdout
    assert "30 times faster" in sagelab("clock", "show", home=home.path).stdout
    assert read(home).speed == 30
    refused = sagelab("clock", "set", "0.5", home=home.path)
    assert refused.returncode == 1
    assert refused.stderr == "Error: a clock's speed is between 1 and 600, not 0.5.\n"


def test_running_local_cloud_is_told_and_tells(home: Home, sagelab: Sagelab) -> None:
    clouds.start(home)
    sagelab("clock", "set", "20", home=home.path)
    assert "20 times faster" in sagelab("status", home=home.path).stdout
    sagelab("clock", "set", "1", home=home.path)
    assert "faster" not in sagelab("status", home=home.path).stdout
