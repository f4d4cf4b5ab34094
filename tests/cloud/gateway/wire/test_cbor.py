"""What comes in CBOR may be as hostile as bytes can be: it is read within bounds, or refused in words."""

from __future__ import annotations

import time

import pytest

from sagelab.cloud.errors import SerializationException
from sagelab.cloud.gateway.wire import cbor

HUGE = b"\xff" * 8


def test_a_body_is_read() -> None:
    assert cbor.read(b"") == {}
    assert cbor.read(b"\xa1\x61a\x9f\x01\xf6\xff") == {"a": [1, None]}
    assert cbor.read(b"\xa1\x61a\x58\x64" + b"x" * 100) == {"a": b"x" * 100}


@pytest.mark.parametrize(
    "body",
    [
        b"\x81" * 1_000_000,  # lists in lists
        b"\x9f" * 1_000_000,
        b"\xa1\x61a" * 300_000,
        b"\xc1" * 1_000_000,  # tags of tags
        b"\x9b" + HUGE + b"\x00" * 1_000_000,  # more than there is
        b"\xbb" + HUGE,
        b"\x5b" + HUGE,
        b"\x7b\x00\x00\x01" + b"\x00" * 5,
        b"\x9f" + b"\x80" * 1_000_000 + b"\xff",  # very many
        b"\x5f" + b"\x40" * 1_000_000 + b"\xff",  # of pieces with nothing in them
        b"\xbf" + b"\x00\xf6" * 500_000 + b"\xff",
        b"\xa1\x80\x00",  # a key that is none
        b"\xc1\xf9\x7c\x00",  # the time of infinity
        b"\xc1\xfb\x7f\xef" + b"\xff" * 6,
        b"\xc2\x41\x01",
        b"\x62\xff\xfe",
        b"\xff",
        b"\x1c",
        b"\xf8\x18",
    ],
)
def test_hostile_bodies_are_refused_soon(body: bytes) -> None:
    before = time.thread_time()
    with pytest.raises(SerializationException):
        cbor.read(body)
    assert time.thread_time() - before < 2  # a tenth of a second on an idle machine
