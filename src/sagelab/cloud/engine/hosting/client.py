"""The way to one model server: HTTP over a Unix socket, on connections that are kept.

SageMaker's hosting contract is HTTP between the platform and a container; this is the one place where the engine
speaks it.
"""

from __future__ import annotations

import queue
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sagelab import relay
from sagelab.http1 import Asked, Message

TIMEOUT = 60.0  # seconds for one invocation, as the service has it
LARGEST = 128 << 20  # bytes of an answer: it is in memory
PRIMARY = "primary"  # the name of the only container of an instance
KEPT = 32  # connections that wait for the next request; a container may hold a thread for each


@dataclass(frozen=True)
class Hop:
    """What one of several containers did for an invocation. seconds: as of a Reply."""

    container: str
    status: int
    seconds: float


@dataclass(frozen=True)
class Reply:
    """What a server answered. seconds: from the first byte sent to the last read (in a stream: of the head).

    container: whose answer it is. hops: what led to it, where an instance has several containers; seconds is then
    the sum of theirs.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    container: str = PRIMARY
    hops: tuple[Hop, ...] = ()


class ServerUnavailable(Exception):
    """The server did not answer: it died, or took longer than an invocation may. container: which one.

    silent: it went before it said a word, so another server can be asked the same.
    """

    def __init__(self, message: str, timed_out: bool = False, silent: bool = False) -> None:
        super().__init__(message)
        self.timed_out, self.silent, self.container = timed_out, silent, PRIMARY


class Channel:
    """Requests to the server that listens on `path`. peer: its pid on this machine, once it has answered.

    timeout: seconds that one may take.
    """

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path, self._timeout, self.peer = path, timeout, 0
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """One request and its whole answer. ServerUnavailable: there is none."""
        start = time.perf_counter()
        for fresh in (False, True):
            connection = self._connect(fresh)
            try:
                answer = connection.ask(method, path, headers, body)
                data = _join(connection.parts(answer), start + self._timeout)
            except (OSError, ValueError) as error:
                connection.close()
                if connection.used and not fresh and not isinstance(error, TimeoutError):
                    continue  # the server closed a connection that was kept for too long
                raise _gone(error, connection) from None
            self._keep(connection)
            return Reply(answer.status, answer.fields, data, time.perf_counter() - start)
        raise AssertionError("a fresh connection is not tried again")

    def stream(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """One request, and its answer as it comes: the Reply has no body.

        ServerUnavailable: no answer, or no end of it.
        """
        start, connection = time.perf_counter(), _Connection(self._path, self._timeout)
        try:
            answer = connection.ask("POST", path, headers, body)
        except (OSError, ValueError) as error:
            connection.close()
            raise _gone(error, connection) from None
        reply = Reply(answer.status, answer.fields, b"", time.perf_counter() - start)
        return reply, _until_closed(connection, answer)

    def forget(self) -> None:
        """Close what is kept: the server has ended."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _connect(self, fresh: bool) -> _Connection:
        try:
            if not fresh:
                return self._idle.get_nowait()
        except queue.Empty:
            pass
        return _Connection(self._path, self._timeout)

    def _keep(self, connection: _Connection) -> None:
        self.peer = connection.peer
        if connection.kept and self._idle.qsize() < KEPT:
            connection.used = True
            self._idle.put(connection)
        else:
            connection.close()


class _Connection:
    """One connection to the server, dialled when it is first needed.

    used: it has carried a request before. peer: the pid of who listens. kept: the server takes another request.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path, self._timeout, self.used, self.kept, self.peer = path, timeout, False, False, 0
        self._socket: socket.socket | None = None
        self._asked: Asked | None = None

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Message:
        """Send a request; the head of its answer. OSError, ValueError: there is none."""
        named = {"Host": "model", **headers}
        answer = self._dialled().ask(method, path, named.items(), body)
        self.kept = answer.kept
        return answer

    def parts(self, answer: Message) -> Iterator[bytes]:
        """The answer's body. OSError, ValueError: it breaks off."""
        return self._dialled().body(answer)

    @property
    def heard(self) -> bool:
        """Whether something of an answer to the last request has come."""
        return self._asked is not None and self._asked.heard

    def close(self) -> None:
        if self._socket:
            self._socket.close()

    def _dialled(self) -> Asked:
        if self._asked is None:
            self._socket = relay.dial(self._path)
            self._socket.settimeout(self._timeout)
            credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            self.peer = struct.unpack("3i", credentials)[0]
            self._asked = Asked(self._socket)
        return self._asked


def _join(parts: Iterator[bytes], until: float) -> bytes:
    """A whole body. ValueError: it is too large. TimeoutError: its end has not come then (perf_counter)."""
    found, size = [], 0
    for part in parts:
        found.append(part)
        size += len(part)
        if size > LARGEST:
            raise ValueError(f"the answer is larger than {LARGEST >> 20} MB")
        if time.perf_counter() > until:
            raise TimeoutError("timed out")
    return b"".join(found)


def _until_closed(connection: _Connection, answer: Message) -> Iterator[bytes]:
    try:
        yield from connection.parts(answer)
    except (OSError, ValueError) as error:
        raise _gone(error, connection) from None
    finally:
        connection.close()


def _gone(error: Exception, connection: _Connection) -> ServerUnavailable:
    timed_out = isinstance(error, TimeoutError)
    silent = isinstance(error, OSError) and not timed_out and not connection.heard
    return ServerUnavailable(str(error), timed_out, silent)
