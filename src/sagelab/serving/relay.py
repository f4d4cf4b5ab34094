"""The way into a container of the learner's own: from a Unix socket to the port that its server listens on.

`python3 -m sagelab.serving.relay SOCKET PORT` runs beside `serve`. Such a container has a network of its own, so
that every one can have its port 8080; the socket is the only way in. Standard library alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

PIECE = 1 << 16


async def relay(path: Path, port: int) -> None:
    """Connect everyone who comes to the socket with the port, until the process is ended."""

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                there, back = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return  # `serve` does not listen yet; who asked will come again
            with contextlib.closing(back):
                await _until_one_ends(_pass(reader, back), _pass(there, writer))

    server = await asyncio.start_unix_server(join, path)
    await server.serve_forever()


async def _until_one_ends(*passes: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.create_task(each) for each in passes]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `serve` is asked to end too, and may still answer
    asyncio.run(relay(Path(sys.argv[1]), int(sys.argv[2])))
