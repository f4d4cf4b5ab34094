"""What the files of objects take of the disk is counted as long as it is taken."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.cloud.gateway.moto.persistence.bodies import Bodies, Joined


def test_deleted_file_counts_until_the_last_reader_has_it(tmp_path: Path) -> None:
    bodies = Bodies(tmp_path / "objects", Disk(10))
    body = bodies.write(b"0123456789")
    first, second = bodies.open(body), bodies.open(body)
    bodies.remove([body.name, body.name, "none"])
    with pytest.raises(FileNotFoundError):
        bodies.open(body)
    for reader in (first, second[2:5]):
        with pytest.raises(OSError, match="SAGELAB_DISK_GB"):
            bodies.write(b"x")
        assert b"".join(reader) in (b"0123456789", b"234")
    del first, second, reader
    assert b"".join(bodies.open(bodies.write(b"x" * 10))) == b"x" * 10


def test_body_on_its_way_becomes_content_by_its_name_or_by_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(30)
    bodies, spool = Bodies(tmp_path / "objects", disk), Spool(tmp_path / "tmp", disk)

    def elsewhere(_from: Path, _to: Path) -> None:
        raise OSError(errno.EXDEV, "another disk")

    for rename in (Path.rename, elsewhere):
        spooled = spool.file()
        spooled.write(b"0123456789")
        monkeypatch.setattr(Path, "rename", rename)
        body = bodies.write(spooled.content())
        spooled.close()
        assert b"".join(bodies.open(body)) == b"0123456789"
    assert list((tmp_path / "tmp").iterdir()) == []
    disk.reserve(10)
    with pytest.raises(OSError, match="SAGELAB_DISK_GB"):
        disk.reserve(1)


def test_content_that_cannot_be_joined_leaves_nothing(tmp_path: Path) -> None:
    disk = Disk(10)
    bodies = Bodies(tmp_path / "objects", disk)

    def gone() -> list[bytes]:
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        bodies.write(Joined([lambda: [b"abc"], gone], 10))
    assert [one for one in (tmp_path / "objects").rglob("*") if one.is_file()] == []
    disk.reserve(10)
