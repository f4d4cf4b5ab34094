"""What comes out of a function's environment may be anything: it is read within bounds, or refused."""

from __future__ import annotations

import json
import socket
import time

import pytest

from sagelab.functions import wire


def test_message_comes_back_whole() -> None:
    here, there = socket.socketpair()
    with here, there:
        wire.send(here, {"kind": "done", "id": "ü"}, b"x" * 1000)
        assert wire.receive(there) == ({"kind": "done", "id": "ü"}, b"x" * 1000)


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage" * 100,
        wire.SIZES.pack(wire.LARGEST_HEAD + 1, 0),
        wire.SIZES.pack(2, wire.LARGEST + 1),
        wire.SIZES.pack(2, 0) + b"[]",
        wire.SIZES.pack(2, 0) + b"{}",
        wire.SIZES.pack(10, 0) + json.dumps({"kind": 1}).encode(),
        wire.SIZES.pack(60_000, 0) + b"[" * 60_000,
    ],
)
def test_garbage_is_refused(sent: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(sent)
        with pytest.raises(ValueError, match=r".*"):
            wire.receive(there)


def test_end_and_silence_are_told_apart() -> None:
    here, there = socket.socketpair()
    with there:
        with here:
            here.sendall(b"\0")
            with pytest.raises(TimeoutError):
                wire.receive(there, time.monotonic() + 0.01)
        with pytest.raises(EOFError):
            wire.receive(there)
