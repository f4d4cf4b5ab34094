"""The store: every SageMaker resource and its tags, in one SQLite file that survives a kill.

A resource is a document (a dict as the API describes it, times as aware datetimes) under its ARN, with the
few facts lists filter and sort by in columns of their own. The indexes hold all of those columns: a page is found
without a look at any document but its own, and costs the same with ten resources and with ten thousand.
"""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

Document = dict[str, Any]
T = TypeVar("T")

PAUSE = 1.0  # seconds until a change that could not be written is tried again

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    arn TEXT PRIMARY KEY, kind TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL, created REAL NOT NULL, modified REAL NOT NULL, document TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_name ON resources (kind, region, name, status, created, modified);
CREATE INDEX IF NOT EXISTS by_created ON resources (kind, region, created, name, status, modified);
CREATE INDEX IF NOT EXISTS by_modified ON resources (kind, region, modified, name, status, created);
CREATE INDEX IF NOT EXISTS by_status ON resources (kind, region, status, name, created, modified);
CREATE TABLE IF NOT EXISTS tags (
    arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (number INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT NOT NULL);
"""

COLUMNS = {"Name": "name", "CreationTime": "created", "LastModifiedTime": "modified", "Status": "status"}


log = logging.getLogger("sagelab")


class Exists(Exception):
    """A resource with this ARN is there already."""


class Missing(Exception):
    """No resource has this ARN."""


@dataclass(frozen=True)
class Resource:
    """A resource as it enters the store. kind: as in its ARN ("training-job")."""

    arn: str
    kind: str
    region: str
    name: str
    status: str
    document: Document


@dataclass(frozen=True)
class Change:
    """What listeners are told of a resource that changed. status: None where it is gone."""

    arn: str
    kind: str
    name: str
    status: str | None


@dataclass(frozen=True)
class Transition:
    """A resource before and after a change: None before it was added, and once it is gone."""

    arn: str
    kind: str
    region: str
    before: Document | None
    after: Document | None
    tags: dict[str, str]


# What is to be told elsewhere of a transition: texts that are kept until they have been.
Noter = Callable[[Transition], list[str]]


@dataclass(frozen=True)
class Query:
    """What a List asks for; every field is a filter but the last four.

    after and before: column ("created", "modified") -> aware datetime, both exclusive.
    sort: a key of COLUMNS. start: (sort value, name) of the last resource of the page before.
    """

    kind: str
    region: str
    name_contains: str | None = None
    name_prefix: str | None = None
    status: str | None = None
    after: dict[str, datetime] = field(default_factory=dict)
    before: dict[str, datetime] = field(default_factory=dict)
    sort: str = "CreationTime"
    descending: bool = True
    limit: int = 100
    start: tuple[Any, str] | None = None


class Store:
    """One SQLite file. Safe to call from any thread; every change is one transaction.

    A change that cannot be written (a full disk, no descriptors, a read-only file system) is tried again until it
    can be: what happens in the engine has happened, and must be known. Within `refusing` it is refused.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._closed, self._thread = threading.Event(), threading.local()
        self._listeners: list[Callable[[Change], None]] = []
        self._noter: tuple[frozenset[str], Noter] = (frozenset(), lambda _: [])
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        file.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._db.close()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """For the block, in this thread, what cannot be written raises sqlite3.OperationalError at once."""
        self._thread.refuses = True
        try:
            yield
        finally:
            self._thread.refuses = False

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` after every change of a resource, in their order; it must not take long."""
        self._listeners.append(listener)

    def note(self, kinds: frozenset[str], noter: Noter) -> None:
        """From now on keep what `noter` says of each change of these kinds, as one with the change."""
        self._noter = (kinds, noter)

    def notes(self) -> list[tuple[int, str]]:
        """(number, note) of what is to be told, the oldest first, a hundred at the most."""
        with self._lock:
            return self._db.execute("SELECT number, note FROM notes ORDER BY number LIMIT 100").fetchall()

    def drop_note(self, number: int) -> None:
        """A note has been told."""
        self._commit(f"note {number}", lambda db: db.execute("DELETE FROM notes WHERE number=?", (number,)))

    def add(self, resource: Resource, tags: dict[str, str] | None = None) -> None:
        """Keep a new resource. Exists: its ARN is taken."""
        now = datetime.now(UTC).timestamp()
        row = (resource.arn, resource.kind, resource.region, resource.name, resource.status, now, now)

        def act(db: sqlite3.Connection) -> None:
            try:
                db.execute("INSERT INTO resources VALUES (?,?,?,?,?,?,?,?)", (*row, encode(resource.document)))
            except sqlite3.IntegrityError:
                raise Exists(resource.arn) from None
            _tag(db, resource.arn, tags or {})

        self._commit(resource.arn, act)

    def get(self, arn: str) -> Document:
        """The document of a resource. Missing: there is none."""
        with self._lock:
            row = self._db.execute("SELECT document FROM resources WHERE arn=?", (arn,)).fetchone()
        if row is None:
            raise Missing(arn)
        return decode(row[0])

    def change(self, arn: str, edit: Callable[[Document], str | None]) -> Document:
        """Edit a document in place, in one transaction. Missing: there is none.

        edit: changes the document it is given, and returns the resource's new status (None: as it was).
        """

        def act(db: sqlite3.Connection) -> Document:
            row = db.execute("SELECT document, status FROM resources WHERE arn=?", (arn,)).fetchone()
            if row is None:
                raise Missing(arn)
            document = decode(row[0])
            status = edit(document)
            db.execute(
                "UPDATE resources SET document=?, status=?, modified=? WHERE arn=?",
                (encode(document), status or row[1], datetime.now(UTC).timestamp(), arn),
            )
            return document

        return self._commit(arn, act)

    def remove(self, arn: str) -> None:
        """Forget a resource and its tags. Missing: there is none."""

        def act(db: sqlite3.Connection) -> None:
            if db.execute("DELETE FROM resources WHERE arn=?", (arn,)).rowcount == 0:
                raise Missing(arn)
            db.execute("DELETE FROM tags WHERE arn=?", (arn,))

        self._commit(arn, act)

    def page(self, query: Query) -> tuple[list[Document], tuple[Any, str] | None]:
        """The documents of one page, and where the next one starts (None: this is the last)."""
        column = COLUMNS[query.sort]
        where, values = _conditions(query, column)
        order = "DESC" if query.descending else "ASC"
        by = f"ORDER BY {column} {order}, name {order}"
        sql = (
            f"SELECT document, {column}, name FROM resources WHERE arn IN"
            f" (SELECT arn FROM resources WHERE {where} {by} LIMIT ?) {by}"
        )
        with self._lock:
            rows = self._db.execute(sql, (*values, query.limit + 1)).fetchall()
        more = (rows[query.limit - 1][1], rows[query.limit - 1][2]) if len(rows) > query.limit else None
        return [decode(row[0]) for row in rows[: query.limit]], more

    def documents(self, kind: str, region: str) -> Iterator[Document]:
        """Every document of a kind, newest first, read in batches."""
        query = Query(kind, region, limit=500)
        while True:
            found, more = self.page(query)
            yield from found
            if more is None:
                return
            query = Query(kind, region, limit=500, start=more)

    def with_status(self, kind: str, *statuses: str) -> list[tuple[str, Document]]:
        """(ARN, document) of every resource of a kind, in any region, in one of these statuses."""
        marks = ",".join("?" * len(statuses))
        sql = f"SELECT arn, document FROM resources WHERE kind=? AND status IN ({marks}) ORDER BY created"
        with self._lock:
            rows = self._db.execute(sql, (kind, *statuses)).fetchall()
        return [(arn, decode(document)) for arn, document in rows]

    def has(self, arn: str) -> bool:
        with self._lock:
            return self._db.execute("SELECT 1 FROM resources WHERE arn=?", (arn,)).fetchone() is not None

    def tags(self, arn: str) -> dict[str, str]:
        with self._lock:
            rows = self._db.execute("SELECT key, value FROM tags WHERE arn=? ORDER BY key", (arn,))
            return dict(rows.fetchall())

    def tagged(self, region: str) -> list[tuple[str, str, dict[str, str]]]:
        """(ARN, kind, tags) of every resource of a region that has tags, by ARN."""
        sql = "SELECT arn, kind, key, value FROM resources JOIN tags USING (arn) WHERE region=? ORDER BY arn, key"
        with self._lock:
            rows = self._db.execute(sql, (region,)).fetchall()
        return [
            (*resource, {key: value for _, _, key, value in of_one})
            for resource, of_one in itertools.groupby(rows, key=lambda row: (row[0], row[1]))
        ]

    def tag(self, arn: str, tags: dict[str, str]) -> None:
        """Add tags to a resource; a key that is there gets the new value."""
        self._commit(arn, lambda db: _tag(db, arn, tags))

    def untag(self, arn: str, keys: list[str]) -> None:
        pairs = [(arn, key) for key in keys]
        self._commit(arn, lambda db: db.executemany("DELETE FROM tags WHERE arn=? AND key=?", pairs))

    def _commit(self, arn: str, act: Callable[[sqlite3.Connection], T]) -> T:
        """One change of the resource `arn`, all of `act` or nothing; the listeners hear of it once it is kept."""
        while True:
            try:
                return self._try(arn, act)
            except sqlite3.OperationalError as error:
                if getattr(self._thread, "refuses", False):
                    raise
                log.warning("%s cannot be written down (%s); it is tried again", arn, error)
                if self._closed.wait(PAUSE):
                    raise

    def _try(self, arn: str, act: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                before, seen = self._facts(arn), self._snapshot(arn)
                result = act(self._db)
                self._write_notes(arn, seen)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._tell(arn, before)
            return result

    def _snapshot(self, arn: str) -> Transition | None:
        """A resource of which notes are kept, as it is now; None where there is none such."""
        sql = "SELECT kind, region, document FROM resources WHERE arn=?"
        if not self._noter[0] or not (row := self._db.execute(sql, (arn,)).fetchone()):
            return None
        kind, region, text = row
        if kind not in self._noter[0]:
            return None
        return Transition(arn, kind, region, None, decode(text), self.tags(arn))

    def _write_notes(self, arn: str, before: Transition | None) -> None:
        after = self._snapshot(arn)
        known = after or before
        if known is None:
            return
        seen, found = before.after if before else None, after.after if after else None
        for note in self._noter[1](replace(known, before=seen, after=found)):
            self._db.execute("INSERT INTO notes (note) VALUES (?)", (note,))

    def _facts(self, arn: str) -> tuple[str, str, str] | None:
        """kind, name and status of a resource, read only where somebody listens."""
        if not self._listeners:
            return None
        sql = "SELECT kind, name, status FROM resources WHERE arn=?"
        found: tuple[str, str, str] | None = self._db.execute(sql, (arn,)).fetchone()
        return found

    def _tell(self, arn: str, before: tuple[str, str, str] | None) -> None:
        after = self._facts(arn)
        known = after or before
        if known is None:
            return
        change = Change(arn, known[0], known[1], after[2] if after else None)
        for listener in self._listeners:
            listener(change)


def encode(document: Document) -> str:
    """JSON, with a datetime as {"$time": seconds since the epoch}."""
    return json.dumps(document, default=_encode_time, separators=(",", ":"))


def decode(text: str) -> Document:
    found: Document = json.loads(text, object_hook=_decode_time)
    return found


def _encode_time(value: Any) -> dict[str, float]:
    if isinstance(value, datetime):
        return {"$time": value.timestamp()}
    raise TypeError(f"{type(value).__name__} has no place in a document")


def _decode_time(value: dict[str, Any]) -> Any:
    if isinstance(value.get("$time"), float):  # a user's own "$time" is text: every free map holds text
        return datetime.fromtimestamp(value["$time"], UTC)
    return value


def _tag(db: sqlite3.Connection, arn: str, tags: dict[str, str]) -> None:
    db.executemany("INSERT OR REPLACE INTO tags VALUES (?,?,?)", [(arn, k, v) for k, v in tags.items()])


def _containing(text: str) -> str:
    """A pattern of LIKE, which does not tell capitals from small letters."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def _conditions(query: Query, column: str) -> tuple[str, list[Any]]:
    terms = ["kind=?", "region=?"]
    values: list[Any] = [query.kind, query.region]
    if query.status:
        terms, values = [*terms, "status=?"], [*values, query.status]
    if query.name_contains:
        terms, values = [*terms, "name LIKE ? ESCAPE '\\'"], [*values, _containing(query.name_contains)]
    if query.name_prefix:
        terms = [*terms, "name>=?", "name<?"]
        values = [*values, query.name_prefix, f"{query.name_prefix}\U0010ffff"]
    for name, time in query.after.items():
        terms, values = [*terms, f"{name}>?"], [*values, time.timestamp()]
    for name, time in query.before.items():
        terms, values = [*terms, f"{name}<?"], [*values, time.timestamp()]
    if query.start:
        terms = [*terms, f"({column}, name) {'<' if query.descending else '>'} (?,?)"]
        values = [*values, *query.start]
    return " AND ".join(terms), values
