"""The way between the host and the local cloud: what is told, what is asked, and the word to stop."""

from __future__ import annotations

import json
import select
import socket
from typing import Any

from sagelab.functions import wire


class Channel:
    """stopping: whether the local cloud has said so."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.stopping = False

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> tuple[dict[str, Any], Any]:
        head, payload = wire.receive(self.socket)
        return head, json.loads(payload) if payload else None

    def tell(self, kind: str, document: Any = None) -> None:
        payload = b"" if document is None else json.dumps(document).encode()
        wire.send(self.socket, {"kind": kind}, payload)

    def ask(self, what: str, **document: Any) -> dict[str, Any]:
        """What the local cloud answers, once it has kept what it is told."""
        self.tell("ask", document | {"what": what})
        while True:
            head, found = self.receive()
            if head["kind"] == "answer":
                return found if isinstance(found, dict) else {}
            self._take(head)

    def look(self) -> bool:
        """Whether the task is to stop."""
        while select.select([self.socket], [], [], 0)[0]:
            self._take(self.receive()[0])
        return self.stopping

    def _take(self, head: dict[str, Any]) -> None:
        self.stopping = self.stopping or head["kind"] == "stop"
