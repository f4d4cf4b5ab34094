"""What a request to moto changed is written down before the answer; what was written down is there at a start."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from moto.core.base_backend import AccountSpecificBackend, BackendDict, backend_lock
from moto.core.common_models import BaseModel

from sagelab.cloud.errors import storage_unavailable
from sagelab.cloud.gateway.http.spool import Disk
from sagelab.cloud.gateway.moto.persistence import pickles
from sagelab.cloud.gateway.moto.persistence.bodies import Bodies
from sagelab.cloud.gateway.moto.persistence.change_tracking import ChangeTracking, recording, strays
from sagelab.cloud.gateway.moto.persistence.database import Database
from sagelab.cloud.gateway.moto.persistence.rows import Rows
from sagelab.cloud.gateway.moto.persistence.samples import Samples
from sagelab.cloud.gateway.moto.persistence.sessions import Sessions, with_sessions, without_sessions
from sagelab.cloud.gateway.moto.persistence.streams import Streams
from sagelab.cloud.master import Master

# Parts of a backend that have rows of their own, or are not worth keeping.
_APART: dict[str, set[str]] = {
    "s3": set(),
    "logs": {"groups"},
    "cloudwatch": {"metric_data", "paged_metric_data"},
    "sts": {"assumed_roles"},
}
_AT_ONCE = frozenset({"s3", "logs", "cloudwatch"})  # services that change for several requests at a time
# Services whose operations reach into others.
_ALSO = {"sns": ("sqs",)}
_REACH_ALL = frozenset({"cloudformation", "resourcegroupstaggingapi", "stepfunctions"})
_TRIES = 3
_SEALED = b"\x01"  # begins a state that is encrypted; a plain one, of before they were, is a pickle: it has \x80
_UNWRITABLE = (OSError, sqlite3.OperationalError)

_log = logging.getLogger("sagelab")


class Persister:
    """Keeps moto's state of this process in a folder. There is one of it a process, as there is one state."""

    current: Persister | None = None

    def __init__(self, folder: Path, disk: Disk) -> None:
        """disk: the room that S3's objects have."""
        self._db = Database(folder / "services.db")
        self._master = Master(folder)
        self._db.note_master(self._master.fingerprint)
        self._rows = Rows(self._db, Bodies(folder / "objects", disk), self._master)
        self._streams = Streams(self._db)
        self._added: dict[str, Samples | Sessions] = {  # services to which requests add rows, as a rule
            "cloudwatch": Samples(self._db),
            "sts": Sessions(self._db, self._master),
        }
        self._digests: dict[tuple[str, str, str], bytes] = {}
        self._locks: dict[str, threading.RLock] = defaultdict(threading.RLock)
        self._writing: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._refused: set[str] = set()
        Persister.current = self

    def close(self) -> None:
        self._db.close()

    def regions(self, service: str) -> list[str]:
        """Where something of a service is kept, or in memory."""
        kept = self._db.rows("SELECT region FROM backends WHERE service=?", service)
        in_use = service in _in_use() and [one.region_name for one in _backends(service, None)]
        return sorted({region for (region,) in kept} | set(in_use or ()))

    @contextmanager
    def keeping(self, service: str, region: str, changes: bool, waits: bool = False) -> Iterator[None]:
        """Write down what the block makes moto change. StorageUnavailable: it could not be, and is taken back.

        service: moto's name of it. changes: whether the request is of a kind that changes things.
        waits: for what another request does, as one that receives messages: it must not hold that up.
        """
        alone = changes and service not in _AT_ONCE and not waits
        turn = self._locks[service] if alone else nullcontext()
        with turn, recording() as tracked:
            try:
                yield
            finally:
                self._keep(service, region, changes, tracked)

    def restore(self, backends: Any, region: str) -> None:
        """Make moto's backend of an account and a region from what was kept; nothing is done where nothing was."""
        service = pickles.service_of(backends.backend)
        if service == "s3":
            return  # filled as it is made
        sql = "SELECT state FROM backends WHERE service=? AND account=? AND region=?"
        rows = self._db.rows(sql, service, backends.account_id, region)
        if rows:
            backend = backends.backend.__new__(backends.backend)
            dict.__setitem__(backends, region, backend)
            state = self._opened((service, backends.account_id, region), rows[0][0])
            parts = pickles.load(state)
            backend.__dict__.update(parts)
            if not parts.keys() & _APART.get(service, set()):  # else of before they had rows: it is written anew
                self._digests[service, backends.account_id, region] = _digest(state)
            if service == "logs":
                backend.groups = {}
                self._streams.restore(backend)
            elif service == "iam":
                with_sessions(backend)
            elif service in self._added:
                self._added[service].restore(backend)

    def kept(self, service: str) -> list[tuple[str, str]]:
        """(account, region) of every backend of a service that was kept. service: moto's name of it."""
        return self._db.rows("SELECT account, region FROM backends WHERE service=?", service)

    def _keep(self, service: str, region: str, changes: bool, tracked: ChangeTracking) -> None:
        items = tracked.changed | (tracked.looked_up if changes else set()) | strays()
        lines = {item for item in items if item.kind == "stream"}
        try:
            if items - lines:
                self._rows.keep(items - lines)
            if lines:
                self._streams.keep(lines)
        except _UNWRITABLE as error:
            self._rows.reload(items - lines)
            self._streams.reload(lines)
            raise storage_unavailable(error) from None
        self._keep_rest(service, region, changes, bool(lines))
        for name in tracked.reached:
            for backend in _backends(name, None):
                self._keep_backend(name, backend)

    def _keep_rest(self, service: str, region: str, changes: bool, appended: bool) -> None:
        names = [name for name in (service, *_ALSO.get(service, ())) if name != "s3"]
        if changes and service in _REACH_ALL:
            names = _in_use()
        for name in names:
            for backend in _backends(name, region):
                if name in self._added and self._keep_rows(name, backend):
                    continue
                if (changes and not appended) or self._is_new(name, backend):
                    self._keep_backend(name, backend)

    def _keep_rows(self, service: str, backend: Any) -> bool:
        """Whether rows were written and nothing else is to be."""
        rows = self._added[service]
        try:
            return rows.keep(backend) and not self._is_new(service, backend)
        except _UNWRITABLE as error:
            rows.reload(backend)
            raise storage_unavailable(error) from None

    def _is_new(self, service: str, backend: Any) -> bool:
        return (service, backend.account_id, backend.region_name) not in self._digests

    def _keep_backend(self, service: str, backend: Any) -> None:
        with self._writing[service]:  # of two threads, the one that looked first writes first
            self._write_backend(service, backend)

    def _write_backend(self, service: str, backend: Any) -> None:
        key = (service, backend.account_id, backend.region_name)
        try:
            if service == "logs":
                self._streams.keep_groups(backend)
            state = _packed(service, backend)
            digest = _digest(state)
            if self._digests.get(key) != digest:
                row = _SEALED + self._master.wrap(state, _name(key))
                with self._db.transaction() as db:
                    db.execute("INSERT OR REPLACE INTO backends VALUES (?,?,?,?)", (*key, row))
                self._digests[key] = digest
        except _UNWRITABLE as error:
            _forget(service, backend)
            raise storage_unavailable(error) from None
        except Exception as error:
            self._refuse(service, error)

    def _opened(self, key: tuple[str, str, str], row: bytes) -> bytes:
        """The state in a row. Unreadable: it is another's, or changed."""
        return self._master.unwrap(row[1:], _name(key)) if row.startswith(_SEALED) else row

    def _refuse(self, service: str, error: Exception) -> None:
        """Say once that a service's state is not one that can be kept."""
        if service not in self._refused:
            self._refused.add(service)
            _log.warning(
                "What %s holds is gone after the next start: %s: %s", service, type(error).__name__, error
            )


