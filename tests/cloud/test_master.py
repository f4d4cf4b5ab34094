"""What is wrapped by one key, for one thing, is nothing to any other; and a master key is made once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sagelab.cloud.errors import HomeDamaged
from sagelab.cloud.master import FILE, Master, Unreadable, Wrapping, check


def test_secret_is_unwrapped_by_its_key_for_its_purpose_alone() -> None:
    mine, others = Wrapping(b"m" * 32), Wrapping(b"o" * 32)
    wrapped = mine.wrap(b"secret", b"this")
    assert mine.unwrap(wrapped, b"this") == b"secret"
    assert b"secret" not in wrapped
    assert mine.wrap(b"secret", b"this") != wrapped
    for key, what, purpose in (
        (others, wrapped, b"this"),
        (mine, wrapped, b"that"),
        (mine, wrapped[:-1], b"this"),
        (mine, b"", b"this"),
    ):
        with pytest.raises(Unreadable):
            key.unwrap(what, purpose)


def test_master_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first, second = Master(tmp_path), Master(tmp_path)
    assert second.unwrap(first.wrap(b"x", b""), b"") == b"x"
    assert first.fingerprint == second.fingerprint
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_home_without_its_master_key_is_damaged(tmp_path: Path) -> None:
    check(tmp_path, None)
    fingerprint = Master(tmp_path).fingerprint
    check(tmp_path, fingerprint)
    with pytest.raises(HomeDamaged, match="another one"):
        check(tmp_path, "0" * 32)
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(HomeDamaged, match="is damaged"):
        check(tmp_path, fingerprint)
    (tmp_path / FILE).unlink()
    with pytest.raises(HomeDamaged, match="is missing"):
        check(tmp_path, fingerprint)
