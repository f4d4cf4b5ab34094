"""The processes of running hosts, seen through /proc: which files they write, and a pause for all.

A file that a process had open for writing when it was ended is half a file, and nothing in the file says so.
Standard library alone: process 1 of a host looks at its own, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

KEEPERS = 2  # generations of the platform's own between a group and the processes of its hosts: keeper, process 1
TIMEOUT = 1.0  # seconds in which a stopped process stands still

Inode = tuple[int, int]  # device, number
Drives = Callable[[int], bool]  # whether a process is there to run another


def descendants(ancestor: int) -> dict[int, int]:
    """pid -> parent's pid of every process that `ancestor` started, at any depth."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                facts = (entry / "stat").read_text()
                parents[int(entry.name)] = int(facts.rpartition(")")[2].split()[1])
    found: dict[int, int] = {}
    level = {ancestor}
    while level:
        children = {pid: parent for pid, parent in parents.items() if parent in level}
        found |= children
        level = set(children)
    return found


def find_own(group: int, above: int = KEEPERS) -> set[int]:
    """The processes that the hosts of a group run, without the platform's own. group: its pid.

    above: generations of the platform's own.
    """
    parents = descendants(group)
    return {pid for pid in parents if _generation(pid, group, parents) > above}


def find_heads(root: int, parents: dict[int, int], shims: set[int], drives: Drives) -> set[int]:
    """The processes below `root` that are asked to end: those that hear it, with none that hear it above.

    Of what has no hearing each is asked, but for one that drives others: it sees them end. shims: drive, though
    they have a hearing.
    """
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    heads, level = set(), list(children.get(root, []))
    while level:
        pid = level.pop()
        below = children.get(pid, [])
        if pid in shims or (below and not hears(pid) and drives(pid)):
            level += below
        else:
            heads.add(pid)
            level += [] if hears(pid) else below
    return heads


def hears(pid: int, number: int = signal.SIGTERM) -> bool:
    """Whether a process has a handler of its own for a signal."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        caught = next(line for line in lines if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
    return False


def command(pid: int) -> str:
    """What a process was started as; empty if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""


def find_ended(pids: Iterable[int]) -> set[int]:
    """Those of the processes that have ended and that nobody has taken note of: what they wrote is closed."""
    return {pid for pid in pids if _state(pid) in "ZX"}


def freeze(group: int, above: int = KEEPERS) -> set[int]:
    """Stop the processes of a group's hosts until SIGCONT, those that they start meanwhile too."""
    frozen: set[int] = set()
    while new := find_own(group, above) - frozen:
        for pid in new:
            send(pid, signal.SIGSTOP)
        _wait_stopped(new)
        frozen |= new
    return frozen


def send(pid: int, number: int) -> None:
    """Send a signal to a process, if it is there still."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def find_written(pids: Iterable[int]) -> set[Inode]:
    """The regular files that processes have open for writing."""
    return {inode for pid in pids for inode in _written(pid)}


def _written(pid: int) -> list[Inode]:
    found = []
    with contextlib.suppress(OSError):  # it has ended
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if _mode(Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()) != os.O_RDONLY:
                    facts = entry.stat()
                    if stat.S_ISREG(facts.st_mode):
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
    limit = time.monotonic() + TIMEOUT
    while any(_state(pid) not in "TtZX" for pid in pids) and time.monotonic() < limit:
        time.sleep(0.001)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
