"""A file's chunks are good in their own place, whole, and under their own key alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagelab.cloud.gateway.http.cipher import CHUNK, TAG, Cipher, Tampered, sealed, size_sealed
from sagelab.cloud.gateway.http.spool import Content, OpenFile

SIZE = 3 * CHUNK + 5


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE)


def reading(tmp_path: Path, file: bytes, cipher: Cipher) -> Content:
    (tmp_path / "file").write_bytes(file)
    return Content(OpenFile(os.open(tmp_path / "file", os.O_RDONLY)), 0, SIZE, cipher)


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, SIZE, 1 << 20])
def test_parts_of_any_size_become_the_same_file(tmp_path: Path, content: bytes, size: int) -> None:
    cipher = Cipher(b"k" * 32)
    parts = [content[at : at + size] for at in range(0, SIZE, size)] if size > 1 else [content[:1], content[1:]]
    file = b"".join(sealed(cipher, parts))
    assert len(file) == size_sealed(SIZE) == SIZE + 4 * TAG
    assert file == b"".join(sealed(cipher, [content]))
    assert content[:64] not in file
    assert b"".join(reading(tmp_path, file, cipher)) == content


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 1), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (5, SIZE), (SIZE - 1, SIZE)]
)
def test_range_is_read_alone(tmp_path: Path, content: bytes, start: int, stop: int) -> None:
    cipher = Cipher()
    found = reading(tmp_path, b"".join(sealed(cipher, [content])), cipher)
    assert b"".join(found[start:stop]) == content[start:stop]
    assert len(found[start:stop]) == stop - start


def test_what_was_changed_is_refused(tmp_path: Path, content: bytes) -> None:
    cipher, step = Cipher(), CHUNK + TAG
    file = b"".join(sealed(cipher, [content]))
    swapped = file[step : 2 * step] + file[:step] + file[2 * step :]
    flipped = file[:100] + bytes([file[100] ^ 1]) + file[101:]
    other = b"".join(sealed(Cipher(), [content]))
    for changed in (swapped, flipped, file[:-1], file[: 3 * step], file[: step // 2], b"", other):
        with pytest.raises(Tampered):
            b"".join(reading(tmp_path, changed, cipher))
