"""The bucket: under which keys files come to it, and what goes before a load.

FOLDER/SCHEMA/TABLE/LOAD00000001.csv, ...      loaded rows
FOLDER/SCHEMA/TABLE/20261130-123456789.csv     changes, by the moment that the file was begun
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.replication.errors import Fault, of_target
from sagelab.replication.rows import Name

LOAD = re.compile(r"LOAD[0-9A-F]{8}\.(csv|csv\.gz|parquet)")
CHANGES = re.compile(r"\d{8}-\d{9}\.(csv|csv\.gz|parquet)")
_STAMP = "%Y%m%d-%H%M%S%f"
LARGE = 64 << 20  # bytes from which a file goes in parts


def folder(start: str, table: Name) -> str:
    """Of a table: no two have the same, whatever they are called."""
    return "".join(f"{part}/" for part in (start.strip("/"), *map(_part, table)) if part)


def _part(name: str) -> str:
    if set(name) == {"."}:
        return name.replace(".", "%2E")
    return re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", name).replace("/", "%2F")


class Stamps:
    """Names of files of changes: of the moment, and each later than the one before."""

    def __init__(self, last: str) -> None:
        self.last = last

    def next(self) -> str:
        now = datetime.now(UTC)
        if self.last:
            now = max(
                now, datetime.strptime(self.last + "000", _STAMP).replace(tzinfo=UTC) + timedelta(milliseconds=1)
            )
        self.last = now.strftime(_STAMP)[:-3]
        return self.last


class Bucket:
    """s3: a client with the rights of the endpoint's role. seal: how objects are encrypted."""

    def __init__(self, s3: Any, name: str, seal: dict[str, Any]) -> None:
        self._s3, self._name, self._seal = s3, name, seal

    def put(self, key: str, path: str) -> None:
        """Fault: it was not taken. The file goes."""
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(multipart_threshold=LARGE, multipart_chunksize=LARGE, use_threads=False)
        try:
            self._s3.upload_file(path, self._name, key, ExtraArgs=self._seal, Config=config)
        except Exception as error:
            raise of_target(key, getattr(error, "last_exception", None) or _cause(error)) from None
        finally:
            Path(path).unlink()

    def clear(self, place: str, load: bool, changes: bool) -> None:
        """Remove what earlier runs have put for a table. Fault: it cannot be."""
        self.remove([key for key in self._keys(place) if _is_ours(key.removeprefix(place), load, changes)])

    def remove(self, found: list[str]) -> None:
        """Fault: they cannot be."""
        for start in range(0, len(found), 1000):
            rows = [{"Key": key} for key in found[start : start + 1000]]
            try:
                gone = self._s3.delete_objects(Bucket=self._name, Delete={"Objects": rows, "Quiet": True})
            except (ClientError, BotoCoreError) as error:
                raise of_target(found[start], error) from None
            for refused in gone.get("Errors", ()):
                words = f"AWS Error Code: {refused.get('Code')}, AWS Error Message: {refused.get('Message')}"
                raise Fault(f"Failed to delete file {refused.get('Key', '')[:300]!r} {words}")

    def _keys(self, place: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._name, Prefix=place):
                yield from (one["Key"] for one in page.get("Contents", ()))
        except (ClientError, BotoCoreError) as error:
            raise of_target(place, error) from None


def _is_ours(name: str, load: bool, changes: bool) -> bool:
    """Whether it is a file of the table's; those of changes may lie in folders of dates."""
    inner, _, last = name.rpartition("/")
    if load and not inner and LOAD.fullmatch(last):
        return True
    return changes and bool(re.fullmatch(r"[\d/_-]*", inner)) and bool(CHANGES.fullmatch(last))


def _cause(error: Exception) -> Exception:
    """boto3 tells of a failed upload in a sentence, and keeps why beside it."""
    cause = error.__cause__ or error.__context__
    return cause if isinstance(cause, ClientError | BotoCoreError) else error
