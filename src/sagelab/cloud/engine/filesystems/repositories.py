"""What a file system of FSx for Lustre has from S3: known from the import on, loaded when a job first needs it.

Lustre loads a file when it is first read. Here all that lies below a channel's directory is loaded before the job
starts, and stays: the next job finds it there.
https://docs.aws.amazon.com/fsx/latest/LustreGuide/fsx-data-repositories.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.filesystems import shares
from sagelab.cloud.engine.filesystems.shares import Shares

MOST = 200_000  # objects of a repository
NEW, CHANGED, DELETED = "NEW", "CHANGED", "DELETED"
ALL = (NEW, CHANGED)  # what an import by hand takes over
FAULTS = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)


class Failed(Exception):
    """S3 does not tell what a repository has; `str()` says why."""


@dataclass(frozen=True)
class Repository:
    """A place in S3 and the folder that it appears as. path: from the file system's root on, "" for the root."""

    location: Location
    path: str = ""

    @property
    def prefix(self) -> str:
        """What every key begins with."""
        key = self.location.key
        return f"{key.rstrip('/')}/" if key else ""

    def name_of(self, key: str) -> str | None:
        """Of an object's file, from the root on. None: a file cannot have such a name."""
        path = PurePosixPath(key[len(self.prefix) :])
        plain = not path.is_absolute() and path.parts and ".." not in path.parts
        if not plain or any(len(part.encode()) > 255 for part in path.parts) or "\0" in key:
            return None
        return str(PurePosixPath(self.path, path))

    def key_of(self, name: str) -> str | None:
        """Of the object that a file goes to. None: the file lies elsewhere."""
        path = PurePosixPath(name)
        if self.path and not path.is_relative_to(self.path):
            return None
        return f"{self.prefix}{path.relative_to(self.path) if self.path else path}"


@dataclass
class Moved:
    """What was moved. size: bytes. failed: file -> why not."""

    count: int = 0
    size: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def take_over(
    stock: Shares, name: str, s3: Any, repository: Repository, events: Iterable[str], below: str = ""
) -> Moved:
    """Bring what is known of a repository up to date: of new, changed or deleted objects. Failed.

    below: of this folder alone, from the file system's root on. No byte of an object is read.
    """
    wanted, moved = frozenset(events), Moved()
    with stock.alone(name):
        catalogue, tree, found = stock.catalogue(name), stock.tree(name), dict[str, dict[str, Any]]()
        for item in _objects(s3, repository.location.bucket, repository.prefix):
            file = repository.name_of(item["Key"])
            if file is None:
                moved.failed[item["Key"][:200]] = "a file cannot have this name"
            elif is_below(file, below):
                found[file] = _entry(repository.location.bucket, item)
        for file, entry in found.items():
            if _is_taken(catalogue.get(file), entry, wanted, tree, file):
                catalogue[file] = entry
                moved.count += 1
        if DELETED in wanted:
            own = {file for file in catalogue if repository.key_of(file) and is_below(file, below)}
            for file in own - found.keys():
                moved.count += 1
                del catalogue[file]
                _delete(tree, file)
        stock.keep(name, catalogue)
    return moved


def _is_taken(known: Any, entry: Any, wanted: frozenset[str], tree: Tree, file: str) -> bool:
    """Whether an object takes the place of what is known under its file's name."""
    if known is None:
        return NEW in wanted and not _is_there(tree, file)  # what a job has written there is newer
    return CHANGED in wanted and known["ETag"] != entry["ETag"]


def _objects(s3: Any, bucket: str, prefix: str) -> Iterable[dict[str, Any]]:
    count = 0
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                count += 1
                if count > MOST:
                    raise Failed(f"s3://{bucket}/{prefix} has more than {MOST:,} objects")
                if not item["Key"].endswith("/"):
                    yield item
    except FAULTS as error:
        raise Failed(f"s3://{bucket}/{prefix}: {error}") from error


def _entry(bucket: str, item: dict[str, Any]) -> dict[str, Any]:
    facts = {"Bucket": bucket, "Key": item["Key"], "ETag": item["ETag"], "Size": item["Size"]}
    return facts | {"Version": None}  # of the file, once it is loaded


