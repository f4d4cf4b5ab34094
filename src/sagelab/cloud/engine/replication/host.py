"""The host of a replication task: it reaches its source's server and the local cloud, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import ErrandHost, Message
from sagelab.cloud.engine.images.environments import PLAIN
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.errors import InternalServerError
from sagelab.functions import wire

DATABASE = "/srv/database"
MEMORY, DISK = 2 << 30, 16 << 30  # bytes


@dataclass(frozen=True)
class Errand:
    """What a host is to do. server: the only one that it reaches. folder: of a database of SQLite's."""

    kind: str
    asked: Message
    server: tuple[str, int] | None = None
    folder: Path | None = None


class ReplicationHost(ErrandHost):
    """`carry_out` once; `stop` and `kill` at any time. answer: what it asks, in that thread. hear: what it tells.

    role: whose keys it has.
    """

    runtime = Runtime("instances", ("boto3", "boto3.s3.transfer"), ("replication",), PLAIN)
    host, variable, ended = "dms", "SAGELAB_REPLICATION", "The process of the replication ended"

    def __init__(
        self,
        name: str,
        context: EngineContext,
        answer: Callable[[Message], Message],
        hear: Callable[[Message], None] = lambda _: None,
        role: str | None = None,
    ) -> None:
        super().__init__(name, context)
        self._role, self._answer, self._hear = role, answer, hear
        self._errand: Errand | None = None
        self._channel: socket.socket | None = None
        self._stopped = False

    def carry_out(self, errand: Errand) -> tuple[bool, Message]:
        """As `work`. botocore's ClientError: nobody may take on the role."""
        self._errand = errand
        return self.work(errand.kind, errand.asked)

    def stop(self) -> None:
        """Have it end in order: nobody waits until it hears that."""
        with self._lock:
            self._stopped = True
            if self._channel:
                threading.Thread(target=self._tell_to_stop, args=(self._channel,), daemon=True).start()

    def _tell_to_stop(self, channel: socket.socket) -> None:
        with suppress(InternalServerError):
            self.send(channel, {"kind": "stop"})

    def hear(self, head: Message, document: Any) -> None:  # noqa: ARG002 # there is one kind of news
        self._hear(document if isinstance(document, dict) else {})

    def answer(self, document: Message) -> Message:
        return self._answer(document)

    def network(self) -> Network:
        context, server = self._context, self._errand.server if self._errand else None
        keys = context.network(self._role, "dms").keys if self._role else None
        return Network(context.url, keys, internet=False, trust=context.trust, server=server)

    def limits(self) -> dict[str, Any]:
        mounts = {DATABASE: str(self._folder)} if self._folder else {}
        memory = min(MEMORY, self._context.memory_limit)
        return {"memory": memory, "processes": 64, "disk": DISK, "mounts": mounts}

    def variables(self) -> dict[str, str]:
        return {"SAGELAB_DATABASE": DATABASE} if self._folder else {}

    @property
    def _folder(self) -> Path | None:
        return self._errand.folder if self._errand else None

    def exchange(self, channel: socket.socket, head: Message, payload: bytes) -> tuple[bool, Message]:
        wire.send(channel, head, payload)
        with self._lock:
            self._channel, stopped = channel, self._stopped
        if stopped:
            self.stop()
        try:
            return self.listen(channel)
        finally:
            with self._lock:
                self._channel = None
