"""A zip file is a stranger's: it is unpacked into its folder, or not at all."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from sagelab.cloud.engine.functions import packages
from sagelab.cloud.engine.functions.packages import BadPackage, Packages
from tests.cloud.engine.data.crowded import crowded, peak


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def keep(packages: Packages, content: bytes) -> str:
    """Keep a zip file that comes in parts of ten bytes."""
    return packages.keep(content[at : at + 10] for at in range(0, len(content), 10))


def of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o755) << 16
    return info


@pytest.fixture
def kept(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "functions")


def test_package_is_unpacked_with_what_may_run(kept: Packages) -> None:
    script = zipfile.ZipInfo("bin/run")
    script.external_attr = 0o100755 << 16
    digest = keep(kept, zipped(("index.py", b"1"), ("a/b/c.txt", b"2"), (script, b"#!"), ("empty/", b"")))
    folder = kept.unpack([digest])
    assert (folder / "index.py").read_bytes() == b"1"
    assert (folder / "a/b/c.txt").read_bytes() == b"2"
    assert (folder / "empty").is_dir()
    assert (folder / "bin/run").stat().st_mode & 0o111
    assert not (folder / "index.py").stat().st_mode & 0o111
    assert kept.unpack([digest]) == folder


def test_of_two_layers_the_later_counts(kept: Packages) -> None:
    first, second = keep(kept, zipped(("x", b"1"), ("y", b"1"))), keep(kept, zipped(("x", b"2")))
    folder = kept.unpack([first, second])
    assert [(folder / name).read_bytes() for name in "xy"] == [b"2", b"1"]
    assert (kept.unpack([second, first]) / "x").read_bytes() == b"1"
    assert kept.size([first, second]) == 3


BAD = {
    "no zip": b"hello",
    "nothing": b"",
    "cut": zipped(("a", b"x" * 1000))[:-30],
    "climbs": zipped(("../a", b"")),
    "climbs inside": zipped(("a/../../b", b"")),
    "absolute": zipped(("/etc/a", b"")),
    "a link": zipped((of_kind("a", stat.S_IFLNK), b"/etc/passwd")),
    "a device": zipped((of_kind("a", stat.S_IFCHR), b"")),
    "too deep": zipped(("a/" * 200 + "b", b"")),
    "file and folder": zipped(("a", b"1"), ("a/b", b"2")),
    "another method": zipped(("a", b"1" * 1000), kind=zipfile.ZIP_LZMA),
    "damaged in another method": zipped(("a", b"1" * 1000), kind=zipfile.ZIP_LZMA).replace(b"\x5d", b"\xff", 1),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_package_leaves_nothing(kept: Packages, case: str, tmp_path: Path) -> None:
    with pytest.raises(BadPackage, match="Could not unzip uploaded file"):
        keep(kept, BAD[case])
    assert [path.name for path in (tmp_path / "functions/unpacked").iterdir()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["functions"]


def test_bomb_is_refused_by_what_it_says(kept: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "LARGEST", 1 << 20)
    with pytest.raises(BadPackage, match="Unzipped size must be smaller"):
        keep(kept, zipped(("a", bytes(2 << 20))))


def test_bomb_is_stopped_where_its_head_lies(kept: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member says that it has a byte, and has two megabytes."""
    monkeypatch.setattr(packages, "LARGEST", 1 << 20)
    content = bytearray(zipped(("a", bytes(2 << 20))))
    central = content.rindex(b"PK\x01\x02")
    for place in (22, central + 24):
        content[place : place + 4] = struct.pack("<I", 1)
    with pytest.raises(BadPackage):
        keep(kept, bytes(content))


def test_too_many_files_are_refused(kept: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST", 3)
    with pytest.raises(BadPackage):
        keep(kept, zipped(*((str(number), b"") for number in range(4))))


def test_what_a_zip_file_says_of_its_members_is_bounded(kept: Packages) -> None:
    with pytest.raises(BadPackage), peak() as most:
        kept.keep(crowded())
    assert most[0] < 64 << 20


def test_what_nobody_needs_goes(kept: Packages, tmp_path: Path) -> None:
    gone, wanted = keep(kept, zipped(("a", b"1"))), keep(kept, zipped(("a", b"2")))
    for digest in (gone, wanted):
        os.utime(tmp_path / "functions/packages" / digest, (1, 1))
    later = Packages(tmp_path / "functions")
    new = keep(later, zipped(("a", b"3")))
    later.sweep({wanted})
    assert [(later.unpack([one]) / "a").read_bytes() for one in (wanted, new)] == [b"2", b"3"]
    with pytest.raises(BadPackage):
        later.unpack([gone])
