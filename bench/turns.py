"""Two calls that are compared take turns, so that whatever else the machine does meets both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

WARM_UP = 10

Call = Callable[[], Any]


def compare(one: Call, other: Call, count: int) -> tuple[float, float]:
    """The median time of each in ms, of `count` calls each."""
    _alternate(one, other, WARM_UP)
    pairs = _alternate(one, other, count)
    first, second = (statistics.median(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    return first, second


def _alternate(one: Call, other: Call, count: int) -> list[tuple[float, float]]:
    return [(_time(one), _time(other)) for _ in range(count)]


def _time(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
