"""One data stream: its shards and their records, in an SQLite file of its own.

A record is in it before its request is answered. Its number is one of the whole stream and grows; the sequence
number that AWS's clients see is made of it and of the shard.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sagelab.cloud.engine.streams.file import StreamFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS shards (
    number INTEGER PRIMARY KEY, low TEXT NOT NULL, high TEXT NOT NULL, parent INTEGER, adjacent INTEGER,
    began INTEGER NOT NULL, ended INTEGER, closed REAL
);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, arrived REAL NOT NULL, key TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS of_shard ON records (shard, number);
"""
TOP = (1 << 128) - 1
_FIRST, _SHARDS = 49 * 10**54, 10**6  # of sequence numbers; shards that a stream may ever have


class BadRange(ValueError):
    """Shards that cannot be split or merged so; `str()` says why."""


@dataclass(frozen=True)
class Shard:
    """low, high: of its hash keys, both within. began, ended: numbers of records; ended: None while it is open."""

    number: int
    low: int
    high: int
    parent: int | None = None
    adjacent: int | None = None
    began: int = 0
    ended: int | None = None
    closed: float | None = None

    @property
    def id(self) -> str:
        return f"shardId-{self.number:012d}"


@dataclass(frozen=True)
class Entry:
    """A record. arrived: epoch seconds."""

    number: int
    shard: int
    arrived: float
    key: str
    data: bytes

    @property
    def sequence(self) -> str:
        return sequence(self.number, self.shard)


def sequence(number: int, shard: int) -> str:
    return str(_FIRST + number * _SHARDS + shard)


def place(text: str) -> tuple[int, int]:
    """(number, shard) of a sequence number. ValueError: it is none of this local cloud's."""
    number, shard = divmod(int(text) - _FIRST, _SHARDS)
    if not 0 <= number < 1 << 62:
        raise ValueError(text)
    return number, shard


def hash_of(key: str) -> int:
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")


