"""How many processes and how much disk a host may have: its process 1 looks, and ends it where it has more.

The kernel's own limits (memory of a process, open files) are in sandbox.py; it has none of these two for
a host without control groups. Standard library alone, imported before the fork.
"""

from __future__ import annotations

import os
import time

FOLDERS = ("/opt/ml", "/tmp", "/root")
PAUSE = 0.5  # seconds between two looks
SHARE = 20  # a look at the disk may take a 20th of the time
MARK = "[sagelab] the host was ended: "


class Limits:
    """processes: how many at once. disk: bytes in /opt/ml, /tmp and /root together, or None for any."""

    def __init__(self, processes: int, disk: int | None) -> None:
        self.processes, self.disk = processes, disk
        self._next_look = 0.0

    def breach(self) -> str | None:
        """What the host has too much of, in words for its user; None where all is well."""
        names = os.listdir("/proc")  # noqa: PTH208 - twice a second: names, not paths
        if sum(name.isdigit() for name in names) > self.processes:
            return f"it has more than {self.processes:,} processes"
        if self.disk is not None and time.monotonic() >= self._next_look and self._used() > self.disk:
            return f"it uses more disk than VolumeSizeInGB allows ({self.disk >> 30} GB)"
        return None

    def _used(self) -> int:
        """Bytes on disk; how long it takes decides when it is looked at again."""
        began = time.monotonic()
        used = sum(_size(folder) for folder in FOLDERS)
        now = time.monotonic()
        self._next_look = now + max(PAUSE, SHARE * (now - began))
        return used


def _size(folder: str) -> int:
    size, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:  # it changes under our eyes
            continue
    return size
