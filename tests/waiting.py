"""Waiting for what another process does, without taking the processor from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

TIMEOUT = 240  # seconds after which something is taken to hang, however slow the machine
FIRST, LONGEST, GROWTH = 0.02, 0.25, 1.3  # seconds between two looks: what is quick is seen at once

T = TypeVar("T")


def until(look: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    """What `look` finds once it is right. AssertionError: it never was; the text has what was seen last."""
    limit, pause = time.monotonic() + TIMEOUT, FIRST
    while not is_right(found := look()):
        assert time.monotonic() < limit, f"after {TIMEOUT} s it is still: {found!r:.2000}"
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
    return found
