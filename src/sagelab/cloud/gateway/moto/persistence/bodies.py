"""The bytes of S3 objects, a file each, so that they cost neither memory nor a file descriptor while nobody reads.

A body is never changed: new content is a new file, and the old one goes when no row names it any more.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True)
class Body:
    """`size` bytes of the file `name` from `start` on."""

    name: str
    start: int
    size: int


class Bodies:
    """The files of one folder, in 256 folders by the first letters of their random names."""

    def __init__(self, folder: Path, limit: int) -> None:
        """limit: bytes that all bodies together may have."""
        self._folder, self._limit = folder, limit
        self._used, self._lock = 0, threading.Lock()
        folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, content: bytes) -> Body:
        """Keep new content. OSError: there is no room; nothing is left of it then."""
        name = secrets.token_hex(16)
        file = self._file(name)
        self._count(len(content))
        try:
            _write(file, content)
        except OSError:
            file.unlink(missing_ok=True)
            self._count(-len(content))
            raise
        return Body(name, 0, len(content))

    def read(self, body: Body) -> bytes:
        """FileNotFoundError: it is gone."""
        with self._file(body.name).open("rb", buffering=0) as file:
            file.seek(body.start)
            return b"" if body.size == 0 else _read(file.fileno(), body.size)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                file = self._file(name)
                size = file.stat().st_size
                file.unlink()
                self._count(-size)

    def sweep(self, named: set[str]) -> None:
        """Delete every file that no row names: what was being written when the process was killed.

        It also counts what is there. To be called before anything is written.
        """
        for folder in self._folder.iterdir():
            with os.scandir(folder) as files:
                for file in files:
                    if file.name in named:
                        self._used += file.stat().st_size
                    else:
                        Path(file.path).unlink()

    def _count(self, size: int) -> None:
        with self._lock:
            if size > 0 and self._used + size > self._limit:
                reason = f"its limit of {self._limit / 1e9:.0f} GB is reached; SAGELAB_DISK_GB sets another"
                raise OSError(errno.EDQUOT, reason)
            self._used += size

    def _file(self, name: str) -> Path:
        return self._folder / name[:2] / name


def _write(file: Path, content: bytes) -> None:
    try:
        descriptor = os.open(file, _FLAGS, 0o600)
    except FileNotFoundError:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, _FLAGS, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
