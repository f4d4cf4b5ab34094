"""MXNet's RecordIO, read within bounds: what im2rec writes, and what is cut off, mixed up or no such file."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelab.algorithms.job import UserError
from sagelab.algorithms.vision import image_records
from tests.algorithms.scenes import framed, record

WHOLE, FIRST, MIDDLE, LAST = range(4)


def read(data: bytes) -> list[bytes]:
    return list(image_records.read(io.BytesIO(data), "a.rec"))


def test_records_are_read_with_one_label_or_several() -> None:
    one, several = read(record(2, b"first") + record([0, 1, 1], b"second!"))
    labels, picture = image_records.unpack(one, "a.rec")
    assert (labels.tolist(), bytes(picture)) == ([2.0], b"first")
    labels, picture = image_records.unpack(several, "a.rec")
    assert (labels.tolist(), bytes(picture)) == ([0, 1, 1], b"second!")


def test_record_in_parts_has_the_magic_number_between_them() -> None:
    parts = framed(b"before", FIRST) + framed(b"", MIDDLE) + framed(b"after", LAST)
    magic = struct.pack("<I", image_records.MAGIC)
    assert read(parts + framed(b"next")) == [b"before" + magic + magic + b"after", b"next"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (record(1, b"picture")[:-3], "ends inside a record"),
        (record(1, b"picture")[:6], "ends inside a record"),
        (framed(b"one", FIRST), "ends inside a record"),
        (framed(b"one", LAST), "out of its order"),
        (framed(b"one", FIRST) + framed(b"two"), "out of its order"),
        (framed(b"one", 5), "out of its order"),
        (b"\x89PNG\r\n\x1a\n of another kind", "not in RecordIO format"),
        (struct.pack("<II", image_records.MAGIC, (1 << 29) - 1), "more than"),
    ],
)
def test_what_is_no_record_is_the_users_error(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"short", "without an image header"),
        (struct.pack("<IfQQ", 100, 0, 0, 0) + b"few", "more labels than it is long"),
        (struct.pack("<IfQQ", 1 << 31, 0, 0, 0), "more labels than it is long"),
        (struct.pack("<IfQQ", 0, np.nan, 0, 0), "not a number"),
    ],
)
def test_record_that_is_no_picture_is_the_users_error(content: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        image_records.unpack(content, "a.rec")


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_records_or_the_users_error(tail: bytes) -> None:
    try:
        found = read(record(1, b"picture") + tail)
    except UserError:
        return
    assert bytes(image_records.unpack(found[0], "a.rec")[1]) == b"picture"
