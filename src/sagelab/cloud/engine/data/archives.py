"""tar.gz in and out, as SageMaker moves code and models: an archive is a stranger's, so is a job's folder."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

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


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar.gz (or .tar) into `folder`. BadArchive: it is corrupt, too large, or climbs out of it.

    Nothing is written before every member was looked at.
    """
    try:
        with tarfile.open(archive, "r:*", tarinfo=_Member) as source:
            for member in _checked(source, folder):
                source.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
        raise BadArchive(f"it is not a readable tar.gz file ({error})") from error


class _Member(tarfile.TarInfo):
    """A member whose headers are small: tarfile reads a long name or an extended header as a whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _IN_MEMORY and self.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found


def _checked(source: tarfile.TarFile, folder: Path) -> list[tarfile.TarInfo]:
    members, size = [], 0
    for member in source:
        size += member.size
        members.append(member)
        if len(members) > MAX_MEMBERS or size > MAX_BYTES:
            raise BadArchive(f"it holds more than {MAX_MEMBERS} files or {MAX_BYTES >> 30} GB")
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


def pack(folders: list[Path], archive: Path) -> None:
    """Write what `folders` hold, merged, as one .tar.gz; of two files with one name, the first counts.

    Links are kept as links and never followed.
    """
    with tarfile.open(archive, "w:gz", compresslevel=1) as out:
        seen: set[str] = set()
        for folder in folders:
            for file in walk(folder):
                name = str(file.relative_to(folder))
                if name not in seen:
                    seen.add(name)
                    out.add(file, name, recursive=False, filter=_without_owner)


def walk(folder: Path) -> Iterator[Path]:
    """Every file, folder and link below `folder`, sorted, no link followed; nothing if it is itself a link."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() or entry.is_file() or entry.is_dir():
            yield entry
        yield from walk(entry)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
