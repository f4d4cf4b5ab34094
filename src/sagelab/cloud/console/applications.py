"""Spark applications by their event logs in S3, which a process of its own reads.

The log is fetched through the front door, with the rights of whom the page is for. Nobody knows who wrote it, so
nothing of it is parsed in this process (sagelab.spark.history).
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from typing import IO, Any

import botocore.exceptions

from sagelab.cloud.console.calls import CallRefused

MOST = 128 << 20  # bytes of a log that are fetched; what is packed may be more
SECONDS = 60.0  # that reading one may take
OBJECTS = 1000  # of a log that is kept in parts
READER = (sys.executable, "-I", "-m", "sagelab.spark.history")
PACKED = re.compile(r"\.(zstd|lz4|snappy|lzf)$")
PART = re.compile(r"/events_(\d{1,9})_[^/]*$")
INVALID, TOO_LARGE = "InvalidLog", "TooLarge"
_turns = threading.BoundedSemaphore(2)


def look(client: Callable[[str], Any], bucket: str, key: str, known: str = "") -> bytes:
    """{"etag", "told"} as JSON, or {"etag"} alone where the log is as it was. known: its etag then.

    key: of an object, or of a folder with a log's parts, which ends with a /. CallRefused: it cannot be read.
    """
    s3 = client("s3")
    try:
        parts = _parts(s3, bucket, key)
        etag = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
        head = json.dumps({"etag": etag}).encode()
        if etag == known:
            return head
        with _turns, tempfile.TemporaryFile() as file:
            _fetch(s3, bucket, [name for name, _ in parts], file)
            return head[:-1] + b', "told": ' + _read(file) + b"}"
    except botocore.exceptions.ClientError as error:
        raise CallRefused(error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
    except botocore.exceptions.BotoCoreError as error:
        raise CallRefused(type(error).__name__, str(error)) from None


def _parts(s3: Any, bucket: str, key: str) -> list[tuple[str, str]]:
    """The objects of a log, in order, with their ETags. CallRefused: there is none, or it is packed by others."""
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=OBJECTS).get("Contents", [])
    whole = not key.endswith("/")
    wanted = (one for one in listed if (one["Key"] == key if whole else PART.search(one["Key"])))
    found = [(one["Key"], one["ETag"]) for one in wanted]
    if not found:
        raise CallRefused("NoSuchKey", "The specified key does not exist.")
    if PACKED.search(found[0][0].removesuffix(".inprogress")):
        kind = found[0][0].rpartition(".")[2]
        raise CallRefused(INVALID, f"The log is compressed by {kind}: plain ones and those of gzip are read here.")
    order = {name: int(part[1]) if (part := PART.search(name)) else 0 for name, _ in found}
    return sorted(found, key=lambda one: order[one[0]])


def _fetch(s3: Any, bucket: str, names: list[str], file: IO[bytes]) -> None:
    left = MOST
    for name in names:
        with closing(s3.get_object(Bucket=bucket, Key=name)["Body"]) as body:
            while left > 0 and (part := body.read(min(left, 1 << 20))):
                file.write(part)
                left -= len(part)
    file.seek(0)


def _read(file: IO[bytes]) -> bytes:
    """What the process tells, which is JSON by a program of ours."""
    try:
        done = subprocess.run(READER, stdin=file, capture_output=True, timeout=SECONDS, env={}, check=False)
    except subprocess.TimeoutExpired:
        raise CallRefused(TOO_LARGE, f"The log could not be read in {SECONDS:.0f} s.") from None
    if done.returncode:
        raise CallRefused(TOO_LARGE, "The log could not be read: it takes more memory or time than a page may.")
    return done.stdout
