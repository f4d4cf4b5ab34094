"""How many processes, how much memory and how much disk a host may have: its process 1 looks, and ends it at more.

The kernel's own limits (memory of one process, open files) are in sandbox.py; it has none of these three for
a host without control groups. Standard library alone, imported before the fork.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

FOLDERS = ("/opt/ml", "/tmp", "/root")
PAUSE = 0.5  # seconds between two looks
SHARE = 20  # a look may take a 20th of the time
MARK = "[sagelab] the host was ended: "
PAGE = os.sysconf("SC_PAGE_SIZE")
OWN = b"Private_"  # lines of smaps_rollup with what no other process has: the warm Python's pages are not a job's


class Limits:
    """What a host may have, of each at once; None for any.

    processes: how many. disk: bytes in /opt/ml, /tmp and /root together. memory: bytes that its processes together
    have for themselves.
    """

    def __init__(self, processes: int, disk: int | None = None, memory: int | None = None) -> None:
        self.processes, self.disk, self.memory = processes, disk, memory
        self._disk_used = _Look(lambda: sum(size_of(folder) for folder in FOLDERS))
        self._memory_used = _Look(lambda: _memory(memory or 0))

    def breach(self) -> str | None:
        """What the host has too much of, in words for its user; None where all is well."""
        if len(_processes()) > self.processes:
            return f"it has more than {self.processes:,} processes"
        if self.memory is not None and self._memory_used() > self.memory:
            return f"its processes together use more memory than there is for it ({self.memory >> 20:,} MB)"
        if self.disk is not None and self._disk_used() > self.disk:
            return f"it uses more disk than VolumeSizeInGB allows ({self.disk >> 30} GB)"
        return None


class _Look:
    """A number that takes time to find: how long it took decides when it is looked for again; 0 until then."""

    def __init__(self, find: Callable[[], int]) -> None:
        self._find, self._next = find, 0.0

    def __call__(self) -> int:
        began = time.monotonic()
        if began < self._next:
            return 0
        found = self._find()
        now = time.monotonic()
        self._next = now + max(PAUSE, SHARE * (now - began))
        return found


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - often: names, not paths


def _memory(most: int) -> int:
    """Bytes that the processes have for themselves; or, where even what they share does not make it `most`, 0.

    What is resident is read in no time, what of it is a process's own takes the kernel a walk through its pages.
    """
    names = _processes()
    if sum(_resident(name) for name in names) <= most:
        return 0
    used = 0
    for name in names:
        try:
            lines = Path(f"/proc/{name}/smaps_rollup").read_bytes().splitlines()
        except OSError:  # it has ended, or is not ours to see
            continue
        used += sum(int(line.split()[1]) for line in lines if line.startswith(OWN))
    return used << 10


def _resident(name: str) -> int:
    try:
        return int(Path(f"/proc/{name}/statm").read_bytes().split()[1]) * PAGE
    except OSError:  # it has ended
        return 0


def size_of(folder: str) -> int:
    """Bytes below a folder, without what others put there to be read: the machine's Python may be in /root."""
    size, waiting, theirs = 0, [folder], _read_only()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path not in theirs:
                            waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:  # it changes under our eyes
            continue
    return size


def _read_only() -> set[str]:
    """The places where something is mounted that is not to be written."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    mounts = [line.split(" ")[4:6] for line in lines]
    return {_unescape(path) for path, options in mounts if "ro" in options.split(",")}


def _unescape(path: str) -> str:
    """A path as mountinfo has it: spaces and the like in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
