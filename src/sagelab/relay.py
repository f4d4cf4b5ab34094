"""Bytes both ways, between whoever connects to one socket and what listens on another.

It leads the browser to JupyterLab's socket, and a host in a network of its own to the local cloud. It reads
nothing of what it carries, so that web sockets pass as everything else does.

    python3 -m sagelab.relay SOCKET PORT

is the way into a container of the learner's own, beside its `serve`: that has a network of its own, so that every
one can have its port 8080, and the socket is the only way in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PART = 1 << 16
MOST = 512  # connections at a time


class Carrier:
    """Serves `listener` until it is closed; `carry` says what becomes of a connection, which then is closed."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._carried = 0
        self._loop, self._closed = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="relay")
        self._thread.start()

    def close(self) -> None:
        """Close the listener and every connection."""
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        """Until it is closed, which may be before it has begun: a loop that is told to stop may forget it then."""
        server = await asyncio.start_server(self._accept, sock=self._listener)
        await self._closed.wait()
        server.close()
        carried = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)

    async def _accept(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Each connection takes files of this process, which must not run out of them."""
        if self._carried >= MOST:
            back.close()
            return
        self._carried += 1
        try:
            await self.carry(here, back)
        except asyncio.CancelledError:
            return  # the carrier is closed; a task that says so would be logged as a fault
        finally:
            self._carried -= 1
            back.close()

    async def carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class Relay(Carrier):
    """To the other side of a connection. dial: a new one to it; OSError: there is none."""

    def __init__(self, listener: socket.socket, dial: Callable[[], socket.socket]) -> None:
        self._dial = dial
        super().__init__(listener)

    async def carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            there, forth = await asyncio.open_connection(sock=self._dial())
        except OSError:
            return
        try:
            await asyncio.gather(pump(here, back, forth), pump(there, forth, back))
        finally:
            forth.close()


async def pump(source: asyncio.StreamReader, way_back: asyncio.StreamWriter, target: asyncio.StreamWriter) -> None:
    """Pass on what comes, and its end. way_back: the writer of the source's own connection."""
    connection = way_back.get_extra_info("socket")
    with contextlib.suppress(OSError):
        while part := await source.read(PART):
            target.write(part)
            acknowledge(connection)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


def acknowledge(connection: socket.socket) -> None:
    """Say at once that a part has come.

    Whoever writes an answer in two packets waits for that with the second one (Nagle's algorithm), and the system
    would let it wait for 40 ms (RFC 1122, 4.2.3.2: delayed ACK).
    """
    if connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, for this user alone."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as name:
        listener.bind(name)
    path.chmod(0o600)
    listener.listen(128)
    return listener


def dial(path: Path) -> socket.socket:
    """A connection to the Unix socket at `path`; a link there is not followed. OSError: nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as name, _socket(name) as itself:
            connection.connect(itself)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a socket that fits its 107 bytes: by a file descriptor of its folder."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@contextmanager
def _socket(path: str) -> Iterator[str]:
    """A name of a socket that stays its own, whatever is put in its place. ConnectionRefusedError: it is none."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ConnectionRefusedError(f"{path} is no socket")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def main() -> None:
    """Carry until the host ends: SIGTERM is for `serve`, which may still answer after it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    path, port = Path(sys.argv[1]), int(sys.argv[2])
    Relay(listen(path), lambda: socket.create_connection(("127.0.0.1", port)))
    signal.pause()


if __name__ == "__main__":
    main()
