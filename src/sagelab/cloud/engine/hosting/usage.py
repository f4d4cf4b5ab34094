"""What the servers of a variant use of this machine, by the kernel's own account of their processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """A process and all that it has started, as far as they are there."""
    found = waiting = [pid] if pid else []
    while waiting:
        waiting = [child for one in waiting for child in _children(one)]
        found = found + waiting
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for text in tasks for child in text.split()]


def measure(pids: list[int]) -> int:
    """Bytes of memory of processes, what they share with others by halves, thirds and so on."""
    return sum(_proportional(pid) for pid in pids)


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


class Usage:
    """CPU and memory of processes, from one look at them to the next."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[float, float]] = {}

    def look(self, pids: list[int]) -> tuple[float, int]:
        """(CPU since the last look, or since a process began, where 100 is one core; bytes of memory now).

        Processes that ended meanwhile count nothing.
        """
        now, found = time.clock_gettime(time.CLOCK_BOOTTIME), {}
        cpu, memory = 0.0, 0
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            seconds = (int(fields[11]) + int(fields[12])) / TICK
            since, before = self._before.get(pid, (int(fields[19]) / TICK, 0.0))
            cpu += 100 * (seconds - before) / max(now - since, 1 / TICK)
            memory += int(fields[21]) * PAGE
            found[pid] = (now, seconds)
        self._before = found
        return cpu, memory
