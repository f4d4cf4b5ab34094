"""The server of the front door: a thread a connection, and an answer even where no file descriptor is left.

Connections are kept: a notebook makes thousands of small calls. HTTP and TLS come to one port: the first byte of a
connection tells which, and its own thread makes the handshake, so that nobody waits for one that is slow.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from email.utils import formatdate
from functools import cache, lru_cache, partial
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from httptools import HttpRequestParser

from sagelab.cloud.engine.vpc.sources import Source
from sagelab.cloud.errors import TooManyConnections
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.spool import Spool
from sagelab.cloud.gateway.wire.faults import Answer, fault, protocol_of
from sagelab.http1 import PIECE, Message, Reader, Refused, Served, head

REFUSAL = TooManyConnections(
    "The local cloud has no file descriptor left for another connection; close some and try again."
)
TIMEOUT = 0.1  # seconds for a step of one that is refused
IDLE = 60  # seconds that a connection may be silent
HANDSHAKE = 10  # seconds that one may take, all of it
HELLO = b"\x16"  # how TLS begins, and no method of HTTP
# A fatal internal_error, for who was refused before a handshake: https://www.rfc-editor.org/rfc/rfc8446#section-6
ALERT = b"\x15\x03\x01\x00\x02\x02\x50"

_log = logging.getLogger("sagelab")


class Server(ThreadingTCPServer):
    """Answers the requests that come over a socket that listens, and over connections that are handed in.

    spool: where large bodies go.
    tls: makes what handshakes go by, at the first one; None: there are none, and whoever begins one is hung up on.

    One descriptor is held back. Where none is left it is given up for a moment, so that a connection is refused
    in words: left in the queue it would wait without an end, and be accepted again and again in vain.
    """

    daemon_threads = True

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[Request], Answer],
        spool: Spool,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        _raise_limit()
        self._tls = cache(tls) if tls else None
        self._answer, self._spool = answer, spool
        self._spare: int | None = None
        super().__init__(listener.getsockname(), BaseRequestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener.dup()
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            if self._spare is None:  # it was given up, and could not be had again at once
                self._spare = os.open(os.devnull, os.O_RDONLY)
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._refuse()
            raise

    def take(self, connection: socket.socket, source: Source) -> None:
        """Answer what comes over a connection of this process, for a host in a VPC."""
        self.process_request(connection, source)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer what comes over one connection until it ends. client_address: a Source, of one handed in."""
        source = client_address if isinstance(client_address, Source) else None
        request.settimeout(IDLE)
        if request.family != socket.AF_UNIX:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # whoever has gone needs no answer
            if request.recv(1, socket.MSG_PEEK) == HELLO:
                with self._shaken(request) as secured:
                    self._converse(Served(secured), "https", source)
            else:
                self._converse(Served(request), "http", source)

    @contextmanager
    def _shaken(self, connection: socket.socket) -> Iterator[ssl.SSLSocket]:
        """The connection by TLS. OSError: there was no handshake."""
        if self._tls is None:
            raise ConnectionRefusedError("TLS is not spoken here")
        connection.settimeout(HANDSHAKE)
        with self._tls().wrap_socket(connection, server_side=True) as secured:
            secured.settimeout(IDLE)
            yield secured
            secured.shutdown(socket.SHUT_WR)

    def _converse(self, served: Served, scheme: str, source: Source | None) -> None:
        try:
            while (message := served.next()) is not None:
                self._serve(served, message, scheme, source)
                if not message.kept:
                    break
        except Refused as error:
            served.refuse(error.status)

    def _serve(self, served: Served, message: Message, scheme: str, source: Source | None) -> None:
        with closing(Request(message, partial(served.body, message), self._spool, scheme)) as request:
            request.source = source
            answer = self._answer(request)
            headers = answer.headers
            if not any(name.lower() == "date" for name, _ in headers):
                headers = [*headers, ("Date", _date(int(time.time())))]
            if answer.stream is None:
                served.answer(message, answer.status, headers, answer.body)
            else:
                with closing(answer.stream) as parts:
                    served.answer(message, answer.status, headers, parts)
        if not message.whole:
            served.hang_up()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's names
        _log.exception("a connection ended in the middle of an answer")

    def _refuse(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.settimeout(TIMEOUT)
            connection.sendall(self._refusal(connection))
            connection.shutdown(socket.SHUT_WR)
            connection.recv(PIECE)  # else what it has sent would make the kernel take the refusal back
            _log.warning("a connection was refused: no file descriptor is left")
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def _refusal(self, connection: socket.socket) -> bytes:
        """The answer in the form that the caller's protocol has for an error, as far as its head came at once."""
        said = b""
        with suppress(TimeoutError):
            said = connection.recv(PIECE)
        if said.startswith(HELLO):
            return ALERT
        come = iter((said, b""))
        message = Message()
        with suppress(Refused):
            message = Reader(lambda _: next(come, b""), HttpRequestParser).next() or message
        with closing(Request(message, lambda: (), self._spool)) as request:
            answer = fault(REFUSAL, protocol_of(request), request.path)
        lines = [("Content-Length", str(len(answer.body))), ("Retry-After", "1"), ("Connection", "close")]
        body = b"" if message.method == "HEAD" else answer.body
        return head("HTTP/1.1 503 Service Unavailable", [*answer.headers, *lines]) + body

    def server_close(self) -> None:
        super().server_close()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _raise_limit() -> None:
    """As many open files as the user may have: shells set less, for programs that know no more than 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
