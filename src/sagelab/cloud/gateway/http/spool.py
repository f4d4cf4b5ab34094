"""Where bodies are on their way: in memory as far as there is room for all of them together, the rest in files.

What is in files counts with the objects of S3 against one limit of the home, from the first byte on: so nobody
fills the disk by sending what is never kept. A file that becomes an object's content is moved, not copied, so what
may become one is encrypted from its first byte on (cipher.py).
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from sagelab.cloud.gateway.http.cipher import CHUNK, TAG, Cipher, Sealing, Tampered, size_sealed

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

    def __init__(
        self, file: OpenFile, start: int, size: int, cipher: Cipher | None = None, spooled: Spooled | None = None
    ) -> None:
        """cipher: what the file is encrypted with, None where it is plain. spooled: the body that it is the whole
        of, or None."""
        self._file, self._start, self._size, self._cipher = file, start, size, cipher
        self.spooled = spooled

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> Content:
        start, stop, _ = part.indices(self._size)
        return Content(self._file, self._start + start, max(0, stop - start), self._cipher)

    def __iter__(self) -> Iterator[bytes]:
        """Its bytes. Tampered: they are encrypted, and not those that were written."""
        return self._plain() if self._cipher is None else self._opened(self._cipher)

    def _plain(self) -> Iterator[bytes]:
        at, end = self._start, self._start + self._size
        while at < end and (piece := os.pread(self._file.descriptor, min(PIECE, end - at), at)):
            at += len(piece)
            yield piece

    def _opened(self, cipher: Cipher) -> Iterator[bytes]:
        at, end = self._start, self._start + self._size
        buffer = bytearray(CHUNK + TAG)  # one for all chunks: new memory costs more than the decryption
        sealed = memoryview(buffer)
        while at < end:
            number, skipped = divmod(at, CHUNK)
            read = os.preadv(self._file.descriptor, [buffer], number * (CHUNK + TAG))
            piece = cipher.open(number, sealed[:read])
            if skipped or len(piece) > end - at:
                piece = piece[skipped : skipped + end - at]
            if not piece:
                raise Tampered("a file ends before its end")
            at += len(piece)
            yield piece

    def md5(self) -> str:
        """Its MD5 in hex, as S3's ETag has it."""
        if self.spooled:
            return self.spooled.md5
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self:
            digest.update(piece)
        return digest.hexdigest()


class Reader(io.RawIOBase):
    """Content as a file that is read."""

    def __init__(self, content: Content) -> None:
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._content)}[whence]
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # what io gives
        piece = next(iter(self._content[self._at : self._at + len(buffer)]), b"")
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


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

    def file(self, sealed: bool = False) -> Spooled:
        """A new file; `sealed`: an encrypted one. OSError: there can be none."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{_PREFIX}{secrets.token_hex(16)}"
        return Spooled(path, self._disk, Cipher() if sealed else None)


class Spooled:
    """The file of one body."""

    def __init__(self, path: Path, disk: Disk, cipher: Cipher | None = None) -> None:
        """cipher: of an encrypted one, under whose key nothing else is written."""
        self._path, self._disk, self.cipher = path, disk, cipher
        self._sealing = Sealing(cipher) if cipher else None
        self._size, self._taken, self._moved = 0, 0, False
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file = open(path, "x+b", opener=_private)  # noqa: SIM115 - closed by close()

    def write(self, part: bytes | bytearray) -> None:
        """OSError: there is no room."""
        self._disk.reserve(len(part))
        self._taken += len(part)
        self._size += len(part)
        if self._sealing is None:
            self._file.write(part)
            return
        self._md5.update(part)
        self._file.writelines(self._sealing.add(part))

    def end(self) -> IO[bytes]:
        """All is written; it can be read. The file itself where it is plain."""
        if self._sealing is None:
            return self._file
        self._file.writelines(self._sealing.end())
        more = size_sealed(self._size) - self._taken
        self._disk.take(more, anyway=True)
        self._taken += more
        return io.BufferedReader(Reader(self.content()), CHUNK)

    @property
    def md5(self) -> str:
        """The MD5 of an encrypted one, in hex."""
        return self._md5.hexdigest()

    def content(self) -> Content:
        """All that was written, once it has ended."""
        self._file.flush()
        whole = self if self.cipher else None
        return Content(OpenFile(os.dup(self._file.fileno())), 0, self._size, self.cipher, whole)

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
            self._file.close()
        if not self._moved:
            self._path.unlink(missing_ok=True)
            self._disk.give(self._taken)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
