"""Sessions of roles in rows: each AssumeRole adds one, and nothing changes it until it is over.

moto has a session in STS's backend and its access key in IAM's as well; neither is written with its backend, which
would take longer with each session that there is.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import takewhile
from typing import Any

from moto.backends import get_backend

from sagelab.cloud.gateway.moto.persistence import pickles
from sagelab.cloud.gateway.moto.persistence.database import Database
from sagelab.cloud.master import Master

Where = tuple[str, str]  # (account, region)


class Sessions:
    """What STS holds of roles, written down and read back. One request at a time changes it."""

    def __init__(self, database: Database, master: Master) -> None:
        self._db, self._master = database, master
        self._written = defaultdict[Where, set[str]](set)  # access keys

    def keep(self, backend: Any) -> bool:
        """Write down what is new, drop what is over; False: nothing is. sqlite3.Error: there is no room."""
        where = (backend.account_id, backend.region_name)
        new = self._new(backend)
        over = self._over(backend, len(new))
        if not new and not over:
            return False
        rows = [(one.access_key_id, *where, self._sealed(one)) for one in new]
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO sessions VALUES (?,?,?,?)", rows)
            db.executemany("DELETE FROM sessions WHERE access_key=?", [(name,) for name in over])
        self._written[where] -= over
        self._written[where] |= {one.access_key_id for one in new}
        return True

    def restore(self, backend: Any) -> None:
        """Fill moto's STS of an account with what was kept of it."""
        where = (backend.account_id, backend.region_name)
        sql = "SELECT access_key, state FROM sessions WHERE account=? AND region=? ORDER BY rowid"
        rows = self._db.rows(sql, *where)
        self._written[where] = {name for name, _ in rows}
        earlier = getattr(backend, "assumed_roles", ())  # of before they had rows
        roles = [pickles.load(self._master.unwrap(state, name.encode())) for name, state in rows]
        backend.assumed_roles = [one for one in earlier if one.access_key_id not in self._written[where]] + roles

    def reload(self, backend: Any) -> None:
        """Take back from moto's memory what could not be written."""
        for one in self._new(backend):
            forget(backend, one)

    def _new(self, backend: Any) -> list[Any]:
        """Sessions without a row, the oldest first."""
        known = self._written[backend.account_id, backend.region_name]
        found = list(takewhile(lambda one: one.access_key_id not in known, reversed(backend.assumed_roles)))
        return found[::-1]

    def _over(self, backend: Any, new: int) -> set[str]:
        """The access keys of rows whose sessions moto has dropped."""
        known = self._written[backend.account_id, backend.region_name]
        if len(known) + new <= len(backend.assumed_roles):
            return set()
        return known - {one.access_key_id for one in backend.assumed_roles}

    def _sealed(self, session: Any) -> bytes:
        return self._master.wrap(pickles.dump(session), session.access_key_id.encode())


def forget(backend: Any, session: Any) -> None:
    """Drop a session that STS's backend has, and its access key."""
    backend.assumed_roles.remove(session)
    get_backend("iam")[session.account_id][backend.region_name].access_keys.pop(session.access_key_id, None)


def without_sessions(access_keys: dict[str, Any]) -> dict[str, Any]:
    """IAM's access keys of users; those of sessions have none."""
    return {name: key for name, key in access_keys.items() if key.user_name is not None}


def with_sessions(backend: Any) -> None:
    """Give IAM's backend, as it is read, the access keys of an account's sessions."""
    roles = get_backend("sts")[backend.account_id][backend.region_name].assumed_roles
    backend.access_keys |= {one.access_key_id: one.access_key for one in roles}
