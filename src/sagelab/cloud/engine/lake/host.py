"""The host of one query or crawl: DuckDB, with the rights of who asked, without a way out but to the local cloud.

All that a stranger's SQL and files can shape happens in it. What it says is read within bounds, and is believed to
be numbers and words.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab import relay
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.workspace import PATH
from sagelab.cloud.engine.images.environments import LAKE
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.engine.sandbox.tail import Tail
from sagelab.cloud.errors import InternalServerError
from sagelab.functions import wire

RUNTIME = Runtime("lake", LAKE.imports, ("lake",), LAKE)
SOCKET = "lake.sock"
START, GRACE = 60.0, 5.0  # seconds: for the host to come; in which what is killed is gone
OVERHEAD = 512 << 20  # bytes of a process beside what DuckDB may have
DISK = 8 << 30  # bytes that it may write for itself

Keys = tuple[str, str, str | None]
Message = dict[str, Any]


@dataclass(frozen=True)
class Room:
    """What DuckDB may have. memory: bytes."""

    memory: int
    threads: int

    @classmethod
    def of(cls, context: EngineContext) -> Room:
        return cls(min(2 << 30, context.memory // 4), max(1, min(4, os.cpu_count() or 1)))


class LakeHost:
    """`work` once, or `ask` and `clear`; `kill` at any time.

    keys: of who asked. hear: each message but the last, in that thread. answer: what it asks of the
    catalogue, where something is to be answered. mounts: more folders of its own.
    """

    def __init__(
        self,
        name: str,
        context: EngineContext,
        keys: Keys,
        hear: Callable[[Message, Any], None],
        answer: Callable[[Any], Message] | None = None,
        mounts: dict[str, str] | None = None,
    ) -> None:
        self._answer, self._mounts = answer, mounts or {}
        self.name, self._context, self._keys, self._hear = f"lake-{name}", context, keys, hear
        self.room = Room.of(context)
        self._running: Running | None = None
        self._killed, self._lock = False, threading.Lock()
        self._tail = Tail()

    def work(self, kind: str, asked: dict[str, Any]) -> tuple[bool, Message]:
        """(whether it was done, what came of it). InternalServerError: the host died, or could not start.

        PullFailed: its packages are not there.
        """
        try:
            return self.ask(kind, asked)
        finally:
            self.clear()

    def ask(self, kind: str, asked: dict[str, Any]) -> tuple[bool, Message]:
        """The same; `clear` is called afterwards."""
        folder = self._context.launcher.make_folder(self.name, "lake")
        try:
            with relay.listen(folder / "run" / SOCKET) as listener:
                self._start(folder)
                channel = self._accept(listener)
            with channel:
                head = {"kind": kind, "url": self._context.surroundings["AWS_ENDPOINT_URL"]}
                payload = json.dumps(asked).encode()
                return self.exchange(channel, head | {"region": self._context.region}, payload)
        finally:
            self.kill()

    def clear(self) -> None:
        """Wait until nothing of it runs, and remove what it has on the disk."""
        if self._running:
            self._running.group.ended.wait(GRACE)
        self._context.launcher.remove_folder(self.name)

    def exchange(self, channel: socket.socket, head: Message, payload: bytes) -> tuple[bool, Message]:
        """Ask, and hear all that is answered."""
        wire.send(channel, head, payload)
        return self._listen(channel)

    def kill(self) -> None:
        """End it with all that it does."""
        with self._lock:
            self._killed = True
            if self._running:
                self._running.group.kill()

    def _start(self, folder: Path) -> None:
        context = self._context
        network = Network(context.url, internet=False, trust=context.trust)
        host = HostSpec(
            name="lake",
            folder=str(folder),
            argv=RUNTIME.forks,
            env=self._variables(),
            memory=min(self.room.memory + OVERHEAD, context.memory_limit),
            processes=256,
            disk=DISK,
            mounts=self._mounts,
        )
        running = context.launcher.start(RUNTIME, [host], network)
        with self._lock:
            self._running = running
            if self._killed:
                running.group.kill()
        reading = threading.Thread(target=self._tail.drain, args=(running.outputs["lake"],), daemon=True)
        reading.start()

    def _variables(self) -> dict[str, str]:
        key, secret, token = self._keys
        return {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._context.surroundings,
            "AWS_DEFAULT_REGION": self._context.region,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            **({"AWS_SESSION_TOKEN": token} if token else {}),
            "SAGELAB_LAKE": f"/run/sagelab/{SOCKET}",
        }

    def _accept(self, listener: socket.socket) -> socket.socket:
        assert self._running
        if (channel := self._running.accept(listener, START)) is not None:
            return channel
        raise InternalServerError(self._running.group.trouble or f"its host did not start{self._tail.said('.')}")

    def _listen(self, channel: socket.socket) -> tuple[bool, Message]:
        while True:
            try:
                head, payload = wire.receive(channel)
                document = json.loads(payload) if payload else None
            except (EOFError, OSError, ValueError, RecursionError):
                raise InternalServerError(f"The process of the query ended{self._tail.said('.')}") from None
            if head["kind"] in ("done", "failed"):
                return head["kind"] == "done", document if isinstance(document, dict) else {}
            if head["kind"] == "ask" and self._answer and isinstance(document, dict):
                self._reply(channel, self._answer(document))
            else:
                self._hear(head, document)

    def _reply(self, channel: socket.socket, document: Message) -> None:
        try:
            wire.send(channel, {"kind": "answer"}, json.dumps(document, default=str).encode())
        except OSError:
            raise InternalServerError(f"The process of the query ended{self._tail.said('.')}") from None
