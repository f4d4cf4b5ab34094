"""Channels in Pipe mode as files: gzip unpacked, records wrapped, augmented manifests by their attributes."""

from __future__ import annotations

import gzip
import json
import struct
import uuid
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.data import pipes
from sagelab.cloud.errors import ClientError
from tests.conftest import LocalCloud

HEAD = struct.Struct("<II")
ROOM = 1 << 20


@pytest.fixture(scope="module")
def bucket(cloud: LocalCloud) -> Any:
    """An S3 client and a bucket with objects."""
    s3, name = cloud.client("s3"), f"pipes-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    line = {"source-ref": f"s3://{name}/one.png", "class": 3, "text": "two words"}
    for key, body in {
        "rows/a.csv.gz": gzip.compress(b"1,2\n"),
        "bad/a.csv.gz": b"1,2\n",
        "bomb/a.csv.gz": gzip.compress(bytes(ROOM + 1)),
        "half": bytes(ROOM // 2),
        "half.manifest": 3 * f"{json.dumps({'source-ref': f's3://{name}/half', 'class': 1})}\n".encode(),
        "one.png": b"picture",
        "lines.manifest": f"{json.dumps(line)}\n\n{json.dumps(line | {'class': 4})}\n".encode(),
        "other.manifest": b'{"class": 1}\n',
        "list.manifest": b"[1]\n",
        "no.manifest": json.dumps({"source-ref": f"s3://{name}/none.png", "class": 1}).encode(),
    }.items():
        s3.put_object(Bucket=name, Key=key, Body=body)
    return s3, name


def channel(bucket: Any, key: str, kind: str = "S3Prefix", **more: Any) -> dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": f"s3://{bucket[1]}/{key}", "AttributeNames": ["source-ref", "class"]}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source | more.pop("source", {})}} | more


def records(data: bytes) -> list[bytes]:
    found = []
    while data:
        magic, size = HEAD.unpack_from(data)
        assert magic == pipes.RECORD
        found.append(data[8 : 8 + size])
        data = data[8 + (size + 3 & ~3) :]
    return found


def test_packed_files_are_unpacked_and_wrapped(bucket: Any, tmp_path: Path) -> None:
    asked = channel(bucket, "rows/", CompressionType="Gzip", RecordWrapperType="RecordIO")
    pipes.fill(bucket[0], asked, tmp_path, 0, 1, ROOM)
    (file,) = tmp_path.iterdir()
    assert records(file.read_bytes()) == [b"1,2\n"]


def test_manifest_is_a_stream_of_attributes(bucket: Any, tmp_path: Path) -> None:
    asked = channel(bucket, "lines.manifest", pipes.AUGMENTED, RecordWrapperType="RecordIO")
    pipes.fill(bucket[0], asked, tmp_path, 0, 1, ROOM)
    assert records((tmp_path / "stream").read_bytes()) == [b"picture", b"3", b"picture", b"4"]
    pipes.fill(
        bucket[0],
        channel(bucket, "lines.manifest", pipes.AUGMENTED, source={"AttributeNames": ["text"]}),
        tmp_path,
        0,
        1,
        ROOM,
    )
    assert (tmp_path / "stream").read_bytes() == b"two words\n" * 2


@pytest.mark.parametrize(
    ("key", "kind", "said"),
    [
        ("bad/", "S3Prefix", "a.csv.gz is no gzip file"),
        (
            "other.manifest",
            pipes.AUGMENTED,
            "Line 1 of the augmented .* attributes source-ref, class",
        ),
        ("list.manifest", pipes.AUGMENTED, "Line 1 of the augmented manifest"),
        ("no.manifest", pipes.AUGMENTED, "Data download failed"),
        ("none.manifest", pipes.AUGMENTED, "Data download failed"),
        ("bomb/", "S3Prefix", "more than VolumeSizeInGB allows"),
        ("half.manifest", pipes.AUGMENTED, "more than VolumeSizeInGB allows"),
    ],
)
def test_what_cannot_be_read_is_said(bucket: Any, tmp_path: Path, key: str, kind: str, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        pipes.fill(bucket[0], channel(bucket, key, kind, CompressionType="Gzip"), tmp_path, 0, 1, ROOM)
