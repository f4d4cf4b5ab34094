"""What a channel in Pipe mode says: its objects one after the other, wrapped, unpacked and shuffled as asked.

A container reads it from a named pipe (feeds.py). The programs that stand for Amazon's algorithms read a folder:
what comes by a pipe is files there, and takes room of the job's volume.
https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html
"""

from __future__ import annotations

import gzip
import json
import random
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.errors import ClientError

RECORD = 0xCED7230A  # what a record of RecordIO begins with
LONGEST = (1 << 29) - 1  # bytes of one
AUGMENTED, STREAM = "AugmentedManifestFile", "stream"
PART = 1 << 20
LINE = 16 << 20  # bytes of a manifest's
TOO_LONG = "Data download failed: a record of RecordIO has at most 512 MB"
Parts = Iterable[bytes]


@dataclass
class Stream:
    """A file that a channel's data is written to. left: bytes that all files of the channel may still have."""

    left: int

    def write(self, out: IO[bytes], parts: Parts) -> None:
        """ClientError: there is no room for it."""
        for part in parts:
            self.left -= len(part)
            if self.left < 0:
                raise ClientError("Data download failed: the channel has more than VolumeSizeInGB allows")
            out.write(part)

    def write_record(self, out: IO[bytes], size: int, parts: Parts) -> None:
        """ClientError: it is longer than one of RecordIO can be, or as above."""
        self.write(out, _record(size, parts))


def fill(s3: Any, channel: dict[str, Any], folder: Path, host: int, hosts: int, room: int) -> None:
    """Fill the folder of a channel on host number `host` of `hosts`. ClientError: it cannot be.

    room: bytes that it may have there.
    """
    source, stream = channel["DataSource"]["S3DataSource"], Stream(room)
    folder.mkdir(exist_ok=True)
    wrapped = channel.get("RecordWrapperType") == "RecordIO"
    if source["S3DataType"] == AUGMENTED:
        _write_manifest(s3, source, folder / STREAM, stream, wrapped)
        return
    channels.download_channel(s3, channel, folder, host, hosts)
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if channel.get("CompressionType") == "Gzip":
            _unzip(file, stream)
        if wrapped:
            draft = file.with_name(f".{file.name}")
            with draft.open("wb") as out, file.open("rb") as content:
                stream.write_record(out, file.stat().st_size, _parts(content))
            draft.replace(file)


def _parts(content: Any) -> Iterator[bytes]:
    while part := content.read(PART):
        yield part


def _unzip(file: Path, stream: Stream) -> None:
    """ClientError: it is no gzip file."""
    draft = file.with_name(f".{file.name}")
    try:
        with gzip.open(file) as content, draft.open("wb") as out:
            stream.write(out, _parts(content))
    except (OSError, EOFError, zlib.error) as error:
        raise ClientError(f"Data download failed: {file.name} is no gzip file: {error}") from None
    draft.replace(file)


def _write_manifest(s3: Any, source: dict[str, Any], file: Path, stream: Stream, wrapped: bool) -> None:
    """One file with the attributes that a channel names of each line: records, or lines of text."""
    try:
        with file.open("wb") as out:
            for size, content in _attributes(s3, source):
                if wrapped:
                    stream.write_record(out, size, content)
                else:
                    stream.write(out, content)
                    stream.write(out, [b"\n"])
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise ClientError(f"Data download failed: {source['S3Uri']}: {error}") from error


def _attributes(
    s3: Any, source: dict[str, Any], order: random.Random | None = None
) -> Iterator[tuple[int, Parts]]:
    """(bytes, what they are) of the attributes of each line of the manifest, in the channel's order.

    Of an attribute named -ref it is what it refers to. order: of the lines, where that is not the manifest's.
    """
    uri = source["S3Uri"]
    for number, text in _in_order(_lines(s3, uri), order):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            for name in source["AttributeNames"]:
                value = record[name]
                if name.endswith("-ref"):
                    place = channels.locate(value)
                    found = s3.get_object(Bucket=place.bucket, Key=place.key)
                    with found["Body"] as body:
                        yield found["ContentLength"], _parts(body)
                else:
                    content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                    yield len(content), [content]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ClientError(
                f"Line {number} of the augmented manifest {uri} has not the attributes"
                f" {', '.join(source['AttributeNames'])}: {type(error).__name__}: {error}"
            ) from None


