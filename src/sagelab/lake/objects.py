"""Objects of S3, read and written with the rights of whoever asked: what is read is counted.

https://docs.aws.amazon.com/athena/latest/ug/cost-optimization.html (what counts as scanned)
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from botocore.exceptions import ClientError

from sagelab.lake import errors

AT_ONCE = 8 << 20  # bytes of an object that is written without parts
MOST = 100_000  # objects that one query reads
_URI = re.compile(r"s3[an]?://([^/]+)/?(.*)", re.S)
_MISSING = ("NoSuchKey", "404", "NotFound")


@dataclass(frozen=True)
class Object:
    """by: the client that reads it; None: the asker's own."""

    bucket: str
    key: str
    size: int
    tag: str = ""
    by: Any = field(default=None, compare=False, repr=False)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]


def locate(uri: str) -> tuple[str, str]:
    """(bucket, key). QueryFault: it names no place in S3."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise errors.QueryFault(f"FAILED: The location {uri} is not a path of S3 (s3://bucket/folder/).")
    return found[1], found[2]


class Objects:
    """cutoff: bytes that may be read; None: any. on_read: hears how many were, ever again."""

    def __init__(self, client: Any, cutoff: int | None = None) -> None:
        self.client, self.cutoff = client, cutoff
        self.scanned = 0
        self.on_read: Callable[[int], None] = lambda _: None
        self.fault: errors.QueryFault | None = None  # the first, which DuckDB would tell in words of its own
        self._lock = threading.Lock()
        self._lent: list[tuple[str, str, Any]] = []

    def lend(self, bucket: str, prefix: str, client: Any) -> None:
        """From now on what is below a folder is written by another client, with keys that were lent."""
        self._lent = sorted([*self._lent, (bucket, prefix, client)], key=lambda one: -len(one[1]))

    def _of(self, bucket: str, key: str) -> Any:
        """The client that an object is written with."""
        lent = (client for place, prefix, client in self._lent if place == bucket and key.startswith(prefix))
        return next(lent, self.client)

    def list(self, uri: str, by: Any = None) -> Iterator[Object]:
        """What is below a location, in the order of its names, for a client. QueryFault: it may not be listed."""
        bucket, prefix = locate(uri)
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        pages = (by or self.client).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        count = 0
        with Told(uri):
            for page in pages:
                for one in page.get("Contents", ()):
                    count += 1
                    if count > MOST:
                        raise errors.QueryFault(f"GENERIC_USER_ERROR: {uri} has more than {MOST:,} objects.")
                    yield Object(bucket, one["Key"], one["Size"], one.get("ETag", ""), by)

    def below(self, bucket: str, prefix: str, by: Any) -> Iterator[Object]:
        """Every object whose key begins so. QueryFault: they may not be listed."""
        pages = by.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with Told(f"s3://{bucket}/{prefix}"):
            for page in pages:
                yield from (
                    Object(bucket, one["Key"], one["Size"], one.get("ETag", ""), by)
                    for one in page.get("Contents", ())
                )

    def data(self, uri: str, by: Any = None) -> Iterator[Object]:
        """The objects of a location that are data: names that begin with _ or . are none, nor is what is empty."""
        prefix = locate(uri)[1]
        for one in self.list(uri, by):
            rest = one.key[len(prefix) :].lstrip("/")
            if one.size and not any(part.startswith(("_", ".")) for part in rest.split("/")):
                yield one

    def count(self, size: int) -> None:
        """So many bytes are read for a query. Cutoff: too many."""
        with self._lock:
            self.scanned += size
            scanned = self.scanned
        if self.cutoff is not None and scanned > self.cutoff:
            self.fault = self.fault or errors.Cutoff()
            raise self.fault
        self.on_read(scanned)

    def read(self, found: Object, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`; nothing is counted. QueryFault: it cannot be read."""
        try:
            return self._read(found, start, end)
        except errors.QueryFault as fault:
            self.fault = self.fault or fault
            raise

    def _read(self, found: Object, start: int, end: int) -> bytes:
        with Told(found.uri):
            span = f"bytes={start}-{end - 1}"
            condition = {"IfMatch": found.tag} if found.tag else {}
            answer = (found.by or self.client).get_object(
                Bucket=found.bucket, Key=found.key, Range=span, **condition
            )
            content: bytes = answer["Body"].read()
        if len(content) != end - start:
            raise errors.QueryFault(
                f"HIVE_CURSOR_ERROR: {found.uri} ended early; it was changed while it was read."
            )
        return content

    def put(self, uri: str, content: IO[bytes] | bytes, options: dict[str, Any]) -> None:
        """Write an object. QueryFault: it may not be written."""
        bucket, key = locate(uri)
        with Told(uri, "writing"):
            client = self._of(bucket, key)
            if isinstance(content, bytes) or _is_small(content):
                client.put_object(Bucket=bucket, Key=key, Body=content, **options)
            else:
                client.upload_fileobj(content, bucket, key, ExtraArgs=options or None)

    def remove(self, uri: str) -> None:
        bucket, key = locate(uri)
        with Told(uri, "deleting"):
            self._of(bucket, key).delete_object(Bucket=bucket, Key=key)


def _is_small(content: IO[bytes]) -> bool:
    """Whether a file, which is at its beginning, goes in one request."""
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    return size <= AT_ONCE


class Told:
    """Errors of S3 within, in Athena's words."""

    def __init__(self, uri: str, doing: str = "reading") -> None:
        self.uri, self.doing = uri, doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        inner = error.__cause__ if error is not None and not isinstance(error, ClientError) else error
        found = error if isinstance(error, ClientError) else inner
        if not isinstance(found, ClientError):
            return
        said = found.response["Error"]
        code, words = said.get("Code", ""), said.get("Message", "")
        if errors.is_denial(found):
            reason = (
                f"Permission denied on S3 path: {self.uri}"
                if self.doing == "reading"
                else (f"Access denied when {self.doing} output to {self.uri}")
            )
            raise errors.QueryFault(f"{reason} ({words})", errors.DENIED) from error
        if code == "NoSuchBucket":
            bucket = locate(self.uri)[0]
            raise errors.QueryFault(f"HIVE_METASTORE_ERROR: The S3 bucket {bucket} does not exist") from error
        if code in _MISSING:
            raise errors.QueryFault(f"HIVE_CANNOT_OPEN_SPLIT: {self.uri} does not exist") from error
        if code in ("PreconditionFailed", "412"):
            words = "it was changed while it was read"
            raise errors.QueryFault(f"HIVE_CANNOT_OPEN_SPLIT: {self.uri}: {words}") from error
        raise errors.QueryFault(f"HIVE_FILESYSTEM_ERROR: {self.uri}: {words}") from error
