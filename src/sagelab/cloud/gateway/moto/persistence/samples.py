"""moto's CloudWatch metrics in rows: what is measured is only ever added to."""

from __future__ import annotations

from typing import Any

from sagelab.cloud.gateway.moto.persistence import pickles
from sagelab.cloud.gateway.moto.persistence.database import Database


class Samples:
    """The measured values of every metric, written down and read back."""

    def __init__(self, database: Database) -> None:
        self._db, self._written = database, dict[tuple[str, str], int]()

    def keep(self, backend: Any) -> bool:
        """Write down what is new; False: nothing is. sqlite3.Error: there is no room."""
        where = (backend.account_id, backend.region_name)
        with self._db.transaction() as db:
            new = backend.metric_data[self._written.get(where, 0) :]
            if new:
                sql = "INSERT INTO samples (account, region, data) VALUES (?,?,?)"
                db.execute(sql, (*where, pickles.dump(new)))
                self._written[where] = self._written.get(where, 0) + len(new)
        return bool(new)

    def restore(self, backend: Any) -> None:
        """Fill moto's backend of an account and a region with what was kept of it."""
        where = (backend.account_id, backend.region_name)
        rows = self._db.rows("SELECT data FROM samples WHERE account=? AND region=? ORDER BY id", *where)
        backend.metric_data = [sample for (data,) in rows for sample in pickles.load(data)]
        backend.paged_metric_data = {}
        self._written[where] = len(backend.metric_data)

    def reload(self, backend: Any) -> None:
        """Take back from moto's memory what could not be written."""
        del backend.metric_data[self._written.get((backend.account_id, backend.region_name), 0) :]
