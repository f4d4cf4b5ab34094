"""The bytes of S3 objects, a file each, so that they cost neither memory nor a file descriptor while nobody reads.

A body is never changed: new content is a new file, and the old one goes when no row names it any more. Each is
encrypted under a key of its own (http/cipher.py), which is kept wrapped beside the body's name (seals.py).
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sagelab.cloud.gateway.http.cipher import Cipher, sealed, size_sealed
from sagelab.cloud.gateway.http.spool import Content, Disk, OpenFile
from sagelab.cloud.gateway.moto.persistence.seals import Seal

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True)
class Body:
    """`size` bytes of the file `name` from `start` on.

    seal: the file's key, wrapped; None: the file is plain, as files were before this was kept of them.
    """

    name: str
    start: int
    size: int
    seal: Seal | None = None


class Bodies:
    """The files of one folder, in 256 folders by the first letters of their random names."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        """disk: the room that all bodies have together, and those on their way."""
        self._folder, self._disk = folder, disk
        self._readers: dict[str, int] = {}  # how many read a file
        self._unlinked: dict[str, int] = {}  # bytes of a file that has no name, and still has readers
        self._lock = threading.RLock()
        folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, content: bytes | Content | Joined, seal: Callable[[bytes], Seal]) -> Body:
        """Keep new content. OSError: there is no room; nothing is left of it then.

        seal: wraps the key of its file.
        """
        name, size = secrets.token_hex(16), len(content)
        file, spooled = self._file(name), content.spooled if isinstance(content, Content) else None
        if spooled and spooled.cipher:
            body = Body(name, 0, size, seal(spooled.cipher.key))
            if spooled.move(file):
                return body
        cipher, taken = Cipher(), size_sealed(size)
        body = Body(name, 0, size, seal(cipher.key))
        self._disk.reserve(size)
        self._disk.take(taken - size, anyway=True)
        try:
            _write(file, sealed(cipher, [content] if isinstance(content, bytes) else content))
        except BaseException:
            file.unlink(missing_ok=True)
            self._disk.give(taken)
            raise
        return body

    def open(self, body: Body, cipher: Cipher | None = None) -> Content:
        """cipher: of the body's key, unwrapped; None where it is plain. FileNotFoundError: it is gone."""
        with self._lock:
            self._readers[body.name] = self._readers.get(body.name, 0) + 1
        try:
            descriptor = os.open(self._file(body.name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._leave(body.name)
            raise
        return Content(OpenFile(descriptor, partial(self._leave, body.name)), body.start, body.size, cipher)

    def remove(self, names: Iterable[str]) -> None:
        """Delete files. Who reads one may read on; its bytes count until the last has."""
        for name in names:
            with suppress(FileNotFoundError):
                file = self._file(name)
                size = file.stat().st_size
                file.unlink()  # which takes a while for a large one
                with self._lock:
                    if name in self._readers:
                        self._unlinked[name] = size
                    else:
                        self._disk.give(size)

    def sweep(self, named: set[str]) -> None:
        """Delete every file that no row names: what was being written when the process was killed.

        It also counts what is there. To be called before anything is written.
        """
        for folder in self._folder.iterdir():
            with os.scandir(folder) as files:
                for file in files:
                    if file.name in named:
                        self._disk.take(file.stat().st_size, anyway=True)
                    else:
                        Path(file.path).unlink()

    def _leave(self, name: str) -> None:
        """One reader less."""
        with self._lock:
            left = self._readers.pop(name) - 1
            if left:
                self._readers[name] = left
            else:
                self._disk.give(self._unlinked.pop(name, 0))

    def _file(self, name: str) -> Path:
        return self._folder / name[:2] / name


class Joined:
    """Content that is to be made of several, one after the other."""

    def __init__(self, contents: list[Callable[[], Iterable[bytes]]], size: int) -> None:
        self._contents, self._size = contents, size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        for content in self._contents:
            yield from content()


def _write(file: Path, parts: Iterable[bytes]) -> None:
    try:
        descriptor = os.open(file, _FLAGS, 0o600)
    except FileNotFoundError:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, _FLAGS, 0o600)
    try:
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
