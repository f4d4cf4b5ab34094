"""How many processes, how much memory and how much disk a host may have: its process 1 looks, and ends it at more.

The kernel's own limits (memory of one process, open files) are in privileges.py; it has none of these for a host
without control groups. What has no name counts, too: files that were deleted and are open, memory that is a file.
Standard library alone, imported before the fork.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.sandbox.namespaces import LAYER_FILE

Found = TypeVar("Found")

FOLDERS = ("/opt/ml", "/tmp", "/root", "/run/sagelab", "/opt/sagelab/layer")
PAUSE = 0.5  # seconds between two looks
SHARE = 20  # a look may take a 20th of the time
MARK = "[sagelab] the host was ended: "
BYTES_A_FILE = 16_384
GB = 1 << 30
SHM = "/dev/shm"
PAGE = os.sysconf("SC_PAGE_SIZE")
SHARED = b"Pss_Shmem"  # the line with what it shares of files in memory, each page counted once among all
OWN = b"Private_"  # lines of smaps_rollup with what no other process has: the warm Python's pages are not a job's


class Limits:
    """What a host may have, of each at once; None for any.

    processes: how many. disk: bytes in FOLDERS and `more` together, with a file for every 16 KB of them, as ext4
    has. memory: bytes that its processes together have for themselves, and in files of memory. shares: folders in
    these that other hosts have, too, which are not its own; it may write there as long as the disk has room.
    """

    def __init__(
        self,
        processes: int,
        disk: int | None = None,
        memory: int | None = None,
        more: tuple[str, ...] = (),
        shares: tuple[str, ...] = (),
    ) -> None:
        self.processes, self.disk, self.memory, self.shares = processes, disk, memory, shares
        folders = (*FOLDERS, *more)
        # A file below the layer seems to be on a device that no folder is on; one is there before the host's code.
        devices = _devices((*folders, sys.prefix, f"{sys.prefix}/{LAYER_FILE}"))
        self._disk_used = _Look(lambda: _disk(folders, devices, shares))
        self._memory_used = _Look(lambda: _memory(memory or 0, devices))

    def breach(self) -> str | None:
        """What the host has too much of, in words for its user; None where all is well."""
        if len(_processes()) > self.processes:
            return f"it has more than {self.processes:,} processes"
        if self.memory is not None and (self._memory_used() or 0) > self.memory:
            return f"its processes together use more memory than there is for it ({self.memory >> 20:,} MB)"
        if any(trees.left(share) < trees.ROOM for share in self.shares):
            return f"it leaves less than {trees.ROOM >> 30} GB of this machine's disk to its file systems"
        if self.disk is not None:
            size, files = self._disk_used() or (0, 0)
            if size > self.disk:
                return f"it uses more disk than {_allowance(self.disk)}"
            if files > self.disk // BYTES_A_FILE:
                return f"it has more files than VolumeSizeInGB allows ({self.disk // BYTES_A_FILE:,})"
        return None


def _allowance(disk: int) -> str:
    """Of a job, which says how many GB; or of a function, which says MB."""
    return f"VolumeSizeInGB allows ({disk >> 30} GB)" if disk % GB == 0 else f"it may have ({disk >> 20:,} MB)"


class _Look(Generic[Found]):
    """What takes time to find: how long it took decides when it is looked for again; None until then."""

    def __init__(self, find: Callable[[], Found]) -> None:
        self._find, self._next = find, 0.0

    def __call__(self) -> Found | None:
        began = time.monotonic()
        if began < self._next:
            return None
        found = self._find()
        now = time.monotonic()
        self._next = now + max(PAUSE, SHARE * (now - began))
        return found


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - often: names, not paths


def _memory(most: int, disks: set[int]) -> int:
    """Bytes that the processes have for themselves; or, where even what they share does not make it `most`, 0.

    What is resident is read in no time, what of it is a process's own takes the kernel a walk through its pages.
    """
    names = _processes()
    files = _in_memory(disks)
    if sum(_resident(name) for name in names) + files <= most:
        return 0
    used, mapped = 0, 0
    for name in names:
        try:
            lines = Path(f"/proc/{name}/smaps_rollup").read_bytes().splitlines()
        except OSError:  # it has ended, or is not ours to see
            continue
        used += sum(int(line.split()[1]) for line in lines if line.startswith(OWN))
        mapped += sum(int(line.split()[1]) for line in lines if line.startswith(SHARED))
    return (used << 10) + max(mapped << 10, files)


def _resident(name: str) -> int:
    try:
        return int(Path(f"/proc/{name}/statm").read_bytes().split()[1]) * PAGE
    except OSError:  # it has ended
        return 0


def _disk(folders: tuple[str, ...], devices: set[int], shares: tuple[str, ...]) -> tuple[int, int]:
    """Bytes and files on the disk: those that have a name, and those that are open without one."""
    nameless = {(file.st_dev, file.st_ino): file.st_blocks * 512 for file in _nameless() if file.st_dev in devices}
    named = [measure(folder, shares) for folder in folders]
    return (
        sum(size for size, _ in named) + sum(nameless.values()),
        sum(files for _, files in named) + len(nameless),
    )


def _devices(places: tuple[str, ...]) -> set[int]:
    return {os.stat(place).st_dev for place in places if os.path.exists(place)}  # noqa: PTH116, PTH110


def _in_memory(disks: set[int]) -> int:
    """Bytes of files that are memory: in /dev/shm, and those that never had a name (memfd_create)."""
    shm = os.statvfs(SHM)
    known = disks | _devices((SHM,))
    found = {(file.st_dev, file.st_ino): file.st_blocks * 512 for file in _nameless() if file.st_dev not in known}
    return (shm.f_blocks - shm.f_bfree) * shm.f_frsize + sum(found.values())


def _nameless() -> Iterator[os.stat_result]:
    """The files that a process has open and that nobody else could find."""
    for name in _processes():
        try:
            with os.scandir(f"/proc/{name}/fd") as entries:
                files = [file for entry in entries if (file := _stat(entry))]
        except OSError:  # it has ended
            continue
        yield from (file for file in files if stat.S_ISREG(file.st_mode) and file.st_nlink == 0)


def _stat(entry: os.DirEntry[str], follow: bool = True) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise
        return None  # it is gone meanwhile


def measure(folder: str, shares: tuple[str, ...] = ()) -> tuple[int, int]:
    """Bytes and files below a folder, without what others put there to be read: a Python may be in /root."""
    size, count, waiting, theirs = 0, 0, [folder], _others() | set(shares)
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = [(entry, file) for entry in entries if (file := _stat(entry, follow=False))]
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # what lies so deep has no other name to be counted by
                return sys.maxsize, sys.maxsize
            continue  # it is gone meanwhile
        count += len(found)
        waiting += [one.path for one, file in found if stat.S_ISDIR(file.st_mode) and one.path not in theirs]
        size += sum(file.st_blocks * 512 for _, file in found if not stat.S_ISDIR(file.st_mode))
    return size, count


def _others() -> set[str]:
    """The places where what is mounted is not to be written, or lies over packages: its layer is measured."""
    lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    mounts = [(line.split(" "), line.partition(" - ")[2]) for line in lines]
    found = [parts[4] for parts, kind in mounts if "ro" in parts[5].split(",") or kind.startswith("overlay ")]
    return {_unescape(path) for path in found}


def _unescape(path: str) -> str:
    """A path as mountinfo has it: spaces and the like in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
