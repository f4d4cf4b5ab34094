"""The process of a model server: it loads, listens, and serves until SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sagelab.serving.access_log import AccessLog
from sagelab.serving.connections import Workers
from sagelab.serving.errors import BadModel

FINISH = 10  # seconds that requests in flight have after SIGTERM
BACKLOG = 1024  # connections that may wait to be accepted

Start = Callable[[AccessLog, Callable[[], None]], list[Workers]]


def run(start: Start) -> NoReturn:
    """Exit code 0 after SIGTERM, 1 for a model that cannot be served, with its reason on stderr.

    start: loads and begins to answer; it calls its second argument before the first answer.
    """
    serving, asked_to_end = _watch_signals()
    log = AccessLog()
    try:
        workers = start(log, serving)
    except BadModel as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    asked_to_end()
    for each in workers:
        each.close(FINISH)
    log.close()
    sys.stderr.flush()
    # A handler that goes on for longer than FINISH, or TensorFlow's own threads, would hold a plain exit up.
    os._exit(0)


def _watch_signals() -> tuple[Callable[[], None], Callable[[], None]]:
    """Two functions: SIGTERM and SIGINT end the process until the first is called; the second waits for one."""
    reader, writer = os.pipe()
    serves = threading.Event()

    def note(*_: int | FrameType | None) -> None:
        if not serves.is_set():
            os._exit(0)
        os.write(writer, b".")

    def wait() -> None:
        os.read(reader, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return serves.set, wait


def listen(path: Path | None, port: int | None) -> list[socket.socket]:
    """Listeners on a unix socket, a TCP port of the loopback, or both. BadModel: they cannot be had."""
    found = [_unix(path)] if path else []
    return found + ([tcp(port)] if port is not None else [])


def say(listeners: list[socket.socket]) -> None:
    """Tell where it listens."""
    print(f"Listening on {', '.join(map(_name, listeners))}", flush=True)


def _unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        raise BadModel(f"cannot listen on {path}: {error}") from None
    return listener


def tcp(port: int) -> socket.socket:
    """A listener on a port of the loopback; 0: on any. BadModel: it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise BadModel(f"cannot listen on port {port}: {error}") from None
    return listener


def _name(listener: socket.socket) -> str:
    where = listener.getsockname()
    return where if isinstance(where, str) else f"port {where[1]}"