class Log(StreamFile):
    """Safe to call from any thread. sqlite3.OperationalError: the file cannot be written."""

    def __init__(self, file: Path, shards: int = 0) -> None:
        """shards: of a new one."""
        super().__init__(file, SCHEMA)
        self.grown = threading.Condition()
        self._read()
        if not self.shards and shards:
            with self._lock:
                self._change(partial(_add_all, shards=even(shards)))
                self._read()

    def _read(self) -> None:
        rows = self._db.execute("SELECT number, low, high, parent, adjacent, began, ended, closed FROM shards")
        found = [Shard(row[0], int(row[1]), int(row[2]), *row[3:]) for row in rows]
        self.shards = {one.number: one for one in sorted(found, key=lambda one: one.number)}
        self._open = sorted((one for one in found if one.ended is None), key=lambda one: one.low)
        self._lows = [one.low for one in self._open]

    @property
    def open(self) -> list[Shard]:
        """The shards that take records, in order of their hash keys."""
        return list(self._open)

    def shard_of(self, hash_key: int) -> Shard:
        """The open one that takes a hash key."""
        return self._open[bisect_right(self._lows, hash_key) - 1]

    def add(self, arrived: float, records: Sequence[tuple[int, str, bytes]]) -> list[Entry]:
        """Keep records: (hash key, partition key, data)."""
        with self._lock:
            shards = [self.shard_of(hash_key).number for hash_key, _, _ in records]

            def act(db: sqlite3.Connection) -> int:
                sql = "INSERT INTO records (shard, arrived, key, data) VALUES (?,?,?,?)"
                rows = zip(shards, records, strict=True)
                db.executemany(sql, ((shard, arrived, key, data) for shard, (_, key, data) in rows))
                return _last(db)

            first = self._change(act) - len(records) + 1
        with self.grown:
            self.grown.notify_all()
        numbered = enumerate(zip(shards, records, strict=True), first)
        return [Entry(number, shard, arrived, key, data) for number, (shard, (_, key, data)) in numbered]

    def read(self, shard: int, after: int, count: int, size: int) -> list[Entry]:
        """Records of a shard after a number; so many at most, and bytes but for the first."""
        found: list[Entry] = []
        sql = "SELECT number, shard, arrived, key, data FROM records WHERE shard=? AND number>? ORDER BY number"
        with self._lock:
            for row in self._db.execute(f"{sql} LIMIT ?", (shard, after, count)):
                size -= len(row[4])
                if found and size < 0:
                    break
                found.append(Entry(*row))
        return found

    def last(self) -> int:
        """The number of the newest record there ever was."""
        with self._lock:
            return _last(self._db)

    def newest(self, shard: int) -> float | None:
        """When the newest record of a shard came."""
        sql = "SELECT arrived FROM records WHERE shard=? ORDER BY number DESC LIMIT 1"
        with self._lock:
            row = self._db.execute(sql, (shard,)).fetchone()
        return row[0] if row else None

    def before(self, shard: int, time: float) -> int:
        """The number after which the records of a shard are those that came at a time or later."""
        sql = "SELECT number FROM records WHERE shard=? AND arrived>=? ORDER BY number LIMIT 1"
        with self._lock:
            row = self._db.execute(sql, (shard, time)).fetchone()
            return row[0] - 1 if row else _last(self._db)

    def trim(self, before: float) -> None:
        """Forget what came before a time, and shards that are closed for as long."""

        def act(db: sqlite3.Connection) -> None:
            oldest = "SELECT coalesce(min(number), 1 << 62) FROM records WHERE arrived>=?"
            db.execute(f"DELETE FROM records WHERE number < ({oldest})", (before,))
            db.execute("DELETE FROM shards WHERE closed<?", (before,))

        with self._lock:
            row = self._db.execute("SELECT arrived FROM records ORDER BY number LIMIT 1").fetchone()
            ended = any(one.closed is not None and one.closed < before for one in self.shards.values())
            if (row and row[0] < before) or ended:
                self._change(act)
                self._read()

    def split(self, number: int, start: int, now: float) -> None:
        """BadRange: the second half cannot start there."""
        with self._lock:
            one = self._opened(number)
            if not one.low < start <= one.high:
                raise BadRange(f"NewStartingHashKey {start} used in SplitShard() on shard {one.id}")
            halves = ((one.low, start - 1), (start, one.high))
            self._change(lambda db: self._succeed(db, (one,), halves, now))
            self._read()

    def merge(self, number: int, other: int, now: float) -> None:
        """BadRange: they are not neighbours."""
        with self._lock:
            one, two = sorted((self._opened(number), self._opened(other)), key=lambda each: each.low)
            if one.high + 1 != two.low:
                raise BadRange(f"Shards {one.id} and {two.id}")
            self._change(lambda db: self._succeed(db, (one, two), ((one.low, two.high),), now))
            self._read()

    def _opened(self, number: int) -> Shard:
        """KeyError: there is none such that is open."""
        found = self.shards[number]
        if found.ended is not None:
            raise KeyError(number)
        return found

    def _succeed(
        self, db: sqlite3.Connection, parents: Sequence[Shard], ranges: Sequence[tuple[int, int]], now: float
    ) -> None:
        last, next_ = _last(db), _next(db)
        for one in parents:
            db.execute("UPDATE shards SET ended=?, closed=? WHERE number=?", (last, now, one.number))
        adjacent = parents[1].number if len(parents) > 1 else None
        for at, (low, high) in enumerate(ranges):
            _add(db, Shard(next_ + at, low, high, parents[0].number, adjacent, last))


def even(count: int) -> list[Shard]:
    """New shards that share all hash keys."""
    bounds = [(TOP + 1) * at // count for at in range(count + 1)]
    return [Shard(at, bounds[at], bounds[at + 1] - 1) for at in range(count)]


def _add(db: sqlite3.Connection, one: Shard) -> None:
    row = (one.number, str(one.low), str(one.high), one.parent, one.adjacent, one.began, one.ended, one.closed)
    db.execute("INSERT INTO shards VALUES (?,?,?,?,?,?,?,?)", row)


def _add_all(db: sqlite3.Connection, shards: Sequence[Shard]) -> None:
    for one in shards:
        _add(db, one)


def _last(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='records'").fetchone()
    return int(row[0]) if row else 0


def _next(db: sqlite3.Connection) -> int:
    (most,) = db.execute("SELECT max(number) FROM shards").fetchone()
    return int(most) + 1
