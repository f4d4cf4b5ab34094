"""What the files of objects take of the disk is counted as long as it is taken."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sagelab.cloud.gateway.http.cipher import TAG, Cipher
from sagelab.cloud.gateway.http.spool import Content, Disk, Spool
from sagelab.cloud.gateway.moto.persistence.bodies import Bodies, Body, Joined
from sagelab.cloud.gateway.moto.persistence.seals import Protection, Seal


def bare(key: bytes) -> Seal:
    """A key as it is, wrapped by nothing."""
    return Seal(key, Protection())


def opened(bodies: Bodies, body: Body) -> Content:
    assert body.seal is not None
    return bodies.open(body, Cipher(body.seal.wrapped))


def test_deleted_file_counts_until_the_last_reader_has_it(tmp_path: Path) -> None:
    bodies = Bodies(tmp_path / "objects", Disk(10))
    body = bodies.write(b"0123456789", bare)
    first, second = opened(bodies, body), opened(bodies, body)
    bodies.remove([body.name, body.name, "none"])
    with pytest.raises(FileNotFoundError):
        bodies.open(body)
    for reader in (first, second[2:5]):
        with pytest.raises(OSError, match="SAGELAB_DISK_GB"):
            bodies.write(b"x", bare)
        assert b"".join(reader) in (b"0123456789", b"234")
    del first, second, reader
    assert b"".join(opened(bodies, bodies.write(b"x" * 10, bare))) == b"x" * 10


def test_body_on_its_way_becomes_content_by_its_name_or_by_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(30 + 2 * TAG)
    bodies, spool = Bodies(tmp_path / "objects", disk), Spool(tmp_path / "tmp", disk)

    def elsewhere(_from: Path, _to: Path) -> None:
        raise OSError(errno.EXDEV, "another disk")

    for rename in (Path.rename, elsewhere):
        spooled = spool.file(sealed=True)
        spooled.write(b"0123456789")
        spooled.end()
        monkeypatch.setattr(Path, "rename", rename)
        body = bodies.write(spooled.content(), bare)
        spooled.close()
        assert b"".join(opened(bodies, body)) == b"0123456789"
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
        bodies.write(Joined([lambda: [b"abc"], gone], 10), bare)
    assert [one for one in (tmp_path / "objects").rglob("*") if one.is_file()] == []
    disk.reserve(10)
