"""Bodies in chunks are decoded as they come, and every word of them is checked."""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.errors import (
    BadDigest,
    EntityTooLarge,
    IncompleteBody,
    MalformedTrailer,
    MissingLength,
    ServiceError,
    SignatureMismatch,
)
from sagelab.cloud.gateway.auth.signature import Signed
from sagelab.cloud.gateway.http import chunks
from sagelab.cloud.gateway.http.request import BODY_LIMIT, Request
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.http1 import Message
from tests.cloud.gateway.conftest import Serving

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
FIRST = "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"
SECOND = "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"
LAST = "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
TRAILER = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
CLAIM = Signed("AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3", (), SEED, "20130524T000000Z", lifetime=None)
CRC32C = "x-amz-checksum-crc32c"


def example(trailer: str = TRAILER, value: str = "sOO8/Q==", middle: bytes = b"a" * 1024) -> bytes:
    whole = f"10000;chunk-signature={FIRST}\r\n".encode() + b"a" * 65536 + b"\r\n"
    whole += f"400;chunk-signature={SECOND}\r\n".encode() + middle + b"\r\n"
    whole += f"0;chunk-signature={LAST}\r\n".encode()
    return whole + f"{CRC32C}:{value}\r\nx-amz-trailer-signature:{trailer}\r\n\r\n".encode()


def unsigned(*pieces: bytes, trailer: str = "") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + f"0\r\n{trailer}\r\n".encode()


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "tmp", Disk(1 << 30))


def read(
    spool: Spool, wire: bytes, length: int | str, trailer: str = "", step: int = 1 << 16, **more: str
) -> Request:
    """A request with a body in chunks, read. wire: what comes, `step` bytes at a time."""
    message = Message()
    message.method, message.target = "PUT", "/bucket/key"
    form = chunks.UNSIGNED if not more.get("signed") else f"STREAMING-AWS4-HMAC-SHA256-PAYLOAD{more['signed']}"
    message.fields = {
        "content-encoding": more.get("coding", "aws-chunked"),
        "x-amz-content-sha256": form,
        "x-amz-decoded-content-length": str(length),
    } | ({"x-amz-trailer": trailer} if trailer else {})
    parts = (wire[at : at + step] for at in range(0, len(wire), step))
    request = Request(message, lambda: parts, spool)
    with closing(request):
        chunks.read(request, CLAIM, SECRET, BODY_LIMIT)
        request.seen = request.content()  # type: ignore[attr-defined]
    return request


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
def test_example_of_aws_is_read_with_its_trailer(spool: Spool, step: int) -> None:
    request: Any = read(spool, example(), 66560, CRC32C, step, signed="-TRAILER")
    assert request.seen == b"a" * 66560
    assert request.headers == {CRC32C: "sOO8/Q=="}


@pytest.mark.parametrize(
    "wire",
    [
        example(middle=b"a" * 1023 + b"b"),
        example(value="sOO8/A=="),
        example(trailer=TRAILER[:-1] + "6"),
        example().replace(b"x-amz-trailer-signature:" + TRAILER.encode() + b"\r\n", b""),
    ],
)
def test_what_was_not_signed_is_refused(spool: Spool, wire: bytes) -> None:
    with pytest.raises(SignatureMismatch):
        read(spool, wire, 66560, CRC32C, signed="-TRAILER")


def test_other_codings_of_the_content_stay(spool: Spool) -> None:
    request: Any = read(spool, unsigned(b"abc"), 3, coding="gzip, aws-chunked")
    assert (request.seen, request.headers) == (b"abc", {"content-encoding": "gzip"})


@pytest.mark.parametrize("name", ["x-amz-checksum-crc32", "X-Amz-Checksum-CRC32"])
def test_checksum_after_the_chunks_is_checked_and_kept(spool: Spool, name: str) -> None:
    said = f"x-amz-checksum-crc32:{crc32(b'abcdef')}\r\n"
    request: Any = read(spool, unsigned(b"abc", b"def", trailer=said), 6, name)
    assert request.headers == {"x-amz-checksum-crc32": crc32(b"abcdef")}
    with pytest.raises(BadDigest, match="The CRC32 you specified"):
        read(spool, unsigned(b"abc", b"deg", trailer=said), 6, name)


