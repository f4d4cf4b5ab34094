"""tar.gz in and out, as SageMaker moves code and models: an archive is a stranger's, so is a job's folder."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from sagelab.cloud.engine.data import deflate
from sagelab.cloud.engine.data.trees import Entry, Refused, Tree

MAX_MEMBERS = 200_000
MAX_BYTES = 20 * 1024**3
MAX_HEADER = 1 << 20
_IN_MEMORY = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class BadArchive(Exception):
    """An archive that is not to be unpacked; `str()` says what is wrong with it."""


def unpack(archive: Path, folder: Path, largest: int = MAX_BYTES) -> None:
    """Unpack a .tar.gz (or .tar) into `folder`. BadArchive: it is corrupt, too large, or climbs out of it.

    largest: bytes of all that is in it.
    Nothing is written before every member was looked at, and nothing through a link that the archive brought.
    """
    tree = Tree(folder)
    try:
        with _open(archive) as source:
            members = _checked(source, folder, largest)
            folder.mkdir(parents=True, exist_ok=True)
            for member in members:
                _extract(source, member, tree)
    except Refused as error:
        raise BadArchive(f"a member of it would be written through what {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, RecursionError, ValueError, LookupError, OSError) as error:
        raise BadArchive(f"it is not a readable tar.gz file ({error})") from error


def _open(archive: Path) -> tarfile.TarFile:
    with archive.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return tarfile.open(archive, "r:gz" if packed else "r:", tarinfo=_Member)


def _extract(source: tarfile.TarFile, member: tarfile.TarInfo, tree: Tree) -> None:
    """Make a member by descriptors, so that what it is called never leads through a link."""
    name = str(PurePosixPath(member.name))
    if name == ".":
        return
    with tree.parent(name) as (folder, last):
        if member.isdir():
            with suppress(FileExistsError):
                os.mkdir(last, dir_fd=folder)
            return
        with suppress(FileNotFoundError):
            os.unlink(last, dir_fd=folder)  # of two members with one name the last counts
        if member.issym():
            os.symlink(member.linkname, last, dir_fd=folder)
        elif member.islnk():
            _link(tree, str(PurePosixPath(member.linkname)), folder, last)
        else:
            _write(source, member, folder, last)


def _link(tree: Tree, target: str, folder: int, name: str) -> None:
    """A hard link to a file that was made before; never to what a link leads to."""
    with tree.parent(target) as (there, last):
        if stat.S_ISLNK(os.stat(last, dir_fd=there, follow_symlinks=False).st_mode):
            raise Refused("is a link, not a file")
        os.link(last, name, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)


def _write(source: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str) -> None:
    mode = (member.mode & 0o755) | 0o600
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=folder)
    content = source.extractfile(member)
    with os.fdopen(descriptor, "wb") as out:
        if content is not None:
            shutil.copyfileobj(content, out, 1 << 20)
        os.utime(out.fileno(), (member.mtime, member.mtime))


class _Member(tarfile.TarInfo):
    """A member whose headers are small: tarfile reads a long name or an extended header as a whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _IN_MEMORY and self.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("a negative size")
        found: int = super()._block(count)  # type: ignore[misc]
        return found


def _checked(source: tarfile.TarFile, folder: Path, largest: int) -> list[tarfile.TarInfo]:
    members, size = [], 0
    for member in source:
        size += member.size
        members.append(member)
        if len(members) > MAX_MEMBERS or size > largest:
            raise BadArchive(f"it holds more than {MAX_MEMBERS} files or {largest >> 20:,} MB")
        _check_member(member, folder)
    return members


def _check_member(member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise BadArchive(f"its member {member.name!r} would be written outside its folder")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise BadArchive(f"its member {member.name!r} is a device, not a file")
    if member.issym() or member.islnk():
        start = folder if member.islnk() else folder / path.parent
        target = os.path.normpath(start / member.linkname)
        if not Path(target).is_relative_to(os.path.normpath(folder)):
            raise BadArchive(f"its link {member.name!r} leads outside its folder, to {member.linkname!r}")


def pack(trees: list[Tree], out: IO[bytes]) -> None:
    """Write what `trees` hold, merged, as one .tar.gz; of two files with one name, the first counts.

    Links are kept as links and never followed. `out` is at its beginning then. Refused: a tree is none.
    BadArchive: they hold too much.
    """
    packed = deflate.Writer(out)
    with tarfile.open(fileobj=packed, mode="w", copybufsize=deflate.BLOCK) as archive:  # type: ignore[call-overload]
        seen: set[str] = set()
        for tree in trees:
            same: dict[tuple[int, int], str] = {}
            for entry in tree.walk():
                if entry.name not in seen:
                    seen.add(entry.name)
                    _add(archive, tree, entry, same)
                if archive.offset > MAX_BYTES or len(seen) > MAX_MEMBERS:
                    raise BadArchive(f"holds more than {MAX_MEMBERS} files or {MAX_BYTES >> 30} GB")
    packed.close()
    out.seek(0)


def _add(archive: tarfile.TarFile, tree: Tree, entry: Entry, same: dict[tuple[int, int], str]) -> None:
    """same: the names that files with several have in the archive."""
    member = tarfile.TarInfo(entry.name)
    member.mode, member.mtime = stat.S_IMODE(entry.facts.st_mode), entry.facts.st_mtime
    if entry.is_file:
        first = same.setdefault((entry.facts.st_dev, entry.facts.st_ino), entry.name)
        if first == entry.name:
            with tree.open(entry.name) as content:
                member.size = os.fstat(content.fileno()).st_size
                archive.addfile(member, content)
            return
        member.type, member.linkname = tarfile.LNKTYPE, first
    elif entry.is_folder:
        member.type = tarfile.DIRTYPE
    elif entry.target is not None:
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
    else:
        return  # a pipe, a socket
    archive.addfile(member)
