"""Bytes in files, encrypted: AES-256-GCM in chunks, under a key that no other file has.

A chunk's nonce and what is authenticated beside it are its number, so a chunk is good in its own place alone, and
a part of a large file is read without the rest. Each chunk takes 16 bytes more than what is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 1 << 18  # bytes of a file that are encrypted as one
TAG = 16  # bytes that a chunk takes more


class Tampered(Exception):
    """A chunk is not what was written in its place, or is not all of it."""


class Cipher:
    """The key of one file. key: its 32 bytes, random where none are given."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = AESGCM.generate_key(256) if key is None else key
        self._aes = AESGCM(self.key)

    def seal(self, number: int, chunk: bytes | memoryview) -> bytes:
        """Chunk `number`, encrypted. Nothing else is ever sealed under that number."""
        place = number.to_bytes(12, "big")
        return self._aes.encrypt(place, chunk, place)

    def open(self, number: int, sealed: bytes | memoryview) -> bytes:
        """Tampered: this is not chunk `number`, or not all of it."""
        place = number.to_bytes(12, "big")
        try:
            return self._aes.decrypt(place, sealed, place)
        except InvalidTag:
            raise Tampered(f"chunk {number} of a file is not what was written there") from None


class Sealing:
    """What is written one part after the other, as chunks; little of it is in memory."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher, self._number, self._held = cipher, 0, bytearray()

    def add(self, part: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """The chunks, encrypted, that are full with this part."""
        rest = memoryview(part)
        if self._held:
            room = CHUNK - len(self._held)
            self._held += rest[:room]
            rest = rest[room:]
            if len(self._held) == CHUNK:
                yield self._seal(memoryview(bytes(self._held)))
                self._held.clear()
        while len(rest) >= CHUNK:
            yield self._seal(rest[:CHUNK])
            rest = rest[CHUNK:]
        self._held += rest

    def end(self) -> Iterator[bytes]:
        """The last chunk, where something is left for it."""
        if self._held:
            yield self._seal(memoryview(bytes(self._held)))
            self._held.clear()

    def _seal(self, chunk: memoryview) -> bytes:
        self._number += 1
        return self._cipher.seal(self._number - 1, chunk)


def sealed(cipher: Cipher, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Parts as the encrypted chunks of one file."""
    sealing = Sealing(cipher)
    for part in parts:
        yield from sealing.add(part)
    yield from sealing.end()


def size_sealed(size: int) -> int:
    """Bytes of the file that has `size` bytes in it, encrypted."""
    return size + TAG * -(-size // CHUNK)
