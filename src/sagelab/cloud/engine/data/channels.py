"""Data in and out of a job: S3 objects into /opt/ml/input/data, what a job made back to S3.

Through the front door: `s3` is a boto3 client to the local cloud itself.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar

import botocore.exceptions

from sagelab.cloud.engine.data import archives
from sagelab.cloud.engine.data.trees import Entry, Refused, Tree
from sagelab.cloud.errors import ClientError

T = TypeVar("T")
WHOLE = 512 << 20  # bytes of an object that is read into memory, at most
HOST = re.compile(r"(?:(.+)\.)?s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")  # with the bucket, or without it


@dataclass(frozen=True)
class Location:
    """A place in S3. key: an object's key or a prefix."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def join(self, *parts: str) -> Location:
        return Location(self.bucket, "/".join([self.key.rstrip("/"), *parts]).lstrip("/"))


def locate(uri: str) -> Location:
    """Read `s3://bucket/key`, or an address of S3's that names the same. ValueError: it is neither.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme == "https" and (host := HOST.fullmatch(bucket)):
        scheme = "s3"
        bucket, key = (host[1], key) if host[1] else (key.partition("/")[0], key.partition("/")[2])
    if scheme != "s3" or not bucket:
        raise ValueError(f"{uri!r} is not an S3 URI")
    return Location(bucket, key)


def find_objects(s3: Any, location: Location, limit: int | None = None) -> list[str]:
    """The keys under a prefix, without the empty objects that stand for folders."""
    return [key for key, _ in find_sized(s3, location, limit)]


def find_sized(s3: Any, location: Location, limit: int | None = None) -> list[tuple[str, int]]:
    """The same, each with its bytes."""
    found: list[tuple[str, int]] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=location.key):
        items = (item for item in page.get("Contents", []) if not item["Key"].endswith("/"))
        found += [(item["Key"], item["Size"]) for item in items]
        if limit and len(found) >= limit:
            return found[:limit]
    return found


def download_channel(s3: Any, channel: dict[str, Any], folder: Path, host: int, hosts: int) -> None:
    """Fill the folder of one input channel on host number `host` of `hosts`. ClientError: it cannot be."""
    source = channel["DataSource"]["S3DataSource"]
    try:
        for location, name in share(source, list_files(s3, source), host, hosts):
            download(s3, location, inside(folder, name))
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise ClientError(f"Data download failed: {source['S3Uri']}: {error}") from error


def download_prefix(s3: Any, location: Location, folder: Path) -> list[str]:
    """Fetch every object below a prefix that ends with a slash; their names there. ClientError: it cannot be."""
    try:
        keys = find_objects(s3, location)
        names = [str(PurePosixPath(key[len(location.key) :])) for key in keys]
        for key, name in zip(keys, names, strict=True):
            download(s3, Location(location.bucket, key), inside(folder, name))
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, OSError) as error:
        raise ClientError(f"Data download failed: {location}: {error}") from error
    return names


def download_archive(s3: Any, uri: str, folder: Path, scratch: Path, largest: int = archives.MAX_BYTES) -> None:
    """Unpack a tar.gz object into `folder`. ClientError: it is missing or not fit to be unpacked.

    largest: bytes of all that is in it.
    """
    try:
        fetch_archive(s3, uri, scratch)
        unpack_archive(uri, scratch, folder, largest)
    finally:
        scratch.unlink(missing_ok=True)


def fetch_archive(s3: Any, uri: str, file: Path) -> None:
    """Have an object as a file. ClientError: it is missing."""
    try:
        download(s3, locate(uri), file)
    except ValueError as error:
        raise ClientError(str(error)) from error
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise ClientError(f"Data download failed: {uri}: {error}") from error


def unpack_archive(uri: str, archive: Path, folder: Path, largest: int = archives.MAX_BYTES) -> None:
    """Unpack what was fetched of `uri` into `folder`. ClientError: it is not fit to be unpacked."""
    try:
        archives.unpack(archive, folder, largest)
    except archives.BadArchive as error:
        raise ClientError(f"Could not unpack {uri}: {error}") from error


def upload(s3: Any, body: IO[bytes], location: Location, key_id: str | None = None) -> None:
    """Put what a file holds. ClientError: S3 refuses it, or has no key for a name that is no text."""
    extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
    try:
        s3.put_object(Bucket=location.bucket, Key=location.key, Body=body, **extra)
    except botocore.exceptions.ClientError as error:
        raise ClientError(f"Upload of {location} failed: {error}") from error
    except UnicodeEncodeError as error:
        raise ClientError(f"Upload of {str(location)!a} failed: the file's name is not UTF-8") from error


def upload_packed(s3: Any, folders: list[Tree], location: Location, key_id: str | None = None) -> None:
    """Put what the folders hold as one tar.gz. ClientError: what they hold cannot be packed."""
    with folders[0].scratch() as archive:
        try:
            archives.pack(folders, archive)
        except (Refused, archives.BadArchive) as error:
            raise ClientError(f"/opt/ml/{folders[0].name} {error}") from error
        upload(s3, archive, location, key_id)


def upload_folders(s3: Any, folders: list[Tree], location: Location, key_id: str | None = None) -> None:
    """Put every file of the folders as an object of its own."""
    for folder in folders:
        for entry in files(folder):
            with suppress(FileNotFoundError, Refused), folder.open(entry.name) as body:
                upload(s3, body, location.join(entry.name), key_id)


def files(folder: Tree) -> Iterator[Entry]:
    """The regular files below. ClientError: the job made a link of the folder, or nested others too deeply."""
    try:
        yield from (entry for entry in folder.walk() if entry.is_file)
    except Refused as error:
        raise ClientError(f"/opt/ml/{folder.name} {error}") from error


def list_files(s3: Any, source: dict[str, Any]) -> list[tuple[Location, str]]:
    """(object, file name in the channel) of all that an S3DataSource names."""
    return [(location, name) for location, name, _ in list_sized(s3, source)]


def list_sized(s3: Any, source: dict[str, Any]) -> list[tuple[Location, str, int | None]]:
    """The same, each with its bytes as far as they are known: a manifest does not say them."""
    location = locate(source["S3Uri"])
    if source["S3DataType"] == "ManifestFile":
        return [(place, name, None) for place, name in _read_manifest(s3, location)]
    found = find_sized(s3, location)
    if not found:
        raise ClientError(f"Data download failed: no S3 objects found under {location}")
    prefix = location.key
    return [(Location(location.bucket, key), _name_in_channel(key, prefix), size) for key, size in found]


def share(source: dict[str, Any], files: list[T], host: int, hosts: int) -> list[T]:
    """What of a source's files goes to host number `host` of `hosts`."""
    return files[host::hosts] if source.get("S3DataDistributionType") == "ShardedByS3Key" else files


