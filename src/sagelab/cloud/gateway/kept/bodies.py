"""The bytes of S3 objects, a file each, so that they cost neither memory nor a file descriptor while nobody reads.

A body is never changed: new content is a new file, and the old one goes when no row names it any more.
"""

from __future__ import annotations

import os
import secrets
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, content: bytes) -> Body:
        """Keep new content. OSError: there is no room; nothing is left of it then."""
        name = secrets.token_hex(16)
        file = self._file(name)
        try:
            _write(file, content)
        except OSError:
            file.unlink(missing_ok=True)
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
                self._file(name).unlink()

    def sweep(self, named: set[str]) -> None:
        """Delete every file that no row names: what was being written when the process was killed."""
        found = (file.name for folder in self._folder.iterdir() for file in folder.iterdir())
        self.remove([name for name in found if name not in named])

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
