"""moto's CloudWatch Logs in rows: groups, streams, and lines, which are read back when they are asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.utils import unix_time_millis
from moto.logs import models as logs

from sagelab.cloud.gateway.moto.persistence import pickles
from sagelab.cloud.gateway.moto.persistence.change_tracking import Item, noted
from sagelab.cloud.gateway.moto.persistence.database import Database

_OF_STREAM = "account=? AND region=? AND log_group=? AND name=?"
_NOT_KEPT = frozenset({"log_group", "_events", "row", "written"})


class Stream(logs.LogStream):  # type: ignore[misc]
    """A stream whose lines are in rows: the first `written` of them under the number `row`."""

    read: Callable[[int], list[Any]]  # the lines of a row
    _events: list[Any] | None  # None: nobody has asked for them since the start
    last_ingestion_time: Any
    first_event_timestamp: int | None
    last_event_timestamp: int | None

    def __init__(self, log_group: Any, name: str) -> None:
        self.row, self.written, self.last_id = 0, 0, -1
        super().__init__(log_group, name)
        self._note()

    @property
    def events(self) -> list[Any]:
        if self._events is None:
            self._events = Stream.read(self.row)
            self.written = len(self._events)
        return self._events

    @events.setter
    def events(self, events: list[Any]) -> None:
        self._events = events

    def put_log_events(self, log_events: list[dict[str, Any]]) -> str:
        said: str = super().put_log_events(log_events)
        times = [event["timestamp"] for event in log_events]
        if times:
            first, last = self.first_event_timestamp, self.last_event_timestamp
            self.first_event_timestamp = min(times) if first is None else min(first, *times)
            self.last_event_timestamp = max(times) if last is None else max(last, *times)
            self.last_id = max(event.event_id for event in self.events[-len(times) :])
        self._note()
        return said

    def _update(self) -> None:
        """Nothing: first and last are kept as lines come, not looked for among all of them."""

    def to_describe_dict(self) -> dict[str, Any]:
        """As moto's own, without a look at lines that nobody has asked for since the start."""
        if self._events is not None or self.last_ingestion_time is None:
            described: dict[str, Any] = super().to_describe_dict()
            return described
        return {
            "arn": self.arn,
            "creationTime": int(unix_time_millis(self.creation_time)),
            "logStreamName": self.log_stream_name,
            "storedBytes": self.stored_bytes,
            "firstEventTimestamp": self.first_event_timestamp,
            "lastEventTimestamp": self.last_event_timestamp,
            "lastIngestionTime": int(unix_time_millis(self.last_ingestion_time)),
            "uploadSequenceToken": str(self.upload_sequence_token),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_KEPT}

    def _note(self) -> None:
        noted().changed.add(Item("stream", self.log_group.arn, self.log_stream_name))


class Group(logs.LogGroup):  # type: ignore[misc]
    def delete_log_stream(self, log_stream_name: str) -> None:
        super().delete_log_stream(log_stream_name)
        noted().changed.add(Item("stream", self.arn, log_stream_name))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "streams"}


