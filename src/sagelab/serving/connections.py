"""What answers the requests to a container's model server, with no more between a request and its model than there
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
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote

from sagelab.http1 import Message, Refused, Served

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
        self._socket, self._served = client, Served(client)
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
        while going_on and self._served.waiting:
            going_on = self._serve_one(answer, note)
        return going_on

    def _serve_one(self, answer: Answer, note: Note) -> bool:
        try:
            message = self._served.next()
        except Refused as error:
            return self._refuse(error.status)
        except OSError:
            return False
        return message is not None and self._respond(message, answer, note)

    def _respond(self, message: Message, answer: Answer, note: Note) -> bool:
        status = size = 0
        request = _request(message, b"")
        try:
            request = _request(message, b"".join(self._served.body(message)))
            response = answer(request)
            status = response.status
            headers = [("Content-Type", response.kind), *response.headers.items()]
            size = self._served.answer(message, status, headers, response.body)
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
        return message.kept

    def _refuse(self, status: int) -> bool:
        with suppress(OSError):
            self._served.refuse(status)
        return False


def _request(message: Message, body: bytes) -> Request:
    path = message.target.partition("?")[0]
    path = unquote(path) if "%" in path else path
    return Request(message.method, path, message.version, message.fields, body)
