"""The stream of changes of a replication slot: PostgreSQL's replication protocol, over libpq.

https://www.postgresql.org/docs/current/protocol-replication.html
"""

from __future__ import annotations

import re
import select
import struct
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import pq

from sagelab.replication.errors import Fault

_DATA, _ALIVE = struct.Struct(">cQQQ"), struct.Struct(">cQQB")
_ANSWER, _LENGTH = struct.Struct(">cQQQQB"), struct.Struct(">I")
EPOCH = 946_684_800  # 2000-01-01, from which PostgreSQL counts
EVERY = 10.0  # seconds between two words to the server
MEMORY = 16 << 20  # bytes of a transaction that are not on disk
_BEGIN = re.compile(r"BEGIN (\d+)")
_COMMIT = re.compile(r"COMMIT (\d+) \(at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)\+00\)")
IN_USE = "55006"


class Commit:
    """A transaction that is committed. time: "2026-11-30 12:00:00.123456", in UTC."""

    def __init__(self, position: int, time: str, spool: Any) -> None:
        self.position, self.time, self._spool = position, time, spool

    def lines(self) -> Iterator[str]:
        with self._spool as spool:
            spool.seek(0)
            while size := spool.read(_LENGTH.size):
                yield spool.read(_LENGTH.unpack(size)[0]).decode()


class Stream:
    """`next` is called by one thread. xid: of the transaction that it gave last."""

    def __init__(self, connection: psycopg.Connection[Any], slot: str, position: int) -> None:
        self._connection, self._pg = connection, connection.pgconn
        self._position, self._confirmed, self._told = position, position, 0.0
        self._spool: Any = None
        self.xid = 0
        options = "\"include-xids\" 'on', \"include-timestamp\" 'on', \"skip-empty-xacts\" 'on'"
        start = f'START_REPLICATION SLOT "{slot}" LOGICAL {position >> 32:X}/{position & 0xFFFFFFFF:X} ({options})'
        result = self._pg.exec_(start.encode())
        if result.status != pq.ExecStatus.COPY_BOTH:
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            words = " ".join(result.error_message.decode("utf-8", "replace").split())
            raise Fault(words, again=state == IN_USE)

    def close(self) -> None:
        self._connection.close()

    def confirm(self, position: int) -> None:
        """What came up to a position is kept elsewhere."""
        self._confirmed = max(self._confirmed, position)
        self._say()

    def next(self, seconds: float, wake: Any) -> Commit | None:
        """The next transaction; None: there is none within so long, or `wake` has something to read."""
        until = time.monotonic() + seconds
        while True:
            size, data = self._pg.get_copy_data(1)
            if size > 0:
                if found := self._take(bytes(data)):
                    return found
                continue
            if size == -1:
                raise self._ended()
            left = until - time.monotonic()
            if left <= 0:
                return None
            ready = select.select([self._pg.socket, wake], [], [], min(left, EVERY))[0]
            if time.monotonic() - self._told > EVERY:
                self._say()
            if self._pg.socket in ready:
                self._pg.consume_input()
            elif wake in ready:
                return None

    def _ended(self) -> Fault:
        words = self._pg.error_message.decode("utf-8", "replace") if hasattr(self._pg, "error_message") else ""
        result = self._pg.get_result()
        said = result.error_message.decode("utf-8", "replace") if result else words
        return Fault(" ".join(said.split()) or "The server has ended the replication.", again=True)

    def _take(self, data: bytes) -> Commit | None:
        if data[:1] == b"k":
            _, end, _, wanted = _ALIVE.unpack(data[: _ALIVE.size])
            if self._spool is None and self._position == self._confirmed:
                self._position = self._confirmed = max(self._confirmed, end)  # of it nothing was for this slot
            if wanted:
                self._say()
            return None
        _, start, _, _ = _DATA.unpack(data[: _DATA.size])
        return self._read(start, data[_DATA.size :])

    def _read(self, start: int, line: bytes) -> Commit | None:
        if line.startswith(b"table "):
            if self._spool is None:
                raise Fault("A change came outside of a transaction.")
            self._spool.write(_LENGTH.pack(len(line)) + line)
            return None
        text = line.decode()
        if found := _BEGIN.match(text):
            self.xid, self._spool = int(found[1]), tempfile.SpooledTemporaryFile(MEMORY)  # noqa: SIM115
            return None
        if not (found := _COMMIT.match(text)) or self._spool is None:
            raise Fault(f"A line that is none of test_decoding's: {text[:80]!r}")
        spool, self._spool, self._position = self._spool, None, start
        seconds, _, part = found[2].partition(".")
        return Commit(start, f"{seconds}.{part.ljust(6, '0')}", spool)

    def _say(self) -> None:
        self._told = time.monotonic()
        now = round((time.time() - EPOCH) * 1_000_000)
        self._pg.put_copy_data(_ANSWER.pack(b"r", self._confirmed, self._confirmed, self._confirmed, now, 0))
        self._pg.flush()
