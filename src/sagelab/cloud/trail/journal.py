"""The journal: every event of a home, in one SQLite file that a thread of its own writes.

A call is answered before its event is in the file: a queue takes it, and what waits is written as one batch, four
times a second. So a kill may lose the events of the last quarter of a second; an orderly end loses none. Who finds
the queue full waits for room. Where the file cannot be written for long, events are dropped, and the log says how
many.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from sagelab.cloud.trail.event import Event

KEPT = 90 * 86_400  # seconds, as AWS keeps its history
ROOM = 256 << 20  # bytes that the file may have; the oldest tenth goes when it has more
QUEUE = 16 << 20  # characters of records that may wait
BATCH = 500  # events of a transaction
PATIENCE = 5.0  # seconds that a call waits for room in the queue
PAUSE = 0.25  # seconds that an event waits for others, with which it is written
AGAIN = 1.0  # seconds until a batch that could not be written is tried again
TIDY = 3600.0  # seconds between two looks for what is too old

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, region TEXT NOT NULL, source TEXT NOT NULL,
    name TEXT NOT NULL, read INTEGER NOT NULL, user TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL,
    things TEXT NOT NULL, kind TEXT NOT NULL, arn TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS found ON events (region, kind, number, time, source, name, read, user, key, id, things);
"""
_INSERT = "INSERT INTO events (time, region, source, name, read, user, key, id, things, kind, arn, record) VALUES "
_VALUES = "(?,?,?,?,?,?,?,?,?,?,?,?)"
# Rows of one statement: each statement lets the threads of many requests go first, so there are to be few.
_AT_ONCE = (BATCH, 100, 20, 4, 1)
_COLUMNS = "number, time, region, source, name, read, user, key, id, things, kind, arn, record"
# LookupEvents' attributes that are a column each.
ATTRIBUTES = {
    "EventId": "id",
    "EventName": "name",
    "Username": "user",
    "EventSource": "source",
    "AccessKeyId": "key",
}

logger = logging.getLogger("sagelab")


@dataclass(frozen=True)
class Row:
    """An event that is kept; number: in the order in which events came."""

    number: int
    time: float
    region: str
    source: str
    name: str
    read: bool
    user: str
    key: str
    id: str
    things: str
    kind: str
    arn: str
    record: str

    @property
    def resources(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self.things)
        return found


@dataclass(frozen=True)
class Search:
    """What LookupEvents asks for.

    start, end: epoch seconds, both within. before: the number of an event. attribute: one of AWS's, and its value.
    """

    region: str
    start: float
    end: float
    limit: int
    before: int | None = None
    attribute: tuple[str, str] | None = None


@dataclass
class _Queue:
    """What waits to be written. size: characters of it. taken, written: how many events were, ever."""

    values: list[Sequence[Any]] = field(default_factory=list)
    size: int = 0
    taken: int = 0
    written: int = 0
    hurry: bool = False  # somebody waits for it
    failing: bool = False
    lost: int = 0
    closed: bool = False


