"""Why a replication fails, in PostgreSQL's, SQLite's or S3's words, and whether another try may succeed."""

from __future__ import annotations

import sqlite3
from typing import Any

WORDS = 1000
NO_TABLES = (
    "No tables were found at task initialization. Either the selected table(s) or schemas(s) no longer exist or no"
    " match was found for the table selection pattern(s). If you would like to start a Task that does not"
    " initially capture any tables, set Task Setting FailOnNoTablesCaptured to false and restart task."
)
# SQLSTATE's classes of which a server gets over by itself: connections, resources, an operator, and a slot in use.
_PASSING = ("08", "53", "57", "55006")
# What a server that refuses a connection says of itself alone; whatever else it says is about who asks.
_BUSY = ("starting up", "shutting down", "in recovery", "too many clients", "remaining connection slots")
_DENIED = (
    "AccessDenied",
    "NoSuchBucket",
    "AllAccessDisabled",
    "InvalidAccessKeyId",
    "403",
    "404",
    "PermanentRedirect",
)


class Fault(Exception):
    """again: whether another try may succeed. table: whose fault it is."""

    def __init__(self, reason: str, *, again: bool = False, table: tuple[str, str] | None = None) -> None:
        super().__init__(reason)
        self.again, self.table = again, table


class Stopped(Exception):
    """The task is to end before its work is done."""


def explain(error: BaseException) -> dict[str, Any]:
    """What the local cloud is told of an error."""
    if isinstance(error, Fault):
        return {"reason": str(error)[:WORDS], "again": error.again, "table": error.table}
    return {"reason": words_of(error), "again": _passes(error), "table": None}


def words_of(error: BaseException) -> str:
    """An error's own words, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:WORDS]


def of_connection(words: str) -> Fault:
    """A server that cannot be reached, or lets nobody in."""
    return Fault(words, again="FATAL:" not in words or any(busy in words for busy in _BUSY))


def of_target(key: str, error: Exception) -> Fault:
    """A file that S3 does not take."""
    found = getattr(error, "response", {}).get("Error", {})
    code = str(found.get("Code", type(error).__name__))
    words = " ".join(str(found.get("Message", error)).split())
    reason = f"Failed to put file {key[:300]!r} AWS Error Code: {code}, AWS Error Message: {words}"
    return Fault(reason[:WORDS], again=code not in _DENIED)


def _passes(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None)
    if state:
        return str(state).startswith(_PASSING)
    if isinstance(error, sqlite3.OperationalError):
        return "locked" in str(error) or "busy" in str(error)
    lost = type(error).__name__ == "OperationalError"  # psycopg's, without a state: the connection is gone
    return lost or isinstance(error, ConnectionError | TimeoutError)
