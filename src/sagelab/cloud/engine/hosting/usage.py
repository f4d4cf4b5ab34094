"""What the servers of a variant use of this machine, by the kernel's own account of their processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


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
