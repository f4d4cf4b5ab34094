"""python3 -m sagelab.lake: the first process of a host; it does one thing, and tells by a socket what came of it.

The local cloud sends what is asked for, with keys of who asked; it believes nothing of what comes back but
numbers and words.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import asdict
from typing import Any

from sagelab.functions import wire
from sagelab.lake import clients, errors, records
from sagelab.lake.query import Query, Request

SOCKET = "SAGELAB_LAKE"
EVERY = 0.2  # seconds between two reports of how much was read


class Channel:
    """The way back: messages of one thread at a time."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self._lock, self._told = threading.Lock(), 0.0

    def tell(self, kind: str, document: Any = None, **head: Any) -> None:
        payload = b"" if document is None else json.dumps(document).encode()
        with self._lock:
            wire.send(self.socket, {"kind": kind, **head}, payload)

    def send(self, kind: str, payload: bytes, **head: Any) -> None:
        with self._lock:
            wire.send(self.socket, {"kind": kind, **head}, payload)

    def ask(self, document: dict[str, Any]) -> dict[str, Any]:
        """What the local cloud answers; of one thread alone."""
        self.tell("ask", document)
        _, payload = wire.receive(self.socket)
        found: dict[str, Any] = json.loads(payload)
        return found

    def progress(self, scanned: int) -> None:
        now = time.monotonic()
        if now - self._told > EVERY:
            self._told = now
            self.tell("progress", scanned=scanned)


def main() -> None:
    channel = Channel(os.environ.pop(SOCKET))
    head, payload = wire.receive(channel.socket)
    asked = json.loads(payload)
    client = clients.make(head["url"], head["region"])
    try:
        if head["kind"] == "records":
            outcome = records.work(asked, records.receive(channel.socket), channel.send)
        elif head["kind"] == "warehouse":
            outcome = _warehouse(channel, asked, client)
        else:
            outcome = _query(channel, asked, client) if head["kind"] == "query" else _crawl(channel, asked, client)
        channel.tell("done", outcome)
    except BaseException as error:
        fault = errors.explain(error)
        words = {"reason": fault.reason, "kind": fault.kind, "category": fault.category}
        channel.tell("failed", words | {"cutoff": isinstance(fault, errors.Cutoff)})


def _query(channel: Channel, asked: dict[str, Any], client: Any) -> dict[str, Any]:
    tell = lambda kind, word: channel.tell("statement", type=kind, word=word)  # noqa: E731
    query = Query(Request(**asked), client, tell, channel.ask)
    query.objects.on_read = channel.progress
    try:
        return asdict(query.run())
    finally:
        channel.tell("progress", scanned=query.objects.scanned)


def _warehouse(channel: Channel, asked: dict[str, Any], client: Any) -> dict[str, Any]:
    from sagelab.lake.warehouse import Asked, Warehouse

    return Warehouse(Asked(**asked), client, channel.ask, channel.tell).run()


def _crawl(channel: Channel, asked: dict[str, Any], client: Any) -> dict[str, Any]:
    from sagelab.lake.crawler import Crawl

    return Crawl(asked, client, lambda line: channel.tell("line", text=line[:2000])).run()


if __name__ == "__main__":
    main()
