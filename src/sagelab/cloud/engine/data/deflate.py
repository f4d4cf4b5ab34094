"""A gzip file written as it comes: what gets smaller is compressed, and what does not is stored as it is.

A model is mostly random numbers, of which compression takes seconds for a tenth. https://www.rfc-editor.org/rfc/rfc1952
"""

from __future__ import annotations

import struct
import zlib
from typing import IO

BLOCK = 1 << 20  # bytes that are looked at together
SAMPLE = 1 << 14  # of them, by which it is decided
WORTH = 0.85  # of its size that a sample must shrink to
HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, of no system
END = b"\x03\0"  # a last block that is empty


class Writer:
    """What tarfile writes to. close() is its end, and leaves the file open."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._held, self._sum, self._size = out, bytearray(), 0, 0
        out.write(HEAD)

    def tell(self) -> int:
        """How much was written to it."""
        return self._size

    def write(self, data: bytes) -> int:
        self._held += data
        self._sum, self._size = zlib.crc32(data, self._sum), self._size + len(data)
        while len(self._held) >= BLOCK:
            self._put(bytes(self._held[:BLOCK]))
            del self._held[:BLOCK]
        return len(data)

    def close(self) -> None:
        self._put(bytes(self._held))
        self._out.write(END + struct.pack("<II", self._sum, self._size & 0xFFFFFFFF))

    def _put(self, block: bytes) -> None:
        self._out.write(_deflated(block, 1 if _shrinks(block) else 0))


def _shrinks(block: bytes) -> bool:
    middle = len(block) // 2
    sample = block[max(0, middle - SAMPLE // 2) : middle + SAMPLE // 2]
    return len(_deflated(sample, 1)) < WORTH * len(sample)


def _deflated(data: bytes, level: int) -> bytes:
    """Whole blocks of deflate, none of them the last."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
