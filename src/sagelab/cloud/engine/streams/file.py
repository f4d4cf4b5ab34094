"""An SQLite file of one stream's own: what is said to be in it is there after a kill of this process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class StreamFile:
    """Safe to call from any thread. sqlite3.OperationalError: the file cannot be written."""

    def __init__(self, file: Path, schema: str) -> None:
        self._file, self._lock = file, threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        file.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(schema)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def discard(self) -> None:
        """The stream is deleted, with what it holds."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self._file.with_name(self._file.name + ending).unlink()

    def _change(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """All of it or nothing; with the lock."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = act(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return result
