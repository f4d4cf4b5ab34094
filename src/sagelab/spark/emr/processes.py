"""The processes of an instance that is taken away: all of them end, but the one that hears of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Whether process 1 of a host with processes of its own has started this one: all others are the host's then.
INSIDE = os.getppid() == 1


def kill_rest() -> None:
    """Kill every process of this instance but this one and its process 1."""
    if INSIDE:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        return
    while found := list(_descendants(os.getpid())):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(own: int) -> Iterator[int]:
    """Those that still run."""
    parents = dict(_parents())
    for pid in parents:
        above = pid
        while above in parents and above != own:
            above = parents[above]
        if above == own and pid != own:
            yield pid


def _parents() -> Iterator[tuple[int, int]]:
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with contextlib.suppress(OSError):
                state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    yield int(place.name), int(parent)
