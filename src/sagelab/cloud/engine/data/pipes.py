"""What a channel in Pipe mode is for a built-in algorithm: files of what the pipe would have said, in its order.

A container on AWS reads a named pipe; the programs that stand for Amazon's algorithms read a folder.
https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html
"""

from __future__ import annotations

import gzip
import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.errors import ClientError

RECORD = 0xCED7230A  # what a record of RecordIO begins with
LONGEST = (1 << 29) - 1  # bytes of one
AUGMENTED, STREAM = "AugmentedManifestFile", "stream"


def fill(s3: Any, channel: dict[str, Any], folder: Path, host: int, hosts: int) -> None:
    """Fill the folder of a channel on host number `host` of `hosts`. ClientError: it cannot be."""
    source = channel["DataSource"]["S3DataSource"]
    wrapped = channel.get("RecordWrapperType") == "RecordIO"
    if source["S3DataType"] == AUGMENTED:
        _write_manifest(s3, source, folder / STREAM, wrapped)
        return
    channels.download_channel(s3, channel, folder, host, hosts)
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if channel.get("CompressionType") == "Gzip":
            _unzip(file)
        if wrapped:
            draft = file.with_name(f".{file.name}")
            with draft.open("wb") as out:
                _write_record(out, file.read_bytes())
            draft.replace(file)


def _unzip(file: Path) -> None:
    """ClientError: it is no gzip file."""
    draft = file.with_name(f".{file.name}")
    try:
        with gzip.open(file) as content, draft.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
    except (OSError, EOFError, zlib.error) as error:
        raise ClientError(f"Data download failed: {file.name} is no gzip file: {error}") from None
    draft.replace(file)


def _write_manifest(s3: Any, source: dict[str, Any], file: Path, wrapped: bool) -> None:
    """One file with the attributes that a channel names of each line: records, or lines of text."""
    try:
        with file.open("wb") as out:
            for content in _attributes(s3, source):
                if wrapped:
                    _write_record(out, content)
                else:
                    out.write(content + b"\n")
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise ClientError(f"Data download failed: {source['S3Uri']}: {error}") from error


def _attributes(s3: Any, source: dict[str, Any]) -> Iterator[bytes]:
    """Of each line of the manifest the attributes in the channel's order; of one named -ref what it refers to."""
    uri = source["S3Uri"]
    body = channels.read_whole(s3, channels.locate(uri))
    for number, text in enumerate(body.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            for name in source["AttributeNames"]:
                value = record[name]
                if name.endswith("-ref"):
                    yield channels.read_whole(s3, channels.locate(value))
                else:
                    yield value.encode() if isinstance(value, str) else json.dumps(value).encode()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ClientError(
                f"Line {number} of the augmented manifest {uri} has not the attributes"
                f" {', '.join(source['AttributeNames'])}: {type(error).__name__}: {error}"
            ) from None


def _write_record(out: IO[bytes], content: bytes) -> None:
    if len(content) > LONGEST:
        raise ClientError("Data download failed: a record of RecordIO has at most 512 MB")
    out.write(struct.pack("<II", RECORD, len(content)) + content + bytes(-len(content) % 4))