def _packed(service: str, backend: Any) -> bytes:
    for _ in range(_TRIES):
        try:
            return pickles.dump(_state(service, backend), backend)
        except RuntimeError:  # another thread changed a dictionary meanwhile
            continue
    return pickles.dump(_state(service, backend), backend)


def _state(service: str, backend: Any) -> dict[str, Any]:
    """What of a backend has no rows of its own."""
    apart = _APART.get(service, ())
    state = {name: value for name, value in vars(backend).items() if name not in apart}
    return state | {"access_keys": without_sessions(backend.access_keys)} if service == "iam" else state


def _name(key: tuple[str, str, str]) -> bytes:
    return "/".join(key).encode()


def _digest(state: bytes) -> bytes:
    return hashlib.blake2b(state, digest_size=16).digest()


def _in_use() -> list[str]:
    """The services of which moto has something in memory, but for S3."""
    found = {pickles.service_of(one.backend) for one in list(BackendDict._instances)}
    return sorted(found - {"s3", "moto_api"})


def _backends(service: str, region: str | None) -> Iterator[Any]:
    """The backends of a service in a region and in none, of every account. None: in every region."""
    for account in list(pickles.backends(service).values()):
        for name, backend in list(account.items()):
            if region is None or name in (region, "aws"):
                yield backend


def _forget(service: str, backend: Any) -> None:
    """Drop moto's memory of a backend: it is made again from what is written down."""
    account = pickles.backends(service)[backend.account_id]
    dict.pop(account, backend.region_name, None)
    account.__dict__.pop("ready", None)


_make = AccountSpecificBackend.__getitem__
_make_account = BackendDict.__getitem__


def _backend(self: Any, region: str) -> Any:
    """AccountSpecificBackend.__getitem__: what was kept of a region is there when it is first asked for."""
    name = "aws" if region == "global" else region
    if name in self.__dict__.get("ready", ()) and (found := dict.get(self, name)) is not None:
        return found
    with backend_lock:
        if name not in self.keys() and Persister.current is not None:
            Persister.current.restore(self, name)
        found = _make(self, region)
        self.__dict__.setdefault("ready", set()).add(name)
        return found


def _account(self: Any, account: str) -> Any:
    """BackendDict.__getitem__: moto takes a lock and looks through all of its services each time."""
    found = dict.get(self, account)
    return _make_account(self, account) if found is None else found


def _untracked(cls: type, *_: Any, **__: Any) -> Any:
    """BaseModel.__new__: moto keeps every object it ever made; this one lets them go."""
    return object.__new__(cls)


AccountSpecificBackend.__getitem__ = _backend
BackendDict.__getitem__ = _account
BaseModel.__new__ = _untracked