class Streams:
    """What moto's Logs holds, written down and read back."""

    def __init__(self, database: Database) -> None:
        self._db, self._groups = database, dict[tuple[str, str, str], bytes]()
        logs.LogStream, logs.LogGroup = Stream, Group
        Stream.read = staticmethod(self._lines)

    def keep(self, items: Iterable[Item]) -> None:
        """Write down what is new in streams. sqlite3.Error: there is no room."""
        with self._db.transaction() as db:
            for item in items:
                account, region, group = _parts(item.bucket)
                found = logs.logs_backends[account][region].groups.get(group)
                stream = None if found is None else found.streams.get(item.name)
                _keep_stream(db, (account, region, group, item.name), stream)

    def keep_groups(self, backend: Any) -> None:
        """Write down which groups there are, and how they are set."""
        where = (backend.account_id, backend.region_name)
        states = {(*where, name): pickles.dump(group) for name, group in list(backend.groups.items())}
        gone = [key for key in self._groups if key[:2] == where and key not in states]
        new = {key: state for key, state in states.items() if self._groups.get(key) != state}
        if gone or new:
            with self._db.transaction() as db:
                for key in gone:
                    _forget_group(db, key)
                rows = [(*key, state) for key, state in new.items()]
                db.executemany("INSERT OR REPLACE INTO log_groups VALUES (?,?,?,?)", rows)
        self._groups.update(new)
        for key in gone:
            del self._groups[key]

    def restore(self, backend: Any) -> None:
        """Fill moto's backend of an account and a region with what was kept of it."""
        where = (backend.account_id, backend.region_name)
        for name, state in self._db.rows(
            "SELECT name, state FROM log_groups WHERE account=? AND region=?", *where
        ):
            group = pickles.load(state)
            group.streams = {}
            backend.groups[name] = group
            self._groups[(*where, name)] = state
        sql = "SELECT log_group, name, id, state FROM log_streams WHERE account=? AND region=? ORDER BY id"
        for group, name, row, state in self._db.rows(sql, *where):
            if group in backend.groups:
                backend.groups[group].streams[name] = stream = pickles.load(state)
                stream.__dict__.update(log_group=backend.groups[group], _events=None, row=row, written=0)
                logs.LogEvent._event_id = max(logs.LogEvent._event_id, stream.last_id + 1)

    def reload(self, items: Iterable[Item]) -> None:
        """Take back from moto's memory the lines that could not be written."""
        for item in items:
            account, region, group = _parts(item.bucket)
            found = logs.logs_backends[account][region].groups.get(group)
            if found is not None and (stream := found.streams.get(item.name)) is not None:
                del stream.events[stream.written :]
                if not stream.row:
                    del found.streams[item.name]

    def _lines(self, row: int) -> list[Any]:
        """The lines of a stream, as moto's objects."""
        rows = self._db.rows("SELECT lines FROM log_lines WHERE stream=? ORDER BY number", row)
        return [_event(fields) for (lines,) in rows for fields in json.loads(lines)]


def _keep_stream(db: sqlite3.Connection, name: tuple[str, str, str, str], stream: Any) -> None:
    if stream is None or not stream.row:
        _forget_stream(db, name)
    if stream is None:
        return
    state = pickles.dump(stream)
    if stream.row:
        db.execute("UPDATE log_streams SET state=? WHERE id=?", (state, stream.row))
    else:
        sql = "INSERT INTO log_streams (account, region, log_group, name, state) VALUES (?,?,?,?,?)"
        stream.row = db.execute(sql, (*name, state)).lastrowid
    new = stream.events[stream.written :]
    if new:
        lines = json.dumps([(one.event_id, one.ingestion_time, one.timestamp, one.message) for one in new])
        db.execute("INSERT INTO log_lines VALUES (?,?,?)", (stream.row, new[0].event_id, lines.encode()))
        stream.written += len(new)


def _forget_stream(db: sqlite3.Connection, name: tuple[str, str, str, str]) -> None:
    db.execute(f"DELETE FROM log_lines WHERE stream IN (SELECT id FROM log_streams WHERE {_OF_STREAM})", name)
    db.execute(f"DELETE FROM log_streams WHERE {_OF_STREAM}", name)


def _forget_group(db: sqlite3.Connection, key: tuple[str, str, str]) -> None:
    of_group = "account=? AND region=? AND log_group=?"
    db.execute(f"DELETE FROM log_lines WHERE stream IN (SELECT id FROM log_streams WHERE {of_group})", key)
    db.execute(f"DELETE FROM log_streams WHERE {of_group}", key)
    db.execute("DELETE FROM log_groups WHERE account=? AND region=? AND name=?", key)


def _event(fields: list[Any]) -> Any:
    event = logs.LogEvent.__new__(logs.LogEvent)
    event.event_id, event.ingestion_time, event.timestamp, event.message = fields
    return event


def _parts(arn: str) -> tuple[str, str, str]:
    """Account, region and name of a log group's ARN."""
    _, _, _, region, account, _, name = arn.split(":", 6)
    return account, region, name
