"""The server of the front door: a thread a connection, and an answer even where no file descriptor is left."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
from contextlib import suppress
from typing import Any

from werkzeug.serving import ThreadedWSGIServer

from sagelab.cloud.gateway.http.handler import RequestHandler

_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b"
)
_REASON = b"The local cloud has no file descriptor left for another connection; close some and try again.\n"

TIMEOUT = 0.1  # seconds for one that is refused

_log = logging.getLogger("sagelab")


class Server(ThreadedWSGIServer):
    """Serves `app` at a socket that listens.

    One descriptor is held back. Where none is left it is given up for a moment, so that a connection is refused
    in words: left in the queue it would wait without an end, and be accepted again and again in vain.
    """

    multithread = True
    daemon_threads = True

    def __init__(self, listener: socket.socket, app: Any) -> None:
        _raise_limit()
        self._spare: int | None = None
        host, port = listener.getsockname()
        super().__init__(host, port, app, handler=RequestHandler, fd=listener.fileno())
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
            connection.sendall(_REFUSAL % (len(_REASON), _REASON))
            connection.recv(1 << 16)  # else what it has sent would make the kernel take the refusal back
            _log.warning("a connection was refused: no file descriptor is left")
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def server_close(self) -> None:
        super().server_close()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


def _raise_limit() -> None:
    """As many open files as the user may have: shells set less, for programs that know no more than 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
