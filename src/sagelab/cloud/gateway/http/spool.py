"""Where bodies are on their way: the first megabyte of each in memory, larger ones in files.

What is in files counts with the objects of S3 against one limit of the home, from the first byte on: so nobody
fills the disk by sending what is never kept. A file that becomes an object's content is moved, not copied.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

PIECE = 1 << 20  # bytes that are read at once
SMALL = 1 << 20  # bytes of a body that stay in memory
TOGETHER = 64 << 20  # bytes that all bodies have in memory together
_PREFIX = "body-"


class Quota:
    """Bytes that may be taken together. Safe to call from any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used, self._lock = 0, threading.Lock()

    def take(self, size: int, *, anyway: bool = False) -> bool:
        """Whether there was room for `size` more bytes, which count from now on; `anyway`: in any case."""
        with self._lock:
            fits = anyway or self._used + size <= self.limit
            self._used += size if fits else 0
        return fits

    def give(self, size: int) -> None:
        """`size` bytes are gone."""
        with self._lock:
            self._used -= size


class Disk(Quota):
    """The bytes of a home's disk that S3's objects, and bodies on their way, have together."""

    def reserve(self, size: int) -> None:
        """Take room for `size` bytes. OSError: there is none."""
        if not self.take(size):
            reason = f"its limit of {self.limit / 1e9:.0f} GB is reached; SAGELAB_DISK_GB sets another"
            raise OSError(errno.EDQUOT, reason)


class Content:
    """Bytes in a file, of which only what is being read is in memory.

    moto has it in the place of bytes: it has a length, slices, and parts that an answer is made of. The file is
    open as long as there is any Content of it, so it can be read even when its name is gone.
    """

    def __init__(self, file: _Open, start: int, size: int, spooled: Spooled | None = None) -> None:
        """spooled: the body that it is the whole of, or None."""
        self._file, self._start, self._size, self.spooled = file, start, size, spooled

    @classmethod
    def of(cls, path: Path, start: int, size: int) -> Content:
        """FileNotFoundError: it is gone."""
        return cls(_Open(os.open(path, os.O_RDONLY | os.O_CLOEXEC)), start, size)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> Content:
        start, stop, _ = part.indices(self._size)
        return Content(self._file, self._start + start, max(0, stop - start))

    def __iter__(self) -> Iterator[bytes]:
        at, end = self._start, self._start + self._size
        while at < end and (piece := os.pread(self._file.descriptor, min(PIECE, end - at), at)):
            at += len(piece)
            yield piece

    @cached_property
    def md5(self) -> str:
        """Its MD5 in hex, as S3's ETag has it."""
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self:
            digest.update(piece)
        return digest.hexdigest()


class _Open:
    """A file descriptor that is closed when nobody has it any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


class Spool:
    """The folder of bodies on their way, and the room that they have."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder, self._disk = folder, disk
        self.memory = Quota(TOGETHER)
        for left in folder.glob(f"{_PREFIX}*"):  # by a process that was killed
            left.unlink()

    def file(self) -> Spooled:
        """A new file. OSError: there can be none."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return Spooled(self._folder / f"{_PREFIX}{secrets.token_hex(16)}", self._disk)


class Spooled:
    """The file of one body."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path, self._disk = path, disk
        self._size, self._moved = 0, False
        self.file = open(path, "x+b", opener=_private)  # noqa: SIM115 - closed by close()

    def write(self, part: bytes) -> None:
        """OSError: there is no room."""
        self._disk.reserve(len(part))
        self._size += len(part)
        self.file.write(part)

    def content(self) -> Content:
        """All that was written."""
        self.file.flush()
        return Content(_Open(os.dup(self.file.fileno())), 0, self._size, self)

    def move(self, path: Path) -> bool:
        """Whether the file has the name `path` now, and counts as that; it can be moved once."""
        if self._moved:
            return False
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.rename(path)
        self._moved = True
        return True

    def close(self) -> None:
        """Nobody needs it any more; what was moved stays where it is."""
        with suppress(OSError):  # what could not be written is not needed
            self.file.close()
        if not self._moved:
            self._path.unlink(missing_ok=True)
            self._disk.give(self._size)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
