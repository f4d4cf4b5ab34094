"""Waiting for what another process does, without taking the processor from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

TIMEOUT = 240  # seconds after which something is taken to hang, however slow the machine
FIRST, GROWTH = 0.02, 1.3  # seconds between two looks, and how they grow: what is quick is seen at once
LONGEST, SHARE, RAREST = 0.25, 0.1, 2.0  # what lasts is looked at less: a look takes 10 ms of a processor

T = TypeVar("T")


def until(look: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    """What `look` finds once it is right. AssertionError: it never was; the text has what was seen last."""
    began, pause = time.monotonic(), FIRST
    while not is_right(found := look()):
        waited = time.monotonic() - began
        assert waited < TIMEOUT, f"after {TIMEOUT} s it is still: {found!r:.2000}"
        time.sleep(pause)
        pause = min(pause * GROWTH, max(LONGEST, waited * SHARE), RAREST)
    return found
