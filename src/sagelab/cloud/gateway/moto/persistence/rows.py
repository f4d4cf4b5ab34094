"""S3 in rows: a bucket's settings, an object with its versions, an upload with its parts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from sagelab.cloud.gateway.moto.persistence import objects, pickles
from sagelab.cloud.gateway.moto.persistence.bodies import Bodies
from sagelab.cloud.gateway.moto.persistence.change_tracking import Item
from sagelab.cloud.gateway.moto.persistence.database import Database
from sagelab.cloud.master import Master

# Kind -> the table, and the column that names an item within its bucket.
_TABLES = {"object": ("objects", "name"), "upload": ("uploads", "id")}


class Rows:
    """What moto's S3 holds, written down and read back."""

    def __init__(self, database: Database, bodies: Bodies, master: Master) -> None:
        self._db, self._bodies = database, bodies
        self._settings: dict[str, bytes] = {}
        self._sweep()
        objects.install(bodies, master, self.restore)

    def keep(self, items: Iterable[Item]) -> None:
        """Write items down as they are now, in one transaction. OSError, sqlite3.Error: there is no room."""
        with self._db.transaction() as db:
            left = [name for item in sorted(items) for name in self._keep(db, item)]
        self._bodies.remove(left)

    def reload(self, items: Iterable[Item]) -> None:
        """Make items in moto's memory what they are in the rows, where a change could not be written."""
        for item in sorted(items):
            if item.kind == "bucket":
                self._reload_bucket(item.bucket)
            elif (bucket := objects.bucket_of(item.bucket)) is not None:
                dict.pop(bucket.keys if item.kind == "object" else bucket.multiparts, item.name, None)
                self._load(bucket, item.kind, item.name)

    def restore(self, backend: Any) -> None:
        """Fill moto's backend of an account with what was kept of it."""
        sql = "SELECT name, state FROM buckets WHERE account=?"
        for name, state in self._db.rows(sql, backend.account_id):
            self._restore_bucket(backend, name, state)

    def _sweep(self) -> None:
        """Delete the bytes that no row names: nobody was told that they are kept."""
        rows = self._db.rows("SELECT bodies FROM objects UNION ALL SELECT bodies FROM uploads")
        self._bodies.sweep({name for (names,) in rows for name in json.loads(names)})

    def _keep(self, db: sqlite3.Connection, item: Item) -> Iterator[str]:
        """Write one item; the bodies that its row named and names no more."""
        bucket = objects.bucket_of(item.bucket)
        if bucket is None:
            self._settings.pop(item.bucket, None)
            yield from _forget(db, item.bucket)
        elif item.kind == "bucket":
            self._keep_settings(db, bucket)
        else:
            yield from _keep_bytes(db, bucket, item)

    def _keep_settings(self, db: sqlite3.Connection, bucket: Any) -> None:
        tags = objects.backend_of(bucket.name).tagger.tags.get(bucket.arn)
        state = pickles.dump((bucket, tags))
        if self._settings.get(bucket.name) != state:
            db.execute("INSERT OR REPLACE INTO buckets VALUES (?,?,?)", (bucket.name, bucket.account_id, state))
            self._settings[bucket.name] = state

    def _reload_bucket(self, name: str) -> None:
        self._settings.pop(name, None)
        rows = self._db.rows("SELECT account, state FROM buckets WHERE name=?", name)
        bucket = objects.bucket_of(name)
        if bucket is None and rows:
            self._restore_bucket(objects.backend(rows[0][0]), name, rows[0][1])
        elif bucket is not None and rows:
            kept, _ = pickles.load(rows[0][1])
            bucket.__dict__.update(kept.__getstate__())
        elif bucket is not None:
            objects.leave(name)

    def _restore_bucket(self, backend: Any, name: str, state: bytes) -> None:
        bucket, tags = pickles.load(state)
        if tags:
            backend.tagger.tags[bucket.arn] = tags
        for kind in _TABLES:
            self._load(bucket, kind, None, backend)
        objects.enter(backend, bucket)
        self._settings[name] = state

    def _load(self, bucket: Any, kind: str, name: str | None, backend: Any = None) -> None:
        """Read one item of a bucket, or all of a kind, into moto's memory."""
        table, column = _TABLES[kind]
        sql = f"SELECT {column}, state FROM {table} WHERE bucket=?"
        values = (bucket.name,) if name is None else (bucket.name, name)
        tagger = (backend or objects.backend_of(bucket.name)).tagger
        for found, state in self._db.rows(sql if name is None else f"{sql} AND {column}=?", *values):
            if kind == "object":
                versions, tags = objects.unpacked(pickles.load(state))
                dict.__setitem__(bucket.keys, found, versions)
                tagger.tags.update(tags)
            else:
                dict.__setitem__(bucket.multiparts, found, pickles.load(state))


def _keep_bytes(db: sqlite3.Connection, bucket: Any, item: Item) -> Iterator[str]:
    """Write the row of an object or an upload; the bodies that it named and names no more."""
    table, column = _TABLES[item.kind]
    where = f"FROM {table} WHERE bucket=? AND {column}=?"
    before = db.execute(f"SELECT bodies {where}", (item.bucket, item.name)).fetchone()
    state, bodies = (_object if item.kind == "object" else _upload)(bucket, item.name)
    if state is None:
        db.execute(f"DELETE {where}", (item.bucket, item.name))
    else:
        values = (item.bucket, item.name, state, json.dumps(bodies))
        db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?,?,?,?)", values)
    yield from set(json.loads(before[0]) if before else ()) - set(bodies)


def _object(bucket: Any, name: str) -> tuple[bytes | None, list[str]]:
    """An object's state, None where there is none, and the bodies that it names."""
    versions = list(bucket.keys.getlist(name) or ())
    bodies = [version.body.name for version in versions if isinstance(version, objects.Key)]
    tags = objects.backend_of(bucket.name).tagger.tags
    return (pickles.dump(objects.packed(versions, tags)) if versions else None), bodies


def _upload(bucket: Any, name: str) -> tuple[bytes | None, list[str]]:
    upload = dict.get(bucket.multiparts, name)
    if upload is None:
        return None, []
    return pickles.dump(upload), [part.body.name for part in upload.parts.values()]


def _forget(db: sqlite3.Connection, bucket: str) -> Iterator[str]:
    """Delete the rows of a bucket; the bodies that they named."""
    for table, _ in _TABLES.values():
        for (names,) in db.execute(f"SELECT bodies FROM {table} WHERE bucket=?", (bucket,)).fetchall():
            yield from json.loads(names)
        db.execute(f"DELETE FROM {table} WHERE bucket=?", (bucket,))
    db.execute("DELETE FROM buckets WHERE name=?", (bucket,))
