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
from typing import Any

from sagelab import relay

TIMEOUT = 60.0  # seconds for one invocation, as the service has it
PART = 1 << 16
KEPT = 32  # connections that wait for the next request; a container may hold a thread for each
LINE = 1 << 16
BODYLESS = (204, 304)


@dataclass(frozen=True)
class Reply:
    """What a server answered. seconds: from the first byte sent to the last read (in a stream: of the head)."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class ServerUnavailable(Exception):
    """The server did not answer: it died, or took longer than an invocation may."""

    def __init__(self, message: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


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
                status, names = connection.ask(method, path, headers, body)
                data = b"".join(connection.parts())
            except (OSError, ValueError) as error:
                connection.close()
                if connection.used and not fresh and not isinstance(error, TimeoutError):
                    continue  # the server closed a connection that was kept for too long
                raise _gone(error) from None
            self._keep(connection)
            return Reply(status, names, data, time.perf_counter() - start)
        raise AssertionError("a fresh connection is not tried again")

    def stream(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """One request, and its answer as it comes: the Reply has no body.

        ServerUnavailable: no answer, or no end of it.
        """
        start, connection = time.perf_counter(), _Connection(self._path, self._timeout)
        try:
            status, names = connection.ask("POST", path, headers, body)
        except (OSError, ValueError) as error:
            connection.close()
            raise _gone(error) from None
        return Reply(status, names, b"", time.perf_counter() - start), _until_closed(connection)

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
    """HTTP/1.1 over a Unix socket, no more of it than an answer needs: http.client takes as long as a small model.

    used: it has carried a request before. peer: the pid of who listens. kept: the server takes another request.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path, self._timeout, self.used, self.kept, self.peer = path, timeout, False, True, 0
        self._left: int | None = None  # bytes of the body; None: it comes in chunks, or until the server hangs up
        self._chunked = False
        self._socket: socket.socket | None = None
        self._answer: Any = None

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Send a request; its answer's status, and headers by lower-case name. ValueError: it is not HTTP."""
        named = {"Host": "model", **headers, "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header has a line break")
        self._dialled().sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
        status, names = self._read_head()
        while status < 200:  # 100 Continue and its like
            status, names = self._read_head()
        self._frame(method, status, names)
        return status, names

    def parts(self) -> Iterator[bytes]:
        """The answer's body. OSError, ValueError: it breaks off."""
        if self._chunked:
            yield from self._chunks()
        elif self._left is None:
            while part := self._answer.read1(PART):
                yield part
        while self._left:
            part = self._answer.read1(min(self._left, PART))
            if not part:
                raise ConnectionError("the server hung up in the middle of its answer")
            self._left -= len(part)
            yield part

    def close(self) -> None:
        if self._socket:
            self._answer.close()
            self._socket.close()

    def _dialled(self) -> socket.socket:
        if self._socket is None:
            self._socket = relay.dial(self._path)
            self._socket.settimeout(self._timeout)
            self._answer = self._socket.makefile("rb", PART)
            self._note_peer(self._socket)
        return self._socket

    def _note_peer(self, connection: socket.socket) -> None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.peer = struct.unpack("3i", credentials)[0]

    def _read_head(self) -> tuple[int, dict[str, str]]:
        version, status, *_ = self._line().split(" ", 2)
        self.kept = version == "HTTP/1.1"
        names: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            names[name.lower()] = value.strip()
        return int(status), names

    def _line(self) -> str:
        line: bytes = self._answer.readline(LINE)
        if not line.endswith(b"\n"):
            raise ConnectionError("the server hung up" if len(line) < LINE else "a line of its answer is too long")
        return line.decode("latin-1").rstrip("\r\n")

    def _frame(self, method: str, status: int, names: dict[str, str]) -> None:
        """How the end of the body is found."""
        length = names.get("content-length")
        self._chunked = names.get("transfer-encoding", "").lower() == "chunked"
        self._left = None if length is None or self._chunked else int(length)
        if method == "HEAD" or status in BODYLESS:
            self._chunked, self._left = False, 0
        ends = self._chunked or self._left is not None
        self.kept = self.kept and ends and names.get("connection", "").lower() != "close"

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().partition(";")[0], 16):
            part = self._answer.read(size)
            if len(part) < size:
                raise ConnectionError("the server hung up in the middle of its answer")
            yield part
            self._line()
        while self._line():
            pass  # trailers


def _until_closed(connection: _Connection) -> Iterator[bytes]:
    try:
        yield from connection.parts()
    except (OSError, ValueError) as error:
        raise _gone(error) from None
    finally:
        connection.close()


def _gone(error: Exception) -> ServerUnavailable:
    return ServerUnavailable(str(error), isinstance(error, TimeoutError))
