"""The journal of events: nothing lost in order, nothing without a bound."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sagelab.cloud.trail import journal as module
from sagelab.cloud.trail.event import Event
from sagelab.cloud.trail.journal import KEPT, Journal, Search

DAY = 86_400.0


def event(
    number: int = 0, region: str = "us-east-1", time: float = 1_000.0, kind: str = "", fill: int = 0
) -> Event:
    record = {"eventName": "CreateRole", "number": number, "fill": "x" * fill}
    things = (("AWS::IAM::Role", f"role-{number}"),)
    who = ("iam.amazonaws.com", "CreateRole", number % 2 == 1, "me", "AKIA", f"id-{number}")
    return Event(region, time, *who, things, kind, "", record)


def found(journal: Journal, **more: object) -> list[str]:
    search = {"region": "us-east-1", "start": 0.0, "end": 1e12, "limit": 50} | more
    return [row.id for row in journal.search(Search(**search))]  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "trail.db", real=lambda: 1_000.0)
    yield made
    made.close()


def test_events_are_found_the_newest_first_and_survive_an_end(journal: Journal, tmp_path: Path) -> None:
    for number in range(5):
        journal.add(event(number))
    assert found(journal) == ["id-4", "id-3", "id-2", "id-1", "id-0"]
    journal.close()
    again = Journal(tmp_path / "trail.db", real=lambda: 1_000.0)
    again.add(event(5))
    assert found(again)[:2] == ["id-5", "id-4"]
    assert (again.last(), (tmp_path / "trail.db").stat().st_mode & 0o777) == (6, 0o600)
    again.close()


@pytest.mark.parametrize(
    ("attribute", "wanted"),
    [
        (("EventId", "id-2"), ["id-2"]),
        (("EventName", "CreateRole"), ["id-3", "id-2", "id-1"]),
        (("EventName", "createrole"), []),
        (("ReadOnly", "true"), ["id-3", "id-1"]),
        (("ReadOnly", "maybe"), []),
        (("ResourceName", "role-1"), ["id-1"]),
        (("ResourceName", "role-"), []),
        (("ResourceType", "AWS::IAM::Role"), ["id-3", "id-2", "id-1"]),
        (("Username", "' OR 1=1 --"), []),
    ],
)
def test_events_are_found_by_one_attribute(
    journal: Journal, attribute: tuple[str, str], wanted: list[str]
) -> None:
    for number in (1, 2, 3):
        journal.add(event(number))
    assert found(journal, attribute=attribute) == wanted


def test_the_name_of_a_resource_cannot_pass_for_another_one(journal: Journal) -> None:
    sly = ("AWS::IAM::Role", 'a", "ResourceName": "role-1')
    one = event(9)
    journal.add(Event(**{**one.__dict__, "things": (sly,)}))
    assert found(journal, attribute=("ResourceName", "role-1")) == []


def test_a_region_shows_its_own_management_events_in_time(journal: Journal) -> None:
    journal.add(event(1, "us-west-2"))
    journal.add(event(2, kind="AWS::S3::Object"))
    journal.add(event(3, time=5_000.0))
    journal.add(event(4))
    assert found(journal) == ["id-4", "id-3"]
    assert found(journal, end=2_000.0) == ["id-4"]
    assert found(journal, before=4, limit=1) == ["id-3"]
    assert [row.id for row in journal.after(0, journal.last(), 10)] == ["id-1", "id-2", "id-3", "id-4"]


def test_what_is_older_than_aws_keeps_it_goes(tmp_path: Path) -> None:
    now = [0.0]
    journal = Journal(tmp_path / "trail.db", real=lambda: now[0])
    journal.add(event(1, time=0.0))
    journal.flush()
    now[0] = KEPT + DAY
    journal.add(event(2, time=now[0]))
    assert found(journal) == ["id-2"]
    journal.close()


def test_a_full_file_loses_its_oldest(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "trail.db", real=lambda: 1_000.0, room=1 << 20)
    for number in range(400):
        journal.add(event(number, fill=10_000))
        journal.flush()
    journal.close()
    with closing(sqlite3.connect(tmp_path / "trail.db")) as db:
        rows = db.execute("SELECT min(number), max(number) FROM events").fetchone()
    assert rows[1] == 400
    assert rows[0] > 250
    assert (tmp_path / "trail.db").stat().st_size < 2 << 20


def test_who_finds_the_queue_full_waits_and_nothing_is_lost(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE", 4_000)
    monkeypatch.setattr(module, "PAUSE", 0.0)
    seen: list[int] = []

    def many(start: int) -> None:
        for number in range(start, start + 100):
            journal.add(event(number, fill=500))
            seen.append(journal.waiting)

    threads = [threading.Thread(target=many, args=(start,)) for start in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.last() == 800
    assert max(seen) < 4_000 + 800


def test_a_file_that_cannot_be_written_stops_nobody_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "QUEUE", 2_000)
    monkeypatch.setattr(module, "AGAIN", 0.01)
    folder = tmp_path / "later"
    journal = Journal(folder / "trail.db", real=lambda: 1_000.0)
    for number in range(20):
        journal.add(event(number, fill=500))
    journal.flush()
    assert journal.waiting < 3_000
    folder.mkdir()
    journal._changed.acquire()
    journal._changed.wait_for(lambda: not journal._queue.values, 30)
    journal._changed.release()
    kept = journal.last()
    assert 0 < kept < 20
    journal.close()
    assert f"{20 - kept} calls are missing in the trail" in caplog.text


def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "trail.db").write_bytes(b"no database" * 1_000)
    journal = Journal(tmp_path / "trail.db", real=lambda: 1_000.0)
    journal.add(event(1))
    assert found(journal) == ["id-1"]
    journal.close()
    assert (tmp_path / "trail.db.damaged").read_bytes().startswith(b"no database")
    assert "a new one begins" in caplog.text
