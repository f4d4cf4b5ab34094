"""A folder that is encrypted on disk: nothing of it is plain, and nobody opens it without its key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagelab.cloud.engine.data import encrypted
from sagelab.cloud.errors import InternalServerError

pytestmark = pytest.mark.skipif(
    encrypted.unavailable() is not None, reason=f"no encrypted folders here: {encrypted.unavailable()}"
)
SECRET, KEY = b"what nobody reads in a copy of the folder", b"k" * 44


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() + os.fsencode(file.name) for file in folder.rglob("*") if file.is_file())


def test_what_is_written_is_stored_encrypted_and_stays(tmp_path: Path) -> None:
    stored, seen = tmp_path / "stored", tmp_path / "a folder of Jürgen's \\040"
    opened = encrypted.open_folder(stored, seen, KEY)
    try:
        (seen / "secret-name").write_bytes(SECRET)
        assert encrypted.mounts(tmp_path) == [str(seen)]
        assert SECRET not in content(stored)
        assert b"secret-name" not in content(stored)
        assert KEY not in content(stored)
    finally:
        opened.close()
    assert list(seen.iterdir()) == []
    assert encrypted.mounts(tmp_path) == []
    again = encrypted.open_folder(stored, seen, KEY)
    try:
        assert (seen / "secret-name").read_bytes() == SECRET
    finally:
        again.close()
    with pytest.raises(InternalServerError, match="exit code"):
        encrypted.open_folder(stored, seen, b"o" * 44)


def test_machine_without_the_programs_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = encrypted.unavailable()
    assert said == "gocryptfs and fusermount3 is not installed (apt-get install gocryptfs fuse3)"
    with pytest.raises(InternalServerError, match="apt-get install"):
        encrypted.open_folder(tmp_path / "stored", tmp_path / "seen", KEY)
