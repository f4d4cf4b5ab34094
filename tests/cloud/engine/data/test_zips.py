"""One member of a stranger's zip file."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

import pytest

from sagelab.cloud.engine.data import zips
from tests.cloud.engine.data.crowded import crowded, peak

Make = Callable[..., IO[bytes]]


@pytest.fixture
def make() -> Iterator[Make]:
    with tempfile.TemporaryFile() as file:

        def write(*parts: bytes) -> IO[bytes]:
            file.writelines(parts)
            file.flush()
            return file

        yield write


def zipped(content: bytes, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        archive.writestr("a", content)
    return out.getvalue()


def test_a_member_is_read_as_far_as_is_wanted(make: Make) -> None:
    file = make(zipped(b"x" * 1000))
    assert zips.read(file, "a", 2000) == b"x" * 1000
    assert zips.read(file, "a", 10) == b"x" * 10


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", zipped(b"x")[:-5], zipped(b"x").replace(b"a", b"b"), zipped(b"x" * 99, zipfile.ZIP_LZMA)],
)
def test_what_cannot_be_read_is_broken(make: Make, content: bytes) -> None:
    file = make(content)
    with pytest.raises(zips.BROKEN):
        zips.read(file, "a", 10)


def test_what_it_says_of_its_members_is_bounded(make: Make) -> None:
    file = make(*crowded())
    with pytest.raises(zips.BROKEN), peak() as most:
        zips.read(file, "a", 10)
    assert most[0] < 64 << 20
