"""Messages between the local cloud and a function's environment: a head in JSON, and bytes behind it.

Both ends use this. What comes out of an environment may be anything: a function's code can write to the socket.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any

SIZES = struct.Struct(">II")  # bytes of the head, bytes behind it
LENGTH = struct.Struct(">I")  # bytes of a thing in a frame
LARGEST_HEAD = 1 << 16
# Bytes of an answer: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_ANSWER = (6 << 20) + 100
LARGEST = LARGEST_ANSWER + (1 << 16)
PART = 1 << 20

Head = dict[str, Any]


def send(channel: socket.socket, head: Head, payload: bytes = b"") -> None:
    """OSError: the other end is gone."""
    encoded = json.dumps(head).encode()
    channel.sendall(SIZES.pack(len(encoded), len(payload)) + encoded + payload)


def receive(channel: socket.socket, until: float | None = None) -> tuple[Head, bytes]:
    """The next message. EOFError: the other end is gone. ValueError: this is none. TimeoutError: it is too late.

    until: time.monotonic() by which all of it must be there.
    """
    head_size, size = SIZES.unpack(_read(channel, SIZES.size, until))
    if head_size > LARGEST_HEAD or size > LARGEST:
        raise ValueError("a message that is too large")
    encoded, payload = _read(channel, head_size, until), _read(channel, size, until)
    try:
        head = json.loads(encoded)
    except RecursionError:
        raise ValueError("a head that nests too deeply") from None
    if not isinstance(head, dict) or not isinstance(head.get("kind"), str):
        raise ValueError("a head that is none")
    return head, payload


def frames(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Many small things as few large ones: each with its length before it."""
    found = bytearray()
    for one in parts:
        found += LENGTH.pack(len(one)) + one
        if len(found) >= PART:
            yield bytes(found)
            found.clear()
    if found:
        yield bytes(found)


def unframed(content: bytes) -> Iterator[bytes]:
    """The things that `frames` has put together. ValueError: these are none."""
    at = 0
    while at < len(content):
        if at + LENGTH.size > len(content):
            raise ValueError("a frame that is none")
        (size,) = LENGTH.unpack_from(content, at)
        at += LENGTH.size
        if at + size > len(content):
            raise ValueError("a frame that is cut off")
        yield content[at : at + size]
        at += size


def _read(channel: socket.socket, size: int, until: float | None) -> bytes:
    found = bytearray()
    while len(found) < size:
        channel.settimeout(None if until is None else max(0.001, until - time.monotonic()))
        try:
            part = channel.recv(min(PART, size - len(found)))
        except ConnectionError:
            part = b""
        if not part:
            raise EOFError
        found += part
    return bytes(found)