class Journal:
    """Safe to call from any thread. The file is opened, and the thread begins, with the first event or question.

    wanted: whether some trail delivers a data event; who keeps the trails sets it.
    """

    def __init__(self, file: Path, real: Callable[[], float] = time.time, room: int = ROOM) -> None:
        self._file, self._real, self._room = file, real, room
        self.wanted: Callable[[Event], bool] | None = None
        self._queue, self._changed = _Queue(), threading.Condition()
        self._reading = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._tidied = -TIDY

    def add(self, event: Event) -> None:
        """Keep an event, by and by."""
        text = event.text()
        things = ", ".join(
            f'{{"ResourceType": {quoted(kind)}, "ResourceName": {quoted(name)}}}' for kind, name in event.things
        )
        # fmt: off
        values = (event.time, event.region, event.source, event.name, event.read, event.user, event.key, event.id,
                  f"[{things}]", event.kind, event.arn, text)
        # fmt: on
        queue = self._queue
        with self._changed:
            if queue.size >= QUEUE and not queue.failing:
                self._changed.wait_for(lambda: queue.size < QUEUE or queue.failing, PATIENCE)
            if queue.closed or queue.size >= QUEUE:
                queue.lost += 1
                return
            queue.values.append(values)
            queue.size += len(text)
            queue.taken += 1
            if self._thread is None:
                self._start()
            if len(queue.values) == 1:
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Characters of the records that wait to be written."""
        return self._queue.size

    def flush(self) -> None:
        """Wait until what was added is written, or cannot be."""
        queue = self._queue
        with self._changed:
            taken, queue.hurry = queue.taken, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: queue.written >= taken or queue.failing, PATIENCE)

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._queue.closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)
        with self._reading:
            if self._db is not None:
                self._db.close()
                self._db = None

    def search(self, search: Search) -> list[Row]:
        """Management events, the newest first."""
        self.flush()
        terms, values = _terms(search)
        inner = f"SELECT number FROM events WHERE {' AND '.join(terms)} ORDER BY number DESC LIMIT ?"
        sql = f"SELECT {_COLUMNS} FROM events WHERE number IN ({inner}) ORDER BY number DESC"
        return self._rows(sql, (*values, search.limit))

    def after(self, number: int, until: int, limit: int) -> list[Row]:
        """Events of every region and kind, from after a number to another one, in their order."""
        sql = f"SELECT {_COLUMNS} FROM events WHERE number>? AND number<=? ORDER BY number LIMIT ?"
        return self._rows(sql, (number, until, limit))

    def last(self) -> int:
        """The number of the last event that has one; 0 where there was none."""
        self.flush()
        with self._reading:
            found = self._open().execute("SELECT seq FROM sqlite_sequence WHERE name='events'").fetchone()
        return int(found[0]) if found else 0

    def _rows(self, sql: str, values: Iterable[Any]) -> list[Row]:
        with self._reading:
            return [Row(*found) for found in self._open().execute(sql, tuple(values)).fetchall()]

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._write, name="trail", daemon=True)
        self._thread.start()

    def _write(self) -> None:
        queue = self._queue
        while True:
            with self._changed:
                self._changed.wait_for(lambda: queue.values or queue.closed)
                if len(queue.values) < BATCH:
                    self._changed.wait_for(lambda: queue.hurry or queue.closed or queue.size >= QUEUE, PAUSE)
                batch = queue.values[:BATCH]
            if not batch:
                break
            written = self._try(batch)
            with self._changed:
                if written or queue.closed:
                    del queue.values[: len(batch)]
                    queue.size -= sum(len(values[-1]) for values in batch)
                    queue.written += len(batch)
                queue.failing = not written
                lost, queue.lost = (queue.lost, 0) if written else (0, queue.lost)
                queue.hurry = queue.hurry and bool(queue.values)
                self._changed.notify_all()
                if not written:
                    self._changed.wait_for(lambda: queue.closed, AGAIN)
            if lost:
                logger.warning("%d calls are missing in the trail: it could not be written", lost)

    def _try(self, batch: list[Sequence[Any]]) -> bool:
        """Write a batch as one transaction; whether it is written."""
        try:
            with self._reading:
                db = self._open()
                with db:
                    _insert(db, batch)
                if self._real() - self._tidied >= TIDY or self._is_large(db):
                    self._tidy(db)
            return True
        except (sqlite3.Error, OSError) as error:
            if not self._queue.failing:
                logger.warning("the trail cannot be written (%s); it is tried again", error)
            return False

    def _open(self) -> sqlite3.Connection:
        """The file; one that is damaged is put aside, as nothing else depends on it."""
        if self._db is None:
            try:
                self._db = self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                aside = self._file.with_name(f"{self._file.name}.damaged")
                logger.warning("%s is damaged (%s): it is %s now, and a new one begins", self._file, error, aside)
                self._file.replace(aside)
                for other in ("-wal", "-shm"):
                    self._file.with_name(self._file.name + other).unlink(missing_ok=True)
                self._db = self._connect()
        return self._db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, check_same_thread=False)
        try:
            self._file.chmod(0o600)
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    def _is_large(self, db: sqlite3.Connection) -> bool:
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return bool((pages - free) * size > self._room)

    def _tidy(self, db: sqlite3.Connection) -> None:
        """Delete what is older than AWS keeps it and, where there is too much, the oldest tenth."""
        self._tidied = self._real()
        with db:
            db.execute("DELETE FROM events WHERE time<?", (self._real() - KEPT,))
            if self._is_large(db):
                first, last = db.execute("SELECT min(number), max(number) FROM events").fetchone()
                db.execute("DELETE FROM events WHERE number<=?", (first + (last - first) // 10,))
        with suppress(sqlite3.Error):
            db.execute("PRAGMA incremental_vacuum").fetchall()


def _insert(db: sqlite3.Connection, batch: list[Sequence[Any]]) -> None:
    at = 0
    for size in _AT_ONCE:
        while len(batch) - at >= size:
            values = [value for row in batch[at : at + size] for value in row]
            db.execute(_INSERT + ",".join([_VALUES] * size), values)
            at += size


def _terms(search: Search) -> tuple[list[str], list[Any]]:
    terms, values = ["region=?", "kind=''", "time>=?", "time<=?"], [search.region, search.start, search.end]
    if search.before is not None:
        terms, values = [*terms, "number<?"], [*values, search.before]
    if search.attribute:
        name, value = search.attribute
        if name in ATTRIBUTES:
            return [*terms, f"{ATTRIBUTES[name]}=?"], [*values, value]
        if name == "ReadOnly":
            return [*terms, "read=?"], [*values, {"true": 1, "false": 0}.get(value.lower(), 2)]
        # The names of JSON's members cannot stand in a value: a quote in one is escaped.
        return [*terms, "instr(things, ?)"], [*values, f'"{name}": {json.dumps(value)}']
    return terms, values
