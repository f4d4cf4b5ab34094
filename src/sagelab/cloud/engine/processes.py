"""The processes of running hosts, seen from outside through /proc: which files they write, and a pause for all.

A file that a process had open for writing when it was ended is half a file, and nothing in the file says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from sagelab.cloud.engine.init import descendants

KEEPERS = 2  # generations of the platform's own between a group and the processes of its hosts: keeper, process 1
PATIENCE = 1.0  # seconds in which a stopped process stands still

Inode = tuple[int, int]  # device, number


def find_own(group: int) -> set[int]:
    """The processes that the hosts of a group run, without the platform's own. group: its pid."""
    parents = descendants(group)
    return {pid for pid in parents if _generation(pid, group, parents) > KEEPERS}


def freeze(group: int) -> set[int]:
    """Stop the processes of a group's hosts until SIGCONT, those that they start meanwhile too."""
    frozen: set[int] = set()
    while new := find_own(group) - frozen:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        _wait_stopped(new)
        frozen |= new
    return frozen


def find_written(pids: Iterable[int]) -> set[Inode]:
    """The files that processes have open for writing."""
    return {inode for pid in pids for inode in _written(pid)}


def _written(pid: int) -> list[Inode]:
    found = []
    with contextlib.suppress(OSError):  # it has ended
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if _mode(Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()) != os.O_RDONLY:
                    facts = entry.stat()
                    found.append((facts.st_dev, facts.st_ino))
    return found


def _mode(fdinfo: str) -> int:
    """Read, write or both: the access mode among the flags of an open file."""
    flags = next(line for line in fdinfo.splitlines() if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE


def _generation(pid: int, ancestor: int, parents: dict[int, int]) -> int:
    count = 0
    while pid != ancestor:
        pid = parents[pid]
        count += 1
    return count


def _wait_stopped(pids: set[int]) -> None:
    limit = time.monotonic() + PATIENCE
    while any(_state(pid) not in "TtZX" for pid in pids) and time.monotonic() < limit:
        time.sleep(0.001)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
