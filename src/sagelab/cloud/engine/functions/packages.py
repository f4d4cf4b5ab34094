"""The code of functions and layers: zip files, kept by what is in them and unpacked safely, once.

A zip file is a stranger's: it may climb out of its folder, hold links or devices, or swell to a thousand times its
size. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from sagelab.cloud.engine.data import trees, zips
from sagelab.cloud.engine.data.trees import Tree

LARGEST = 262_144_000  # bytes, unpacked; of a function with all of its layers
MOST = 50_000  # files
PART = 1 << 20
UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."
TOO_LARGE = f"Unzipped size must be smaller than {LARGEST} bytes"


class BadPackage(Exception):
    """A zip file that is not to be unpacked; `str()` says why, in AWS's words."""


class Packages:
    """folder: where they are kept. What is unpacked there is of this process, and made again when it is gone."""

    def __init__(self, folder: Path) -> None:
        self._zips, self._unpacked = folder / "packages", folder / "unpacked"
        trees.remove(self._unpacked)
        for each in (self._zips, self._unpacked):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock, self._began = threading.Lock(), time.time()

    def keep(self, content: Iterable[bytes]) -> str:
        """Keep a zip file that can be unpacked; its digest. BadPackage: it cannot. OSError: there is no room.

        content: its parts, which are never all in memory.
        """
        draft, made = self._zips / f"draft.{os.urandom(8).hex()}", hashlib.sha256()
        try:
            with draft.open("wb") as out:
                for part in content:
                    made.update(part)
                    out.write(part)
            with zips.Bounded(io.FileIO(draft)) as opened:
                measure(opened)
            digest = made.hexdigest()
            file = draft.rename(self._zips / digest)
        finally:
            draft.unlink(missing_ok=True)
        try:
            self.unpack([digest])
        except BadPackage:
            file.unlink(missing_ok=True)
            raise
        return digest

    def unpack(self, digests: Iterable[str]) -> Path:
        """A folder with what these hold; of files with one name, the last. BadPackage: there is none."""
        wanted = list(digests)
        name = wanted[0] if len(wanted) == 1 else hashlib.sha256(" ".join(wanted).encode()).hexdigest()
        folder = self._unpacked / name
        with self._lock:
            if not folder.is_dir():
                draft = Path(tempfile.mkdtemp(dir=self._unpacked, prefix="draft-"))
                try:
                    for digest in wanted:
                        self._extract(digest, draft)
                    draft.rename(folder)
                except BaseException:
                    trees.remove(draft)
                    raise
        return folder

    def size(self, digests: Iterable[str]) -> int:
        """Bytes of what these hold, unpacked. BadPackage: one is gone."""
        total = 0
        for digest in digests:
            try:
                with zips.Bounded(io.FileIO(self._zips / digest)) as file:
                    total += measure(file)
            except FileNotFoundError:
                raise BadPackage(UNREADABLE) from None
        return total

    def packed(self, digest: str) -> int:
        """Bytes of a zip file that is kept."""
        return (self._zips / digest).stat().st_size

    def sweep(self, wanted: set[str]) -> None:
        """Delete what an earlier process has left that nobody needs any more."""
        for file in self._zips.iterdir():
            if file.name not in wanted and file.stat().st_mtime < self._began:
                file.unlink()

    def _extract(self, digest: str, folder: Path) -> None:
        try:
            with zips.Bounded(io.FileIO(self._zips / digest)) as file:
                unzip(file, folder)
        except FileNotFoundError:
            raise BadPackage(UNREADABLE) from None


def measure(file: IO[bytes]) -> int:
    """Bytes that a zip file holds. BadPackage: it is none, or one that is not to be unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except zips.BROKEN:
        raise BadPackage(UNREADABLE) from None
    size = sum(member.file_size for member in members)
    if size >= LARGEST or len(members) > MOST:
        raise BadPackage(TOO_LARGE)
    for member in members:
        _check(member)
    return size


def _check(member: zipfile.ZipInfo) -> None:
    path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    climbs = path.is_absolute() or ".." in path.parts or len(path.parts) > trees.DEEPEST
    odd = kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.compress_type not in zips.METHODS
    if climbs or odd or member.flag_bits & 1:
        raise BadPackage(UNREADABLE)


def unzip(file: IO[bytes], folder: Path) -> None:
    """Unpack into a folder that nobody else sees yet. BadPackage: not all of it can be.

    What a member really holds counts, whatever its head says.
    """
    measure(file)
    left, tree = LARGEST, Tree(folder)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                left -= _write(archive, member, tree, left)
    except zips.BROKEN as error:
        raise BadPackage(UNREADABLE) from error


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, tree: Tree, left: int) -> int:
    """Make one member; how many bytes it has."""
    name = str(PurePosixPath(member.filename))
    if name == ".":
        return 0
    if member.is_dir():
        with tree.parent(f"{name}/x"):
            return 0
    written = 0
    with tree.parent(name) as (parent, last):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        mode = 0o755 if member.external_attr >> 16 & 0o111 else 0o644
        with os.fdopen(os.open(last, flags, mode, dir_fd=parent), "wb") as out, archive.open(member) as source:
            while part := source.read(PART):
                written += len(part)
                if written > left:
                    raise BadPackage(TOO_LARGE)
                out.write(part)
    return written
