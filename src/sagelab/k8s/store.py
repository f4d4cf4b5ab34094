"""Every object of the API server and its last changes, in one SQLite file that survives a kill.

A change has a number, the resourceVersion of what it left. The last few thousand changes are kept, with what was
there before each: watches go on from any of them, and a list can be read as it was at any of them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from sagelab.k8s import statuses
from sagelab.k8s.statuses import Document

KEPT = 5000  # changes that watches can go back to
SLACK = 1000  # changes beyond these, until the oldest are forgotten together

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    version INTEGER PRIMARY KEY, resource TEXT NOT NULL, document BLOB, before BLOB
);
CREATE INDEX IF NOT EXISTS of_resource ON changes (resource, version);
"""


@dataclass(frozen=True)
class Change:
    """One change of one object. before: None where it was made; after: None where it was removed.

    last: the object as it was removed, with the version of the removal.
    """

    version: int
    before: Document | None
    after: Document | None
    last: Document


class Store:
    """Objects by resource ("configmaps", "trainingjobs.sagemaker.services.k8s.aws"), namespace (or ""), and name.

    Used from one thread. What is returned is the caller's to change.
    """

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)  # one asks at a time
        file.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._listeners: set[asyncio.Event] = set()
        self.oldest, self.version = self._bounds()

    def close(self) -> None:
        self._db.close()

    def get(self, resource: str, namespace: str, name: str) -> Document | None:
        asked = "SELECT document FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
        row = self._db.execute(asked, (resource, namespace, name)).fetchone()
        return orjson.loads(row[0]) if row else None

    def put(self, resource: str, document: Document) -> Document:
        """Keep an object as it is now, under a new resourceVersion, which it is given."""
        place = _place(document)
        before = self.get(resource, *place)
        version = self.version + 1
        document["metadata"]["resourceVersion"] = str(version)
        text = orjson.dumps(document)
        with self._change(version, resource, text, before):
            self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (resource, *place, text))
        return document

    def remove(self, resource: str, document: Document) -> Document:
        """Forget an object; what is returned has the version of its end."""
        place = _place(document)
        before = self.get(resource, *place)
        version = self.version + 1
        document["metadata"]["resourceVersion"] = str(version)
        with self._change(version, resource, None, before):
            self._db.execute(
                "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", (resource, *place)
            )
        return document

    def all(self, resource: str, namespace: str = "", at: int | None = None) -> list[Document]:
        """The objects of a resource, in all namespaces unless one is named, by namespace and name.

        at: as they were at that version. StatusError 410: that is too long ago.
        """
        asked = "SELECT document FROM objects WHERE resource = ?"
        found = {_place(one): one for one in map(orjson.loads, _column(self._db.execute(asked, (resource,))))}
        for change in reversed(self.changes(resource, at) if at is not None else []):
            if change.before is None:
                found.pop(_place(change.last), None)
            else:
                found[_place(change.last)] = change.before
        return [found[place] for place in sorted(found) if namespace in ("", place[0])]

    def everything(self, namespace: str = "", having: str = "") -> Iterator[tuple[str, Document]]:
        """Every object with its resource; of one namespace if one is named. having: a text somewhere in it."""
        asked = "SELECT resource, document FROM objects WHERE ? IN ('', namespace) AND instr(document, ?)"
        for resource, text in self._db.execute(asked, (namespace, having.encode())).fetchall():
            yield resource, orjson.loads(text)

    def changes(self, resource: str, after: int) -> list[Change]:
        """What has happened to a resource since a version, in order. StatusError 410: that is too long ago."""
        if after < self.oldest:
            raise statuses.gone(after, self.oldest)
        asked = "SELECT version, document, before FROM changes WHERE resource = ? AND version > ? ORDER BY version"
        return [_change(*row) for row in self._db.execute(asked, (resource, after))]

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set by every change for the block; who waits for it clears it."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    def wake(self) -> None:
        """Set the event of everybody who listens."""
        for event in self._listeners:
            event.set()

    @contextmanager
    def _change(self, version: int, resource: str, text: bytes | None, before: Document | None) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            row = (version, resource, text, None if before is None else orjson.dumps(before))
            self._db.execute("INSERT INTO changes VALUES (?, ?, ?, ?)", row)
            if version - self.oldest > KEPT + SLACK:
                self._db.execute("DELETE FROM changes WHERE version <= ?", (version - KEPT,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        if version - self.oldest > KEPT + SLACK:
            self.oldest = version - KEPT
        self.version = version
        self.wake()

    def _bounds(self) -> tuple[int, int]:
        """The version that watches can go back to, and the last one."""
        first, last = self._db.execute("SELECT min(version), max(version) FROM changes").fetchone()
        return (first - 1, last) if last else (0, 0)


def _change(version: int, text: bytes | None, before: bytes | None) -> Change:
    last = orjson.loads(text or before or b"")
    last["metadata"]["resourceVersion"] = str(version)
    return Change(version, orjson.loads(before) if before else None, orjson.loads(text) if text else None, last)


def _place(document: Document) -> tuple[str, str]:
    metadata = document["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _column(rows: sqlite3.Cursor) -> Iterator[bytes]:
    return (row[0] for row in rows)
