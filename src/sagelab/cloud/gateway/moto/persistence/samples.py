"""moto's CloudWatch metrics in rows: what is measured is only ever added to, and the oldest of too much goes."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import Any

from sagelab.cloud.gateway.moto.persistence import pickles
from sagelab.cloud.gateway.moto.persistence.database import Database

MOST = 200_000  # samples of a region that are kept: some 60 MB

Where = tuple[str, str]  # (account, region)


class Samples:
    """The measured values of every metric, written down and read back."""

    def __init__(self, database: Database, most: int = MOST) -> None:
        self._db, self._most, self._lock = database, most, threading.Lock()
        self._written = dict[Where, int]()
        self._rows = dict[Where, deque[tuple[int, int]]]()  # (id, samples) of each row, the oldest first
        self._shared = dict[tuple[Any, ...], tuple[Any, ...]]()

    def keep(self, backend: Any) -> bool:
        """Write down what is new; False: nothing is. sqlite3.Error: there is no room."""
        where = (backend.account_id, backend.region_name)
        with self._lock:
            new = backend.metric_data[self._written.get(where, 0) :]
            if not new:
                return False
            self._share(new)
            with self._db.transaction() as db:
                sql = "INSERT INTO samples (account, region, data) VALUES (?,?,?)"
                number = db.execute(sql, (*where, pickles.dump(new))).lastrowid
            self._note(where, number or 0, len(new))
            self._forget(backend, where)
        return True

    def restore(self, backend: Any) -> None:
        """Fill moto's backend of an account and a region with what was kept of it."""
        where = (backend.account_id, backend.region_name)
        self._written[where], self._rows[where] = 0, deque()
        sql = "SELECT id, data FROM samples WHERE account=? AND region=? ORDER BY id"
        backend.metric_data, backend.paged_metric_data = [], {}
        for number, data in self._db.rows(sql, *where):
            found = pickles.load(data)
            self._share(found)
            backend.metric_data += found
            self._note(where, number, len(found))

    def reload(self, backend: Any) -> None:
        """Take back from moto's memory what could not be written."""
        del backend.metric_data[self._written.get((backend.account_id, backend.region_name), 0) :]

    def _note(self, where: Where, number: int, count: int) -> None:
        self._written[where] = self._written.get(where, 0) + count
        self._rows.setdefault(where, deque()).append((number, count))

    def _forget(self, backend: Any, where: Where) -> None:
        """Drop the oldest quarter of too much, by whole rows."""
        if self._written[where] <= self._most:
            return
        rows, dropped, last = self._rows[where], 0, 0
        while len(rows) > 1 and self._written[where] - dropped > self._most * 3 // 4:
            last, count = rows.popleft()
            dropped += count
        with self._db.transaction() as db:
            db.execute("DELETE FROM samples WHERE account=? AND region=? AND id<=?", (*where, last))
        del backend.metric_data[:dropped]
        self._written[where] -= dropped

    def _share(self, data: list[Any]) -> None:
        """Let samples of one metric have its names and dimensions together, which are most of what one takes."""
        for datum in data:
            pairs = tuple((one.name, one.value) for one in datum.dimensions)
            same = (datum.namespace, datum.name, datum.dimensions)
            datum.namespace, datum.name, datum.dimensions = self._shared.setdefault((*same[:2], pairs), same)
            if isinstance(datum.unit, str):
                datum.unit = sys.intern(datum.unit)
