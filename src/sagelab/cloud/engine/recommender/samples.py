"""What the users of a load test send: the files of an archive that somebody has put into S3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.errors import ClientError

LARGEST = 25 << 20  # bytes of one, as an endpoint takes them
PACKED = 128 << 20  # bytes of the archive
MOST = 100  # samples
UNPACKED = 512 << 20  # bytes of all together


@dataclass(frozen=True)
class Payload:
    """Where the samples are, and as what they are sent. url: of the archive."""

    url: str
    content_type: str
    accept: str


def fetch(s3: Any, url: str, folder: Path) -> list[str]:
    """Unpack the archive into a folder that is new; the names of the samples. ClientError: there are none.

    Links are not followed, and what a Mac adds to an archive is no sample.
    """
    place = channels.locate(url)
    try:
        size = s3.head_object(Bucket=place.bucket, Key=place.key)["ContentLength"]
    except botocore.exceptions.ClientError as error:
        raise ClientError(f"PayloadError: {url} cannot be read: {error}") from error
    if size > PACKED:
        raise ClientError(f"PayloadError: {url} is larger than {PACKED >> 20} MB.")
    channels.download_archive(s3, url, folder, folder.with_name(f"{folder.name}.tar.gz"), UNPACKED)
    found = [entry for entry in Tree(folder).walk() if entry.is_file and not _is_hidden(entry.name)]
    if not found:
        raise ClientError(f"PayloadError: the archive {url} holds no file.")
    if len(found) > MOST:
        raise ClientError(f"PayloadError: the archive {url} holds more than {MOST} samples.")
    for entry in found:
        if not 0 < entry.facts.st_size <= LARGEST:
            raise ClientError(
                f"PayloadError: {entry.name} of {url} has {entry.facts.st_size:,} bytes: it has one at least,"
                f" {LARGEST >> 20} MB at the most."
            )
    return [entry.name for entry in found]


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
