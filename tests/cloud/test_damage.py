"""A damaged home: a sentence instead of a start, and not a byte of it changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sagelab.cloud import damage
from sagelab.cloud.errors import HomeDamaged
from sagelab.cloud.home import Home
from tests.conftest import Sagelab

pytestmark = pytest.mark.slow

PAGE = 4096


def broken_stream(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"no database" * 1000)


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "garbage": ("sagelab.db", lambda file: file.write_bytes(os.urandom(8192)), "0 of its rows can be read"),
    "emptied": ("sagelab.db", lambda file: file.write_bytes(b""), "is empty, though it has held something"),
    "gone": ("services.db", lambda file: file.unlink(), "is missing, though this home has had it"),
    "services": ("services.db", lambda file: file.write_text("{}" * 4096), "is damaged (file is not a database)"),
    "a stream": ("streams/firehose-x.db", broken_stream, "move it away: its stream begins anew"),
    "cut key": (
        "credentials.json",
        lambda file: file.write_text('{"access_key_id": "AK'),
        "a new access key is made",
    ),
    "no key": ("credentials.json", lambda file: file.write_text("{}"), "is damaged"),
    "odd key": (
        "credentials.json",
        lambda file: file.write_text('{"access_key_id":1,"secret_access_key":2}'),
        "text",
    ),
    "list": ("sessions.json", lambda file: file.write_text("[]"), "is damaged (it is no object of JSON)"),
    "bytes": ("settings.json", lambda file: file.write_bytes(b"\xff\xfe\x00"), "what you had set"),
    "deep": ("settings.json", lambda file: file.write_text("[" * 100_000), "Delete it"),
}


@pytest.fixture(scope="module")
def sound(sagelab: Sagelab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that a local cloud has run in."""
    folder = tmp_path_factory.mktemp("homes") / "sound"
    for command in (["up", "--detach"], ["down"]):
        assert sagelab(*command, home=folder).returncode == 0
    return folder


@pytest.fixture
def home(sound: Path, tmp_path: Path) -> Home:
    return Home(shutil.copytree(sound, tmp_path / "home"))


def content(home: Home) -> dict[str, bytes]:
    names = (*damage.DATABASES, "credentials.json", "sessions.json", "settings.json")
    return {name: (home.path / name).read_bytes() for name in names if (home.path / name).exists()}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_nothing_is_changed(home: Home, name: str) -> None:
    file, harm, words = DAMAGES[name]
    harm(home.path / file)
    before = content(home)
    with pytest.raises(HomeDamaged) as trouble:
        damage.refuse(home)
    assert file in str(trouble.value)
    assert words in str(trouble.value)
    assert content(home) == before


@pytest.mark.parametrize("name", ["garbage", "cut key"])
def test_start_says_it_in_a_sentence_and_doctor_too(home: Home, sagelab: Sagelab, name: str) -> None:
    file, harm, words = DAMAGES[name]
    harm(home.path / file)
    before = content(home)
    started = sagelab("up", "--detach", home=home.path)
    assert started.returncode != 0
    assert "Traceback" not in started.stdout + started.stderr
    assert words in " ".join((started.stdout + started.stderr).split())
    assert content(home) == before
    said = sagelab("doctor", home=home.path)
    assert file in said.stdout
    assert "Traceback" not in said.stdout + said.stderr


def test_page_in_the_middle_is_found_by_a_look_at_all_of_them(home: Home) -> None:
    file = home.path / "sagelab.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.executemany("INSERT INTO tags VALUES (?, 'key', 'value')", [(f"arn:{n:0100}",) for n in range(2000)])
    whole = bytearray(file.read_bytes())
    middle = whole.index(f"arn:{1000:0100}".encode()) // PAGE * PAGE
    whole[middle : middle + PAGE] = b"\xff" * PAGE
    file.write_bytes(whole)
    assert list(damage.find(home)) == []
    (found,) = damage.find(home, whole=True)
    assert found.file == file
    assert 0 < damage.count_rows(file) < 2000


def test_sound_and_new_homes_have_nothing_damaged(home: Home, tmp_path: Path) -> None:
    assert list(damage.find(home, whole=True)) == []
    assert list(damage.find(Home(tmp_path / "new"), whole=True)) == []


def test_reset_home_begins_anew(home: Home) -> None:
    home.clear()
    assert list(damage.find(home)) == []
