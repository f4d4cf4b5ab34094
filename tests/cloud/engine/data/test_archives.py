"""Archives that mean harm: refused in words, nothing written outside, and nothing that costs more than a look."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sagelab.cloud.engine.data import archives
from sagelab.cloud.engine.data.archives import BadArchive
from sagelab.cloud.engine.data.trees import Tree


def write(file: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(file, "w:gz") as out:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            out.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, 0o7777
    return found


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


HOSTILE: dict[str, list[tarfile.TarInfo]] = {
    "climbs": [member("../outside")],
    "climbs below": [member("a/../../outside")],
    "absolute": [member("/tmp/outside")],
    "link out": [member("link", tarfile.SYMTYPE, "../..")],
    "link to a file": [member("link", tarfile.SYMTYPE, "/etc/passwd")],
    "hard link out": [member("link", tarfile.LNKTYPE, "../outside")],
    "hard link to a file": [member("link", tarfile.LNKTYPE, "/etc/passwd")],
    "link, then through it": [member("a", tarfile.SYMTYPE, ".."), member("a/outside")],
    "chain of links": [
        member("a", tarfile.SYMTYPE, "."),
        member("b", tarfile.SYMTYPE, "a/../.."),
        member("b/outside"),
    ],
    "link below a link": [
        member("d/", tarfile.DIRTYPE),
        member("d/up", tarfile.SYMTYPE, ".."),
        member("far", tarfile.SYMTYPE, "d/up/.."),
        member("far/outside"),
    ],
    "device": [member("disk", tarfile.BLKTYPE)],
    "terminal": [member("tty", tarfile.CHRTYPE)],
    "pipe": [member("pipe", tarfile.FIFOTYPE)],
    "unknown type": [member("x", b"Z")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_and_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    archive = write(tmp_path / "archive.tar.gz", *HOSTILE[name])
    with pytest.raises(BadArchive):
        archives.unpack(archive, folder)
    assert everything(tmp_path) - {"archive.tar.gz", "in", "in/folder"} <= {
        f"in/folder/{path}" for path in everything(folder)
    }


def test_no_member_brings_a_privilege(tmp_path: Path) -> None:
    archives.unpack(write(tmp_path / "a.tar.gz", member("program")), tmp_path / "out")
    assert (tmp_path / "out" / "program").stat().st_mode & 0o7000 == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: file.write_bytes(b""), "not a readable tar.gz"),
        (lambda file: file.write_bytes(b"PK\x03\x04 a zip"), "not a readable tar.gz"),
        (lambda file: file.write_bytes(gzip.compress(b"no tar at all" * 100)), "not a readable tar.gz"),
        (lambda file: file.write_bytes(write(file, member("a")).read_bytes()[:40]), "not a readable tar.gz"),
    ],
    ids=["empty", "zip", "gzip", "cut"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "a.tar.gz")
    with pytest.raises(BadArchive, match=words):
        archives.unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_bomb_is_refused_by_what_it_would_be(tmp_path: Path) -> None:
    """A member of 40 GB in a few kilobytes: its header alone says so, and nothing of it is written."""
    head = member("zeros")
    head.size = 40 << 30
    with gzip.open(tmp_path / "a.tar.gz", "wb") as out:
        out.write(head.tobuf() + b"\0" * 1_000_000)
    with pytest.raises(BadArchive):
        archives.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists() or everything(tmp_path / "out") == set()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    head = member("header", kind)
    head.size = 8 << 20
    with gzip.open(tmp_path / "a.tar.gz", "wb") as out:
        out.write(head.tobuf(tarfile.GNU_FORMAT) + b"\0" * (9 << 20))
    with pytest.raises(BadArchive, match="header of"):
        archives.unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_more_members_than_any_model_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 100)
    archive = write(tmp_path / "a.tar.gz", *(member(f"f{n}", tarfile.DIRTYPE) for n in range(101)))
    with pytest.raises(BadArchive, match="more than 100 files"):
        archives.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_of_a_job_are_not_followed_into_its_model(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    model = tmp_path / "model"
    model.mkdir()
    (model / "link").symlink_to(tmp_path / "secret")
    (model / "folder").symlink_to(tmp_path)
    with (tmp_path / "model.tar.gz").open("w+b") as out:
        archives.pack([Tree(tmp_path, "model")], out)
    with tarfile.open(tmp_path / "model.tar.gz") as found:
        assert {one.name: one.issym() for one in found} == {"link": True, "folder": True}


def test_what_holds_too_much_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    for name in "abc":
        (tmp_path / "model" / name).write_bytes(b"x" * 10_000)
    for name, value in (("MAX_MEMBERS", 2), ("MAX_BYTES", 20_000)):
        with monkeypatch.context() as patch, (tmp_path / name).open("w+b") as out:
            patch.setattr(archives, name, value)
            with pytest.raises(BadArchive, match="holds more than"):
                archives.pack([Tree(tmp_path, "model")], out)
