"""Where bodies are on their way: in memory as far as there is room for all of them together, the rest in files.

What is in files counts with the objects of S3 against one limit of the home, from the first byte on: so nobody
fills the disk by sending what is never kept. A file that becomes an object's content is moved, not copied.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

PIECE = 1 << 20  # bytes that are read at once
SMALL = 1 << 20  # bytes of an object's content that stay in memory
TOGETHER = 64 << 20  # bytes that all bodies have in memory together
_PREFIX = "body-"


class Quota:
    """Bytes that may be taken together. Safe to call from any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used, self._lock = 0, threading.RLock()  # again where a collected file gives back its own

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

    def __init__(self, file: OpenFile, start: int, size: int, spooled: Spooled | None = None) -> None:
        """spooled: the body that it is the whole of, or None."""
        self._file, self._start, self._size, self.spooled = file, start, size, spooled
        self._md5 = ""

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

    def md5(self) -> str:
        """Its MD5 in hex, as S3's ETag has it; computed once."""
        if not self._md5:
            digest = hashlib.md5(usedforsecurity=False)
            for piece in self:
                digest.update(piece)
            self._md5 = digest.hexdigest()
        return self._md5


class OpenFile:
    """A file descriptor that is closed when nobody has it any more. closed: called then."""

    def __init__(self, descriptor: int, closed: Callable[[], None] | None = None) -> None:
        self.descriptor, self._closed = descriptor, closed

    def __del__(self) -> None:
        os.close(self.descriptor)
        if self._closed:
            self._closed()


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

    def write(self, part: bytes | bytearray) -> None:
        """OSError: there is no room."""
        self._disk.reserve(len(part))
        self._size += len(part)
        self.file.write(part)

    def content(self) -> Content:
        """All that was written."""
        self.file.flush()
        return Content(OpenFile(os.dup(self.file.fileno())), 0, self._size, self)

    def move(self, path: Path) -> bool:
        """Whether the file has the name `path` now, and counts as that: once, and on its own disk alone."""
        if self._moved:
            return False
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            self._path.rename(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
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
