"""Folders that a host's code can change, read, written and deleted from outside: no link is followed on the way.

A sandbox sees such a folder as a mount, whose root its code can neither rename nor replace. So whoever walks from
the root by descriptors, refuses every link and has no ".." on the way, stays below it, whatever is renamed
meanwhile. It holds in a plain process as well, where code and local cloud see the same paths.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path, PurePosixPath
from typing import IO

DEEPEST = 100  # folders within folders
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe without a writer does not block
PART = 1 << 20
ROOM = 1 << 30  # bytes of this machine's disk that data of jobs leaves to others


class Refused(OSError):
    """What stands there is no file or folder to be touched from outside; `str()` says why, after a name."""


@dataclass(frozen=True)
class Version:
    """What tells one content of a file from the next. modified: ns since the epoch."""

    device: int
    inode: int
    size: int
    modified: int


def read_version(facts: os.stat_result) -> Version:
    return Version(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@dataclass(frozen=True)
class Entry:
    """Something below a tree. name: from the tree on. target: of a link."""

    name: str
    facts: os.stat_result
    target: str | None = None

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.facts.st_mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.facts.st_mode)


@dataclass(frozen=True)
class Tree:
    """A folder below `root`. name: from the root on, without ".."; the root itself if empty."""

    root: Path
    name: str = ""

    @property
    def path(self) -> Path:
        """Where it is, for whoever lays it out before anything has run there."""
        return self.root / self.name

    def scratch(self) -> BufferedRandom:
        """A new file of no name, beside the root, where no host sees it."""
        return tempfile.TemporaryFile(dir=self.root.parent)

    def below(self, name: str) -> Tree:
        return Tree(self.root, f"{self.name}/{name}".strip("/"))

    def walk(self) -> Iterator[Entry]:
        """All that is below, a folder before what it holds, by name; what goes meanwhile is left out.

        Nothing where there is no such folder. Refused: it is a link, or folders are nested too deeply.
        """
        waiting = [""]
        while waiting:
            inner = waiting.pop()
            if inner.count("/") >= DEEPEST:
                raise Refused(f"nests its folders more than {DEEPEST} deep")
            found = sorted(self._list(inner), key=lambda entry: entry.name)
            yield from found
            waiting += [entry.name for entry in reversed(found) if entry.is_folder]

    def _list(self, inner: str) -> list[Entry]:
        found = []
        try:
            with self._folder(inner) as descriptor:
                for name in os.listdir(descriptor):  # noqa: PTH208
                    with suppress(OSError):  # it went, or became something else
                        facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        target = os.readlink(name, dir_fd=descriptor) if stat.S_ISLNK(facts.st_mode) else None
                        found.append(Entry(f"{inner}/{name}".lstrip("/"), facts, target))
        except FileNotFoundError:
            return []
        except Refused:
            if not inner:
                raise
        return found

    def open(self, name: str) -> IO[bytes]:
        """A regular file below. FileNotFoundError: there is none. Refused: it is none, or a link leads to it."""
        path = PurePosixPath(name)
        with self._folder(str(path.parent)) as folder:
            descriptor = _open(path.name, FILE, folder, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused("is no file")
        return os.fdopen(descriptor, "rb")

    def read(self, name: str, limit: int) -> bytes:
        """The first bytes of a file; none where there is no such file, or it may not be read."""
        try:
            with self.open(name) as file:
                return file.read(limit)
        except OSError:
            return b""

    def copy(self, name: str, version: Version, out: IO[bytes]) -> bool:
        """Copy a file; False where it is not this version from beginning to end, or gone."""
        try:
            source = self.open(name)
        except (FileNotFoundError, Refused):
            return False
        with source:
            if read_version(os.fstat(source.fileno())) != version:
                return False
            rest = version.size
            while rest and (part := source.read(min(PART, rest))):
                out.write(part)
                rest -= len(part)
            out.seek(0)
            return read_version(os.fstat(source.fileno())) == version

    def replace(self, name: str, content: bytes) -> None:
        """Write a file for this user alone, in one step; a link in its place is replaced, not followed."""
        with self.parent(name) as (folder, last):
            draft = f".{last}-{os.urandom(8).hex()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.rename(draft, last, src_dir_fd=folder, dst_dir_fd=folder)

    def take_in(self, name: str, source: Path) -> None:
        """Move a folder that no host sees to a name below; what is above it is made."""
        with self.parent(name) as (folder, last):
            os.rename(source, last, dst_dir_fd=folder)

    @contextmanager
    def parent(self, name: str) -> Iterator[tuple[int, str]]:
        """The folder that something below is made in, and its name there; makes what is above it."""
        path = PurePosixPath(name)
        with self._folder(str(path.parent), make=True) as folder:
            yield folder, path.name

    @contextmanager
    def folder(self) -> Iterator[int]:
        """A descriptor of the folder itself. FileNotFoundError: there is none. Refused: a link leads to it."""
        with self._folder("") as descriptor:
            yield descriptor

    @contextmanager
    def _folder(self, inner: str, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below. make: it, and what is above it, where it is not there."""
        parts = [*PurePosixPath(self.name).parts, *PurePosixPath(inner).parts]
        if ".." in parts or "/" in parts:
            raise Refused(f"{inner} leads out of its folder")
        descriptor = os.open(self.root, FOLDER)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=descriptor)
                found = _open(part, FOLDER, descriptor, 0o700)
                os.close(descriptor)
                descriptor = found
            yield descriptor
        finally:
            os.close(descriptor)


