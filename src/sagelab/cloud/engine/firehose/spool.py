"""What a delivery stream has taken and not delivered yet, in one SQLite file of its own.

A record is in it before its request is answered. What is to be delivered becomes parcels: objects with their names
and their content. Records go and parcels come in one transaction, so a kill leaves each record in one of them, and
a parcel that was put just before a kill is put again under the same name: nothing is lost and nothing is twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.streams.file import StreamFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, arrived REAL NOT NULL, facts TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS parcels (
    number INTEGER PRIMARY KEY AUTOINCREMENT, facts TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS sources (shard TEXT PRIMARY KEY, place TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Record:
    """arrived: epoch seconds. facts: of a record that was read from a stream, its place there."""

    number: int
    arrived: float
    data: bytes
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Parcel:
    """An object on its way to S3. facts: its key, and what is measured of it."""

    facts: dict[str, Any]
    body: bytes
    number: int = 0


@dataclass
class Held:
    """What waits. oldest: epoch seconds at which the first of it came."""

    count: int = 0
    size: int = 0
    oldest: float = 0.0
    parcels: int = 0
    parcel_bytes: int = 0


class Spool(StreamFile):
    """Safe to call from any thread. sqlite3.OperationalError: the file cannot be written."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, SCHEMA)
        self.held = self._count()

    def add(
        self,
        arrived: float,
        records: Sequence[tuple[bytes, dict[str, Any]]],
        places: Iterable[tuple[str, str]] = (),
    ) -> list[int]:
        """Keep records, and how far their source is read; their numbers."""

        def act(db: sqlite3.Connection) -> list[int]:
            sql = "INSERT INTO records (arrived, facts, data) VALUES (?,?,?)"
            rows = ((arrived, json.dumps(facts) if facts else "", data) for data, facts in records)
            db.executemany(sql, rows)
            db.executemany("INSERT OR REPLACE INTO sources VALUES (?,?)", places)
            (last,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name='records'").fetchone() or (0,)
            return list(range(last - len(records) + 1, last + 1))

        with self._lock:
            numbers = self._change(act)
            held = self.held
            if records and not held.count:
                held.oldest = arrived
            held.count += len(records)
            held.size += sum(len(data) for data, _ in records)
        return numbers

    def places(self) -> dict[str, str]:
        """How far each shard of the source is read."""
        with self._lock:
            return dict(self._db.execute("SELECT shard, place FROM sources").fetchall())

    def take(self, size: int) -> list[Record]:
        """The oldest records, so many bytes of them and one more; they stay."""
        found: list[Record] = []
        with self._lock:
            sql = "SELECT number, arrived, data, facts FROM records ORDER BY number"
            for number, arrived, data, facts in self._db.execute(sql):
                found.append(Record(number, arrived, data, json.loads(facts) if facts else {}))
                size -= len(data)
                if size <= 0:
                    break
        return found

    def settle(self, last: int, parcels: Iterable[Parcel]) -> None:
        """Records up to a number have become parcels."""
        made = [(json.dumps(one.facts), one.body) for one in parcels]

        def act(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO parcels (facts, body) VALUES (?,?)", made)
            db.execute("DELETE FROM records WHERE number<=?", (last,))

        with self._lock:
            self._change(act)
            self.held = self._count()

    def parcel(self, after: int = 0) -> Parcel | None:
        """The oldest one after another."""
        with self._lock:
            sql = "SELECT facts, body, number FROM parcels WHERE number>? ORDER BY number LIMIT 1"
            row = self._db.execute(sql, (after,)).fetchone()
        return Parcel(json.loads(row[0]), row[1], row[2]) if row else None

    def swap(self, parcel: Parcel, others: Iterable[Parcel] = ()) -> None:
        """A parcel is in S3, or others are to go there in its place."""
        made = [(json.dumps(one.facts), one.body) for one in others]

        def act(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO parcels (facts, body) VALUES (?,?)", made)
            db.execute("DELETE FROM parcels WHERE number=?", (parcel.number,))

        with self._lock:
            self._change(act)
            self.held = self._count()

    def _count(self) -> Held:
        records = "SELECT count(*), coalesce(sum(length(data)), 0), coalesce(min(arrived), 0) FROM records"
        count, size, oldest = self._db.execute(records).fetchone()
        parcels = "SELECT count(*), coalesce(sum(length(body)), 0) FROM parcels"
        return Held(count, size, oldest, *self._db.execute(parcels).fetchone())
