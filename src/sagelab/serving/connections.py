"""HTTP/1.1 as far as a container of SageMaker's needs it, with no more between a request and its model than there
must be.

A few workers share an epoll: the one that is told of a request reads it, answers it and writes the answer, so that
nothing is handed from thread to thread, and however many connections there are, no more threads compute.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

HEAD_LIMIT = 1 << 16
PIECE = 1 << 18
LAST_READ, DRAINED = 1.0, 1 << 24  # seconds and bytes, of who is refused
TIMEOUT = 60  # seconds for the rest of a request once it has begun, and for each part of an answer to be taken
ONCE = select.EPOLLIN | select.EPOLLONESHOT
GONE = 499  # as nginx notes a client that went away before its answer


@dataclass(frozen=True)
class Request:
    """One request. path: decoded, without the query. headers: by lower-case name."""

    method: str
    path: str
    version: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """body: the whole answer, or its parts as they come; an error among them ends the connection."""

    body: bytes | Iterable[bytes]
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Request], Response]
Note = Callable[[Request, int, int], None]


class Refused(Exception):
    """What came is no request: the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.status = status


class Workers:
    """Threads that answer what comes over the listeners. note: called with each request, its status and bytes."""

    def __init__(self, listeners: Iterable[socket.socket], answer: Answer, note: Note, count: int) -> None:
        self._answer, self._note = answer, note
        self._epoll, self._listeners = select.epoll(), {one.fileno(): one for one in listeners}
        self._connections: dict[int, _Connection] = {}
        self._busy = 0
        self._closing = False
        self._changed = threading.Condition()
        for number, listener in self._listeners.items():
            listener.setblocking(False)
            self._epoll.register(number, ONCE)
        for number in range(count):
            threading.Thread(target=self._run, daemon=True, name=f"worker {number}").start()

    def close(self, seconds: float) -> None:
        """Take no more requests; return when the last answer is out, or after so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.wait_for(lambda: self._busy == 0, seconds)

    def _run(self) -> None:
        while True:
            for number, _ in self._epoll.poll(maxevents=1):
                with self._changed:
                    if self._closing:
                        return
                    self._busy += 1
                try:
                    self._serve(number)
                finally:
                    self._rest()

    def _rest(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _serve(self, number: int) -> None:
        if number in self._listeners:
            self._accept(self._listeners[number])
            return
        connection = self._connections[number]
        if connection.serve(self._answer, self._note) and not self._closing:
            self._epoll.modify(number, ONCE)
            return
        del self._connections[number]
        connection.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # it has hung up already, or there are no more file descriptors
            time.sleep(0.01)
        else:
            self._connections[client.fileno()] = _Connection(client)
            self._epoll.register(client.fileno(), ONCE)
        self._epoll.modify(listener.fileno(), ONCE)


class _Connection:
    """One client; it may send one request after another."""

    def __init__(self, client: socket.socket) -> None:
        self._socket, self._rest = client, b""
        limit = struct.pack("ll", TIMEOUT, 0)
        client.setblocking(True)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        if client.family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def serve(self, answer: Answer, note: Note) -> bool:
        """Answer all requests that are there; whether the connection goes on."""
        going_on = self._serve_one(answer, note)
        while going_on and self._rest:
            going_on = self._serve_one(answer, note)
        return going_on

    def _serve_one(self, answer: Answer, note: Note) -> bool:
        try:
            head = self._read_head()
            if head is None:
                return False
            request = _request(head)
        except Refused as error:
            return self._refuse(error.status)
        except OSError:
            return False
        return self._respond(request, answer, note)

    def _respond(self, request: Request, answer: Answer, note: Note) -> bool:
        status = size = 0
        try:
            request = self._with_body(request)
            response = answer(request)
            status = response.status
            size = self._write(response, request)
        except Refused as error:
            note(request, error.status, 0)
            return self._refuse(error.status)
        except OSError:  # the client went away, or takes nothing
            note(request, GONE, size)
            return False
        except Exception:  # an answer whose parts are the learner's own code broke off
            traceback.print_exc()
            note(request, 500, size)
            return False
        note(request, status, size)
        return _is_kept(request)

    def _read_head(self) -> bytes | None:
        """The request's first lines; None where the client has hung up. Refused: too long."""
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > HEAD_LIMIT:
                raise Refused(431)
            piece = self._socket.recv(PIECE)
            if not piece:
                return None
            data += piece
        if end > HEAD_LIMIT:
            raise Refused(431)
        self._rest = data[end + 4 :]
        return data[:end]

    def _with_body(self, request: Request) -> Request:
        if request.headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        coding, length = request.headers.get("transfer-encoding"), request.headers.get("content-length", "0")
        if coding is not None:
            if coding.lower() != "chunked" or "content-length" in request.headers:
                raise Refused(400)
            body = self._read_chunks()
        elif length.isascii() and length.isdigit():
            body = self._read(int(length))
        else:
            raise Refused(400)
        return Request(request.method, request.path, request.version, request.headers, body)

    def _read_chunks(self) -> bytes:
        parts = []
        while True:
            try:
                size = int(self._read_line().partition(b";")[0], 16)
            except ValueError:
                raise Refused(400) from None
            if size <= 0:
                break
            parts.append(self._read(size))
            self._read_line()
        while self._read_line():
            pass  # trailers
        return b"".join(parts)

    def _read_line(self) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            if len(self._rest) > HEAD_LIMIT:
                raise Refused(400)
            self._rest += self._receive(PIECE)
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    def _read(self, size: int) -> bytes:
        parts, self._rest = [self._rest[:size]], self._rest[size:]
        left = size - len(parts[0])
        while left:
            parts.append(self._receive(min(left, PIECE)))
            left -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _receive(self, size: int) -> bytes:
        piece = self._socket.recv(size)
        if not piece:
            raise ConnectionError("the client hung up in the middle of a request")
        return piece

    def _write(self, response: Response, request: Request) -> int:
        """Bytes of the body that went out."""
        body = response.body
        length = f"Content-Length: {len(body)}" if isinstance(body, bytes) else "Transfer-Encoding: chunked"
        extra = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        reason = HTTPStatus(response.status).phrase
        head = f"HTTP/1.1 {response.status} {reason}\r\nContent-Type: {response.kind}\r\n{length}\r\n{extra}\r\n"
        start = head.encode("latin-1", "replace")
        if isinstance(body, bytes):
            self._socket.sendall(start if request.method == "HEAD" else start + body)
            return len(body)
        self._socket.sendall(start)
        return self._write_parts(body)

    def _write_parts(self, parts: Iterable[bytes]) -> int:
        size = 0
        for part in filter(None, parts):
            self._socket.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            size += len(part)
        self._socket.sendall(b"0\r\n\r\n")
        return size

    def _refuse(self, status: int) -> bool:
        """Say so and hang up: where the next request would begin is not known."""
        try:
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            self._socket.sendall(head.encode())
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(LAST_READ)  # a client that still sends shall read its refusal first
            left = DRAINED
            while left > 0 and (piece := self._socket.recv(PIECE)):
                left -= len(piece)
        except OSError:
            pass
        return False


def _request(head: bytes) -> Request:
    """A request without its body. Refused: it is not HTTP."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refused(400)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refused(400)
        headers[name.lower()] = value.strip()
    path = words[1].partition("?")[0]
    return Request(words[0], unquote(path) if "%" in path else path, words[2][5:], headers, b"")


def _is_kept(request: Request) -> bool:
    wish = request.headers.get("connection", "").lower()
    return wish == "keep-alive" if request.version == "1.0" else wish != "close"
