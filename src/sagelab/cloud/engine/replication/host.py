"""The host of a replication task: it reaches its source's server and the local cloud, and nothing else.

What a stranger's database can shape is read in it. What it says is read within bounds, and is believed to be
numbers and words.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab import relay
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.workspace import PATH
from sagelab.cloud.engine.images.environments import PLAIN
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.engine.sandbox.tail import Tail
from sagelab.cloud.errors import InternalServerError
from sagelab.functions import wire

RUNTIME = Runtime("instances", ("boto3", "boto3.s3.transfer"), ("replication",), PLAIN)
SOCKET, DATABASE = "replication.sock", "/srv/database"
START, GRACE = 60.0, 5.0  # seconds: for the host to come; in which what is killed is gone
MEMORY, DISK = 2 << 30, 16 << 30  # bytes
ENDED = "The process of the replication ended"

Message = dict[str, Any]


@dataclass(frozen=True)
class Errand:
    """What a host is to do. server: the only one that it reaches. folder: of a database of SQLite's."""

    kind: str
    asked: Message
    server: tuple[str, int] | None = None
    folder: Path | None = None


class ReplicationHost:
    """`work` once; `stop` and `kill` at any time. answer: what it asks, in that thread. hear: what it tells.

    role: whose keys it has.
    """

    def __init__(
        self,
        name: str,
        context: EngineContext,
        answer: Callable[[Message], Message],
        hear: Callable[[Message], None] = lambda _: None,
        role: str | None = None,
    ) -> None:
        self.name, self._context, self._role = f"dms-{name}", context, role
        self._answer, self._hear = answer, hear
        self._running: Running | None = None
        self._channel: socket.socket | None = None
        self._killed = self._stopped = False
        self._lock, self._tail = threading.Lock(), Tail()

    def work(self, errand: Errand) -> tuple[bool, Message]:
        """(whether it was done, what came of it). InternalServerError: the host died, or could not start.

        botocore's ClientError: nobody may take on the role.
        """
        launcher = self._context.launcher
        folder = launcher.make_folder(self.name, "dms")
        try:
            with relay.listen(folder / "run" / SOCKET) as listener:
                self._start(folder, errand)
                channel = self._accept(listener)
            with channel:
                return self._exchange(channel, errand)
        finally:
            self.kill()
            if self._running:
                self._running.group.ended.wait(GRACE)
            launcher.remove_folder(self.name)

    def stop(self) -> None:
        """Have it end in order."""
        with self._lock:
            self._stopped = True
            if self._channel:
                with suppress(OSError):
                    wire.send(self._channel, {"kind": "stop"})

    def kill(self) -> None:
        """End it with all that it does."""
        with self._lock:
            self._killed = True
            if self._running:
                self._running.group.kill()

    def _start(self, folder: Path, errand: Errand) -> None:
        context = self._context
        keys = context.network(self._role, "dms").keys if self._role else None
        network = Network(context.url, keys, internet=False, trust=context.trust, server=errand.server)
        host = HostSpec(
            name="dms",
            folder=str(folder),
            argv=RUNTIME.forks,
            env=self._variables(errand),
            memory=min(MEMORY, context.memory_limit),
            processes=64,
            disk=DISK,
            mounts={DATABASE: str(errand.folder)} if errand.folder else {},
        )
        running = context.launcher.start(RUNTIME, [host], network)
        with self._lock:
            self._running = running
            if self._killed:
                running.group.kill()
        threading.Thread(target=self._tail.drain, args=(running.outputs["dms"],), daemon=True).start()

    def _variables(self, errand: Errand) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._context.surroundings,
            "AWS_DEFAULT_REGION": self._context.region,
            "SAGELAB_REPLICATION": f"/run/sagelab/{SOCKET}",
            **({"SAGELAB_DATABASE": DATABASE} if errand.folder else {}),
        }

    def _accept(self, listener: socket.socket) -> socket.socket:
        assert self._running
        if (channel := self._running.accept(listener, START)) is not None:
            return channel
        raise InternalServerError(self._running.group.trouble or f"its host did not start{self._tail.said('.')}")

    def _exchange(self, channel: socket.socket, errand: Errand) -> tuple[bool, Message]:
        head = {"kind": errand.kind, "url": self._context.surroundings["AWS_ENDPOINT_URL"]}
        wire.send(channel, head | {"region": self._context.region}, json.dumps(errand.asked).encode())
        with self._lock:
            self._channel = channel
        if self._stopped:
            self.stop()
        try:
            while True:
                told, found = self._receive(channel)
                if told["kind"] in ("done", "failed"):
                    return told["kind"] == "done", found
                if told["kind"] == "ask":
                    self._reply(channel, self._answer(found))
                else:
                    self._hear(found)
        finally:
            with self._lock:
                self._channel = None

    def _receive(self, channel: socket.socket) -> tuple[Message, Message]:
        try:
            head, payload = wire.receive(channel)
            document = json.loads(payload) if payload else {}
        except (EOFError, OSError, ValueError, RecursionError):
            raise InternalServerError(f"{ENDED}{self._tail.said('.')}") from None
        return head, document if isinstance(document, dict) else {}

    def _reply(self, channel: socket.socket, document: Message) -> None:
        try:
            with self._lock:
                wire.send(channel, {"kind": "answer"}, json.dumps(document).encode())
        except OSError:
            raise InternalServerError(f"{ENDED}{self._tail.said('.')}") from None