def load(
    stock: Shares, name: str, s3: Any, directory: str, go_on: Callable[[], None], capacity: int = 1 << 50
) -> Moved:
    """Load what is known below a folder and not there yet. shares.NoRoom; what `go_on` raises.

    capacity: bytes of the file system.
    """
    moved = Moved()
    with stock.alone(name):
        catalogue, tree = stock.catalogue(name), stock.tree(name)
        waiting = [file for file, entry in catalogue.items() if not entry["Version"] and is_below(file, directory)]
        if not waiting:
            return moved
        used = sum(entry["Size"] for entry in catalogue.values() if entry["Version"])
        try:
            for file in waiting:
                go_on()
                entry = catalogue[file]
                used += entry["Size"]
                if used > capacity:
                    raise shares.NoRoom(f"the file system has a StorageCapacity of {capacity >> 30:,} GiB")
                shares.check_room(tree, entry["Size"])
                _load(s3, tree, file, entry, moved)
        finally:
            stock.keep(name, catalogue)
    return moved


def _load(s3: Any, tree: Tree, file: str, entry: dict[str, Any], moved: Moved) -> None:
    try:
        with s3.get_object(Bucket=entry["Bucket"], Key=entry["Key"])["Body"] as body:
            size = shares.write(tree, file, body)
    except (*FAULTS, trees.Refused, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        moved.failed[file] = str(error)
        return
    entry["Version"] = _version(tree, file)
    moved.count += 1
    moved.size += size


def export(stock: Shares, name: str, s3: Any, repository: Repository, below: str = "") -> Moved:
    """Put the files that are new or changed since they were loaded where the repository is. Failed."""
    moved = Moved()
    with stock.alone(name):
        catalogue, tree = stock.catalogue(name), stock.tree(name)
        try:
            for entry in tree.walk():
                key = repository.key_of(entry.name)
                if entry.is_folder or key is None or not is_below(entry.name, below):
                    continue
                known = catalogue.get(entry.name, {})
                if known.get("Version") and known["Version"] == _version(tree, entry.name):
                    continue
                if not entry.is_file:
                    moved.failed[entry.name] = "only files are exported"
                    continue
                _export(s3, tree, entry.name, Location(repository.location.bucket, key), catalogue, moved)
        except trees.Refused as error:
            raise Failed(f"the file system {error}") from error
        finally:
            stock.keep(name, catalogue)
    return moved


def _export(s3: Any, tree: Tree, file: str, place: Location, catalogue: dict[str, Any], moved: Moved) -> None:
    try:
        with tree.open(file) as body:
            version = _version(tree, file)
            made = s3.put_object(Bucket=place.bucket, Key=place.key, Body=body)
            size = body.tell()
    except (*FAULTS, OSError, UnicodeEncodeError) as error:
        moved.failed[file] = str(error)
        return
    facts = {"Bucket": place.bucket, "Key": place.key, "ETag": made["ETag"], "Size": size, "Version": version}
    catalogue[file] = facts
    moved.count += 1
    moved.size += size


def release(stock: Shares, name: str, below: str = "") -> Moved:
    """Give the room of files back that are in S3 as they are here; they are loaded again when a job needs them."""
    moved = Moved()
    with stock.alone(name):
        catalogue, tree = stock.catalogue(name), stock.tree(name)
        for file, entry in catalogue.items():
            same = entry["Version"] and entry["Version"] == _version(tree, file)
            if same and is_below(file, below):
                _delete(tree, file)
                entry["Version"] = None
                moved.count += 1
                moved.size += entry["Size"]
        stock.keep(name, catalogue)
    return moved


def forget(stock: Shares, name: str, repository: Repository, *, delete: bool) -> None:
    """A repository is linked no more. delete: its files go, too; else those that are not loaded are gone alone."""
    with stock.alone(name):
        catalogue, tree = stock.catalogue(name), stock.tree(name)
        for file in [file for file in catalogue if repository.key_of(file)]:
            del catalogue[file]
            if delete:
                _delete(tree, file)
        stock.keep(name, catalogue)


def is_below(file: str, folder: str) -> bool:
    """Whether a file is one of a folder's, however deep, or it; "": of the root."""
    return not folder or PurePosixPath(file).is_relative_to(folder)


def _version(tree: Tree, file: str) -> list[int] | None:
    """What tells one content of a file from the next; None where there is no such file."""
    try:
        with tree.open(file) as found:
            facts = trees.read_version(shares.facts(found))
    except OSError:
        return None
    return [facts.inode, facts.size, facts.modified]


def _is_there(tree: Tree, file: str) -> bool:
    return _version(tree, file) is not None


def _delete(tree: Tree, file: str) -> None:
    with suppress(OSError):
        shares.delete(tree, file)
