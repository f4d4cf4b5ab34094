"""Content of S3's objects goes from file to file: little of it is ever in memory."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud.gateway.moto.persistence import objects
from tests.cloud.gateway.conftest import Serving

MB = 1 << 20
SIZE = 24 * MB
PLAIN = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")


@pytest.fixture
def bucket(gateway: Serving, unique: Callable[[str], str]) -> str:
    name = unique("objects")
    gateway.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SIZE bytes, no megabyte of which is like another."""
    file = tmp_path_factory.mktemp("large") / "file"
    with file.open("wb") as out:
        for number in range(SIZE // MB):
            out.write(hashlib.sha256(bytes([number])).digest() * (MB // 32))
    return file


@contextmanager
def little_memory(most: int = 9 * MB) -> Iterator[None]:
    """Neither this process's client nor its gateway has more than `most` bytes more at any moment of the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def digest(s3: Any, bucket: str, key: str, **more: Any) -> str:
    """The MD5 of an object, read a piece at a time."""
    found = hashlib.md5(usedforsecurity=False)
    for piece in s3.get_object(Bucket=bucket, Key=key, **more)["Body"].iter_chunks(MB):
        found.update(piece)
    return found.hexdigest()


def test_large_object_is_put_read_and_copied_from_file_to_file(gateway: Serving, bucket: str, file: Path) -> None:
    s3 = gateway.client("s3", PLAIN)
    md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    with file.open("rb") as body, little_memory():
        s3.put_object(Bucket=bucket, Key="large", Body=body)
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/large", ChecksumAlgorithm="SHA256")
        for key in ("large", "copy"):
            assert digest(s3, bucket, key) == md5
            found = s3.head_object(Bucket=bucket, Key=key)
            assert (found["ContentLength"], found["ETag"]) == (SIZE, f'"{md5}"')
        with pytest.raises(botocore.exceptions.ClientError, match="NoSuchKey"):
            s3.get_object(Bucket=bucket, Key="none")
    assert list((gateway.home.path / "tmp").iterdir()) == []


def test_ranges_of_a_large_object_are_read_alone(gateway: Serving, bucket: str, file: Path) -> None:
    s3, content = gateway.client("s3", PLAIN), file.read_bytes()
    s3.put_object(Bucket=bucket, Key="large", Body=content)

    def part(text: str) -> tuple[bytes, str]:
        found = s3.get_object(Bucket=bucket, Key="large", Range=text)
        return found["Body"].read(), found["ContentRange"]

    assert part("bytes=-5") == (content[-5:], f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}")
    middle = content[5 * MB + 1 : 8 * MB + 2]
    with little_memory(8 * MB):
        assert part(f"bytes={5 * MB + 1}-{8 * MB + 1}") == (middle, f"bytes {5 * MB + 1}-{8 * MB + 1}/{SIZE}")
        assert part(f"bytes={SIZE - 2 * MB}-")[1] == f"bytes {SIZE - 2 * MB}-{SIZE - 1}/{SIZE}"
    head = s3.head_object(Bucket=bucket, Key="large", Range="bytes=0-1999999")
    assert head["ContentLength"] == 2_000_000
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidRange"):
        part(f"bytes={SIZE}-")


def test_parts_of_an_upload_are_joined_from_file_to_file(gateway: Serving, bucket: str, file: Path) -> None:
    s3, content = gateway.client("s3"), file.read_bytes()
    s3.put_object(Bucket=bucket, Key="source", Body=content)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="whole", ChecksumAlgorithm="SHA256")["UploadId"]
    where = {"Bucket": bucket, "Key": "whole", "UploadId": upload}
    with file.open("rb") as body, little_memory():
        first = s3.upload_part(**where, PartNumber=1, Body=body, ChecksumAlgorithm="SHA256")
        said = {"CopySource": f"{bucket}/source", "CopySourceRange": f"bytes=1-{6 * MB}"}
        second = s3.upload_part_copy(**where, PartNumber=2, **said)["CopyPartResult"]
        parts = [{"PartNumber": n, "ETag": one["ETag"]} for n, one in enumerate((first, second), 1)]
        done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        seen = digest(s3, bucket, "whole")
    assert seen == hashlib.md5(content + content[1 : 6 * MB + 1], usedforsecurity=False).hexdigest()
    sums = [hashlib.md5(one, usedforsecurity=False) for one in (content, content[1 : 6 * MB + 1])]
    etag = hashlib.md5(b"".join(one.digest() for one in sums), usedforsecurity=False).hexdigest()
    assert done["ETag"] == f'"{etag}-2"'
    digests = [hashlib.sha256(one).digest() for one in (content, content[1 : 6 * MB + 1])]
    found = s3.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    of_parts = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert found["ChecksumSHA256"].removesuffix("-2") == of_parts


def test_a_part_of_an_object_is_read_by_its_number(gateway: Serving, bucket: str) -> None:
    s3, bodies = gateway.client("s3"), {2: b"a" * 5 * MB, 7: b"b" * 3}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="whole")["UploadId"]
    where = {"Bucket": bucket, "Key": "whole"}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**where, UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in bodies.items()
    ]
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    size = 5 * MB + 3
    for number, first in ((2, 0), (7, 5 * MB)):
        found, seen = (call(**where, PartNumber=number) for call in (s3.get_object, s3.head_object))
        assert found["Body"].read() == bodies[number]
        for one in (found, seen):
            told = (one["ContentLength"], one["PartsCount"], one["ResponseMetadata"]["HTTPStatusCode"])
            assert told == (len(bodies[number]), 2, 206)
            assert one["ETag"].endswith('-2"')
        assert found["ContentRange"] == f"bytes {first}-{first + len(bodies[number]) - 1}/{size}"
    s3.put_object(Bucket=bucket, Key="plain", Body=b"abc")
    plain = s3.get_object(Bucket=bucket, Key="plain", PartNumber=1)
    assert (plain["Body"].read(), plain["ContentRange"], "PartsCount" in plain) == (b"abc", "bytes 0-2/3", False)
    for key, wrong, code in (
        ("whole", {"PartNumber": 3}, "InvalidPartNumber"),
        ("plain", {"PartNumber": 2}, "InvalidPartNumber"),
        ("whole", {"PartNumber": 0}, "InvalidArgument"),
        ("whole", {"PartNumber": 2, "Range": "bytes=0-1"}, "InvalidRequest"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            s3.get_object(Bucket=bucket, Key=key, **wrong)
        assert refused.value.response["Error"]["Code"] == code
    with pytest.raises(botocore.exceptions.ClientError, match="416"):
        s3.head_object(**where, PartNumber=3)


def test_checksum_of_the_whole_is_that_of_its_content(gateway: Serving, bucket: str) -> None:
    s3 = gateway.client("s3")
    kind = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="whole", **kind)["UploadId"]
    where = {"Bucket": bucket, "Key": "whole", "UploadId": upload}
    bodies = [b"a" * 5 * MB, b"b"]
    etags = [s3.upload_part(**where, PartNumber=n, Body=one)["ETag"] for n, one in enumerate(bodies, 1)]
    parts = [{"PartNumber": n, "ETag": one} for n, one in enumerate(etags, 1)]
    for wrong in ([{"PartNumber": 1, "ETag": '"x"'}], [parts[0], {"PartNumber": 3, "ETag": etags[1]}]):
        with pytest.raises(botocore.exceptions.ClientError, match="InvalidPart"):
            s3.complete_multipart_upload(**where, MultipartUpload={"Parts": wrong})
    with pytest.raises(botocore.exceptions.ClientError, match="EntityTooSmall"):
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts[::-1]})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    found = s3.get_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    assert found["Body"].read() == b"".join(bodies)
    crc = base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
    assert (found["ChecksumCRC32"], found["ChecksumType"]) == (crc, "FULL_OBJECT")


def test_checksum_that_is_not_sent_is_computed_and_not_looked_for_in_the_content(
    gateway: Serving, bucket: str
) -> None:
    for content in (b"x-amz-checksum-crc32:AAAAAA==", b"x-amz-checksum-crc32:AAAAAA==" * 50_000):
        asked = {"X-Amz-Sdk-Checksum-Algorithm": "CRC32"}
        assert gateway.signed("PUT", f"/{bucket}/key", "s3", content, asked)[0] == 200
        found = gateway.client("s3").get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert found["ChecksumCRC32"] == base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    asked = {"X-Amz-Sdk-Checksum-Algorithm": "CRC64NVME"}
    status, _, body = gateway.signed("PUT", f"/{bucket}/key", "s3", b"content", asked)
    assert (status, b"cannot compute the checksum CRC64NVME" in body) == (400, True)


def test_object_that_is_read_is_whole_though_another_takes_its_place(gateway: Serving, bucket: str) -> None:
    s3 = gateway.client("s3", PLAIN)
    content = bytes(range(256)) * (SIZE // 256)
    s3.put_object(Bucket=bucket, Key="key", Body=content)
    body = s3.get_object(Bucket=bucket, Key="key")["Body"]
    start = body.read(MB)
    s3.put_object(Bucket=bucket, Key="key", Body=b"new")
    assert hashlib.sha256(start + body.read()).digest() == hashlib.sha256(content).digest()


def test_large_object_is_selected_from(gateway: Serving, bucket: str) -> None:
    s3 = gateway.client("s3")
    lines = b'{"a": 1}\n' + b'{"b": "%s"}\n' % (b"x" * 2 * MB)
    s3.put_object(Bucket=bucket, Key="key", Body=gzip.compress(lines, 0))
    asked = {"Expression": "SELECT * FROM S3Object", "ExpressionType": "SQL"}
    forms: dict[str, Any] = {"InputSerialization": {"JSON": {"Type": "LINES"}, "CompressionType": "GZIP"}}
    forms["OutputSerialization"] = {"JSON": {}}
    events = s3.select_object_content(Bucket=bucket, Key="key", **asked, **forms)["Payload"]
    assert b'{"a":1}' in b"".join(one["Records"]["Payload"] for one in events if "Records" in one)


def test_what_needs_all_of_an_object_at_once_gets_no_more_than_fits(
    gateway: Serving, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = gateway.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=io.BytesIO(bytes(2 * MB)))
    monkeypatch.setattr(objects, "_WHOLE", MB)
    asked = {"Expression": "SELECT * FROM S3Object", "ExpressionType": "SQL"}
    forms = {"InputSerialization": {"JSON": {"Type": "LINES"}}, "OutputSerialization": {"JSON": {}}}
    with pytest.raises(botocore.exceptions.ClientError, match="EntityTooLarge"):
        s3.select_object_content(Bucket=bucket, Key="key", **asked, **forms)
    assert s3.get_object(Bucket=bucket, Key="key")["ContentLength"] == 2 * MB
