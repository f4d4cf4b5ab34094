from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sagelab.cloud.engine.monitoring.timer import Timer

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_what_is_due_is_fired_once_and_in_order() -> None:
    clock, fired = Clock(), list[tuple[str, datetime]]()
    timer = Timer(lambda key, due: fired.append((key, due)), clock)
    timer.set("later", NOON + timedelta(hours=2))
    timer.set("soon", NOON + timedelta(hours=1))
    timer.set("never", NOON + timedelta(hours=1))
    timer.set("never", None)
    timer.close()  # its thread would see the clock too
    clock.now = NOON + timedelta(hours=2)
    timer.tick()
    timer.tick()
    assert fired == [("soon", NOON + timedelta(hours=1)), ("later", NOON + timedelta(hours=2))]


def test_one_that_fails_does_not_keep_the_others() -> None:
    clock, fired = Clock(), list[str]()

    def fire(key: str, _: datetime) -> None:
        fired.append(key)
        if key == "a":
            raise ValueError(key)

    timer = Timer(fire, clock)
    timer.close()
    timer.set("a", NOON)
    timer.set("b", NOON)
    timer.tick()
    assert fired == ["a", "b"]


def test_its_thread_fires_what_is_due_at_once_and_ends_when_it_is_closed() -> None:
    fired = threading.Event()
    timer = Timer(lambda *_: fired.set(), Clock())
    timer.set("a", NOON)
    assert fired.wait(30)
    timer.set("b", NOON + timedelta(days=1))
    timer.close()
    assert "schedules" not in {thread.name for thread in threading.enumerate()}