@pytest.mark.parametrize(
    ("wire", "length", "error"),
    [
        (unsigned(b"abc"), 4, IncompleteBody),
        (unsigned(b"abc"), 2, IncompleteBody),
        (unsigned(b"abc")[:-8], 3, IncompleteBody),
        (b"3\r\nabcd\r\n0\r\n\r\n", 3, IncompleteBody),
        (b"ffffffffffffffff\r\nabc", 1 << 30, IncompleteBody),
        (b"-3\r\nabc\r\n0\r\n\r\n", 3, IncompleteBody),
        (b"0x3\r\nabc\r\n0\r\n\r\n", 3, IncompleteBody),
        (b"3;a=b\r\nabc\r\n0\r\n\r\n", 3, IncompleteBody),
        (b"3" * 100_000, 3, IncompleteBody),
        (b"", 3, IncompleteBody),
        (unsigned(b"abc"), "", MissingLength),
        (unsigned(b"abc"), "-3", MissingLength),
        (unsigned(b"abc"), "3e1", MissingLength),
        (b"", 6 << 30, EntityTooLarge),
        (unsigned(b"abc", trailer="x-amz-checksum-sha1:AA==\r\n"), 3, MalformedTrailer),
        (unsigned(b"abc", trailer="x-amz-acl:public-read\r\n"), 3, MalformedTrailer),
        (unsigned(b"abc", trailer="\r\n" * 100), 3, MalformedTrailer),
    ],
)
def test_body_that_is_not_what_it_says_is_refused(
    spool: Spool, wire: bytes, length: int | str, error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        read(spool, wire, length)


def test_promised_checksum_must_come(spool: Spool) -> None:
    with pytest.raises(MalformedTrailer):
        read(spool, unsigned(b"abc"), 3, "x-amz-checksum-crc32")


def test_many_small_chunks_are_each_looked_at_once() -> None:
    """Each byte that comes is searched and copied a few times at most, whatever length is declared."""
    searched = 0

    class Counted(bytes):
        def find(self, *args: Any) -> int:
            nonlocal searched
            found = super().find(*args)
            searched += (found if found >= 0 else min(len(self), args[2])) - args[1]
            return found

    wire = b"3\r\nabc\r\n" * 20_000
    pieces = (Counted(wire[at : at + 4096]) for at in range(0, len(wire), 4096))
    source = chunks._Source(pieces)
    for _ in range(20_000):
        assert (source.line(), b"".join(source.take(3)), source.line()) == (b"3", b"abc", b"")
    assert searched < 3 * len(wire)


def test_nothing_is_made_of_a_length_that_is_only_declared(spool: Spool) -> None:
    def endless() -> Iterator[bytes]:
        yield from itertools.repeat(b"3\r\nabc\r\n", 10)
        raise ConnectionResetError

    message = Message()
    message.method, message.target = "PUT", "/bucket/key"
    message.fields = {"x-amz-content-sha256": chunks.UNSIGNED, "x-amz-decoded-content-length": str(4 << 30)}
    with closing(Request(message, endless, spool)) as request:
        with pytest.raises(ConnectionResetError):
            chunks.read(request, CLAIM, SECRET, BODY_LIMIT)
        assert request.size == 0


def test_object_in_unsigned_chunks_is_kept_plain_with_its_checksum(gateway: Serving) -> None:
    content = b"content" * 300_000
    wire = unsigned(content[:70_000], content[70_000:], trailer=f"x-amz-checksum-crc32:{crc32(content)}\r\n")
    gateway.client("s3").create_bucket(Bucket="in-chunks")
    for wire_of, status in ((wire, 200), (wire.replace(b"content", b"another", 1), 400)):
        assert put_in_chunks(gateway, wire_of, len(content)) == status
    found = gateway.client("s3").get_object(Bucket="in-chunks", Key="key", ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ChecksumCRC32"]) == (content, crc32(content))
    assert (found.get("ContentEncoding"), found["ContentLength"]) == (None, len(content))


def put_in_chunks(gateway: Serving, wire: bytes, length: int) -> int:
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(length),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "X-Amz-Sdk-Checksum-Algorithm": "CRC32",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.S3SigV4Auth.payload", lambda *_: chunks.UNSIGNED)
        return gateway.signed("PUT", "/in-chunks/key", "s3", wire, headers)[0]
