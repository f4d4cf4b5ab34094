"""The SQLite file of what moto holds. One writer at a time; readers have connections of their own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS backends (
    service TEXT, account TEXT, region TEXT, state BLOB NOT NULL, PRIMARY KEY (service, account, region)
);
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, account TEXT NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, name TEXT, state BLOB NOT NULL, bodies TEXT NOT NULL, PRIMARY KEY (bucket, name)
);
CREATE TABLE IF NOT EXISTS uploads (
    bucket TEXT, id TEXT, state BLOB NOT NULL, bodies TEXT NOT NULL, PRIMARY KEY (bucket, id)
);
CREATE TABLE IF NOT EXISTS log_groups (
    account TEXT, region TEXT, name TEXT, state BLOB NOT NULL, PRIMARY KEY (account, region, name)
);
CREATE TABLE IF NOT EXISTS log_streams (
    id INTEGER PRIMARY KEY, account TEXT, region TEXT, log_group TEXT, name TEXT, state BLOB NOT NULL,
    UNIQUE (account, region, log_group, name)
);
CREATE TABLE IF NOT EXISTS log_lines (stream INTEGER, number INTEGER, lines BLOB, PRIMARY KEY (stream, number))
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS master (fingerprint TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sessions (
    access_key TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, state BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (id INTEGER PRIMARY KEY, account TEXT, region TEXT, data BLOB NOT NULL);
"""


class Database:
    """Safe to call from any thread."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.RLock()
        self._db = self._connect()
        file.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def note_master(self, fingerprint: str) -> None:
        """What is written from now on is under the master key that has this fingerprint."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO master VALUES (?)", (fingerprint,))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's changes, or none; nothing else is written meanwhile."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What is written, read beside the writer: no lock is taken, so none can be waited for in a circle."""
        with closing(self._connect()) as db:
            return db.execute(sql, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None, timeout=30)
        db.execute("PRAGMA synchronous=NORMAL")
        return db