def _open(name: str, flags: int, folder: int, mode: int) -> int:
    """Open what is of the user's own even where its mode forbids it. Refused: it is a link or something else."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except PermissionError:
        _permit(name, folder, mode)
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused(f"is a link, not a {'folder' if flags & os.O_DIRECTORY else 'file'}") from error
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise Refused("is no file") from error
        raise


def _permit(name: str, folder: int, mode: int) -> None:
    """Give the user rights to what is theirs. The descriptor is of the thing itself, a link too."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            Path(f"/proc/self/fd/{descriptor}").chmod(mode)
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Delete a folder and all that a host's code left in it: however deep, closed or strange."""
    with suppress(OSError):
        _remove(str(folder))


def discard(root: Path, names: tuple[str, ...]) -> None:
    """Delete what stands at names in a root, whatever a host's code has put there; the root is the user's again.

    What cannot be deleted stays, and whoever makes something of that name says so.
    """
    above = os.open(root.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _permit(root.name, above, 0o700)
        top = os.open(root.name, FOLDER, dir_fd=above)
    finally:
        os.close(above)
    try:
        for name in names:
            with suppress(OSError):
                for moved in _take_out(name, top, top):
                    _remove(moved, top)
    finally:
        os.close(top)


def _remove(name: str, top: int | None = None) -> None:
    """Delete a folder. top: the open one that it is in; None: its name is a whole path."""
    below = os.open(name, FOLDER, dir_fd=top)
    try:
        _empty(below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=top)


def left(folder: str | Path) -> int:
    """Bytes that this user may still write to the disk of a folder."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def measure(folder: Path) -> int:
    """Bytes on disk of the files below, as deep as `walk` goes; nothing is changed to read what is closed."""
    try:
        top = os.open(folder, FOLDER)
    except OSError:
        return 0
    return _measure(top, 0)


def _measure(folder: int, depth: int) -> int:
    """The descriptor is closed."""
    total = 0
    try:
        for name in os.listdir(folder):
            with suppress(OSError):  # a running job's folder changes under our eyes
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISDIR(facts.st_mode):
                    total += facts.st_blocks * 512
                elif depth < DEEPEST:
                    total += _measure(os.open(name, FOLDER, dir_fd=folder), depth + 1)
    finally:
        os.close(folder)
    return total


def _empty(top: int) -> None:
    """Every folder is moved up to the top before it is emptied, so that no depth is too much."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        with suppress(OSError):
            descriptor = _open(inner, FOLDER, top, 0o700) if inner else os.dup(top)
            try:
                for name in os.listdir(descriptor):  # noqa: PTH208
                    with suppress(OSError):
                        waiting += _take_out(name, descriptor, top)
            finally:
                os.close(descriptor)
    for name in os.listdir(top):
        with suppress(OSError):
            os.rmdir(name, dir_fd=top)


def _take_out(name: str, folder: int, top: int) -> list[str]:
    """Delete a file; move a folder to the top: its new name there."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=folder)
        return []
    _permit(name, folder, 0o700)
    moved = f".removed-{os.urandom(8).hex()}"
    os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    return [moved]
