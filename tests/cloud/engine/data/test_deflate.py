"""Gzip files that are written as they come are gzip's own, whatever is in them."""

from __future__ import annotations

import gzip
import io
import random

import pytest

from sagelab.cloud.engine.data import deflate

NOISE, WORDS = random.Random(0).randbytes(3 * deflate.BLOCK + 5), b"word " * (deflate.BLOCK // 2)


def packed(*parts: bytes) -> bytes:
    out = io.BytesIO()
    writer = deflate.Writer(out)
    for part in parts:
        assert writer.write(part) == len(part)
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize(
    "parts", [(), (b"",), (b"a",), (WORDS, NOISE, b"", WORDS), (NOISE[:70_000], b"x" * 70_000)]
)
def test_content_comes_back(parts: tuple[bytes, ...]) -> None:
    assert gzip.decompress(packed(*parts)) == b"".join(parts)


def test_words_shrink_and_noise_is_stored() -> None:
    assert len(packed(WORDS)) < len(WORDS) / 50
    assert len(NOISE) < len(packed(NOISE)) < len(NOISE) * 1.001
    assert NOISE[1000:2000] in packed(NOISE)