def _in_order(lines: Iterable[bytes], order: random.Random | None) -> Iterable[tuple[int, bytes]]:
    """Lines with their numbers. All of them are in memory to be shuffled. ClientError: they are too much."""
    numbered = enumerate(lines, start=1)
    if order is None:
        return numbered
    size, found = 0, list[tuple[int, bytes]]()
    for number, line in numbered:
        size += len(line)
        if size > channels.WHOLE:
            raise ClientError("Data download failed: a manifest of more than 512 MB is not shuffled here")
        found.append((number, line))
    order.shuffle(found)
    return found


def _lines(s3: Any, uri: str) -> Iterator[bytes]:
    """The lines of an object, of which one at a time is in memory. ClientError: one is too long."""
    place = channels.locate(uri)
    with s3.get_object(Bucket=place.bucket, Key=place.key)["Body"] as body:
        rest = b""
        for part in _parts(body):
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
            if len(rest) > LINE:
                raise ClientError(f"Data download failed: a line of {uri} has more than {LINE >> 20} MB")
        yield rest


def stream(s3: Any, channel: dict[str, Any], host: int, hosts: int, epoch: int) -> Iterator[bytes]:
    """All that the pipe of an epoch says on host number `host` of `hosts`. ClientError: S3 does not tell it."""
    source = channel["DataSource"]["S3DataSource"]
    order = random.Random(f"{channel['ShuffleConfig']['Seed']}/{epoch}") if channel.get("ShuffleConfig") else None
    try:
        if source["S3DataType"] == AUGMENTED:
            yield from _lines_of_pipe(s3, channel, order)
            return
        files = channels.list_files(s3, source)
        if order:
            order.shuffle(files)
        for location, name in channels.share(source, files, host, hosts):
            yield from _object(s3, location, name, channel)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise ClientError(f"Data download failed: {source['S3Uri']}: {error}") from error


def _object(s3: Any, location: channels.Location, name: str, channel: dict[str, Any]) -> Iterator[bytes]:
    """One object, unpacked, as a record where the channel wants records."""
    wrapped = channel.get("RecordWrapperType") == "RecordIO"
    found = s3.get_object(Bucket=location.bucket, Key=location.key)
    with found["Body"] as body:
        if channel.get("CompressionType") != "Gzip":
            yield from _record(found["ContentLength"], _parts(body)) if wrapped else _parts(body)
        elif not wrapped:
            yield from _unzipped(body, name)
        else:
            with tempfile.TemporaryFile() as whole:  # a record begins with its length
                for part in _unzipped(body, name):
                    whole.write(part)
                    if whole.tell() > LONGEST:
                        raise ClientError(TOO_LONG)
                size = whole.tell()
                whole.seek(0)
                yield from _record(size, _parts(whole))


def _record(size: int, parts: Parts) -> Iterator[bytes]:
    """ClientError: it is longer than one of RecordIO can be."""
    if size > LONGEST:
        raise ClientError(TOO_LONG)
    yield struct.pack("<II", RECORD, size)
    yield from parts
    yield bytes(-size % 4)


def _unzipped(body: Any, name: str) -> Iterator[bytes]:
    """ClientError: it is no gzip file."""
    try:
        with gzip.GzipFile(fileobj=body) as content:
            yield from _parts(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ClientError(f"Data download failed: {name} is no gzip file: {error}") from None


def _lines_of_pipe(s3: Any, channel: dict[str, Any], order: random.Random | None) -> Iterator[bytes]:
    """The attributes of each line of an augmented manifest: records, or lines of text."""
    source = channel["DataSource"]["S3DataSource"]
    wrapped = channel.get("RecordWrapperType") == "RecordIO"
    for size, content in _attributes(s3, source, order):
        if wrapped:
            yield from _record(size, content)
        else:
            yield from content
            yield b"\n"