def _name_in_channel(key: str, prefix: str) -> str:
    """Below the prefix where that is a folder, else below the folder that the prefix begins in."""
    folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    if not key.startswith(folder):
        folder = prefix[: prefix.rfind("/") + 1]
    return key[len(folder) :]


def read_whole(s3: Any, location: Location) -> bytes:
    """The bytes of an object. ValueError: it is too large to be held in memory."""
    found = s3.get_object(Bucket=location.bucket, Key=location.key)
    with found["Body"] as body:
        if found["ContentLength"] > WHOLE:
            raise ValueError(f"{location} is larger than {WHOLE >> 20} MB")
        return bytes(body.read())


def _read_manifest(s3: Any, location: Location) -> list[tuple[Location, str]]:
    try:
        head, *names = json.loads(read_whole(s3, location))
        prefix = locate(head["prefix"])
        return [(Location(prefix.bucket, prefix.key + name), name) for name in names]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClientError(
            f'The manifest {location} is not a list of {{"prefix": "s3://..."}} and names: {error}'
        ) from error


def inside(folder: Path, name: str) -> Path:
    """The file of a name below a folder. ClientError: it cannot be one."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ClientError(f"The S3 key {name!r} cannot be a file of a channel")
    return folder / path


def download(s3: Any, location: Location, file: Path) -> None:
    """Have an object as a file, whatever S3 raises."""
    body = s3.get_object(Bucket=location.bucket, Key=location.key)["Body"]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        shutil.copyfileobj(body, out, 1 << 20)
