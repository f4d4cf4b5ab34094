"""The way to one model server: HTTP over a Unix socket, on connections that are kept.

SageMaker's hosting contract is HTTP between the platform and a container; this is the one place where the engine
speaks it.
"""

from __future__ import annotations

import http.client
import queue
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sagelab.workbench import relay

PATIENCE = 60.0  # seconds for one invocation, as the service has it
PART = 1 << 16


@dataclass(frozen=True)
class Reply:
    """What a server answered. seconds: from the first byte sent to the last read (in a stream: of the head)."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Gone(Exception):
    """The server did not answer: it died, or took longer than an invocation may."""

    def __init__(self, message: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Channel:
    """Requests to the server that listens on `path`. peer: its pid on this machine, once it has answered.

    patience: seconds that one may take.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._path, self._patience, self.peer = path, patience, 0
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """One request and its whole answer. Gone: there is none."""
        start = time.perf_counter()
        for fresh in (False, True):
            connection = self._connect(fresh)
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if connection.used and not fresh and not isinstance(error, TimeoutError):
                    continue  # the server closed a connection that was kept for too long
                raise Gone(str(error), isinstance(error, TimeoutError)) from None
            self._keep(connection)
            return Reply(answer.status, _names(answer), data, time.perf_counter() - start)
        raise AssertionError("a fresh connection is not tried again")

    def stream(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """One request, and its answer as it comes: the Reply has no body. Gone: no answer, or no end of it."""
        start, connection = time.perf_counter(), _Connection(self._path, self._patience)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Gone(str(error), isinstance(error, TimeoutError)) from None
        return Reply(answer.status, _names(answer), b"", time.perf_counter() - start), _parts(connection, answer)

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
        return _Connection(self._path, self._patience)

    def _keep(self, connection: _Connection) -> None:
        connection.used = True
        self.peer = connection.peer
        self._idle.put(connection)


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket. used: it has carried a request before. peer: the pid of who listens."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("model", timeout=patience)
        self._path, self.used, self.peer = path, False, 0

    def connect(self) -> None:
        self.sock = relay.dial(self._path)
        self.sock.settimeout(self.timeout)
        credentials = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.peer = struct.unpack("3i", credentials)[0]


def _parts(connection: _Connection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while part := answer.read1(PART):
            yield part
    except (OSError, http.client.HTTPException) as error:
        raise Gone(str(error), isinstance(error, TimeoutError)) from None
    finally:
        connection.close()


def _names(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}
