"""A host that does one thing and tells by a socket what came of it: a query, a crawl, a replication.

All that a stranger's words and data can shape happens in it. What it says is read within bounds, and is
believed to be numbers and words.
"""

from __future__ import annotations

import json
import socket
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from sagelab import relay
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.workspace import PATH
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.engine.sandbox.tail import Tail
from sagelab.cloud.errors import InternalServerError
from sagelab.functions import wire

SOCKET = "errand.sock"
START, GRACE = 60.0, 5.0  # seconds: for the host to come; in which what is killed is gone

Message = dict[str, Any]


class ErrandHost(ABC):
    """`work` once, or `ask` and `clear`; `kill` at any time.

    host: its name, and the beginning of its folder's. variable: of its environment, where the socket is. ended:
    what is said where it ends before its time.
    """

    runtime: ClassVar[Runtime]
    host: ClassVar[str]
    variable: ClassVar[str]
    ended: ClassVar[str]

    def __init__(self, name: str, context: EngineContext) -> None:
        self.name, self._context = f"{self.host}-{name}", context
        self._running: Running | None = None
        self._killed, self._lock, self._sending = False, threading.Lock(), threading.Lock()
        self._tail = Tail()

    @abstractmethod
    def limits(self) -> dict[str, Any]:
        """What of a HostSpec is its own: memory, processes, disk, mounts."""

    @abstractmethod
    def network(self) -> Network:
        """What it reaches. botocore's ClientError: nobody may take on its role."""

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """Of its environment, beside what all have."""

    @abstractmethod
    def hear(self, head: Message, document: Any) -> None:
        """It tells something beside, in the thread of `ask`."""

    def answer(self, document: Message) -> Message:
        """What it asks, in the same thread."""
        raise InternalServerError(f"{self.ended}: it asked {document.get('what')!r}, which nobody answers.")

    def work(self, kind: str, asked: Message) -> tuple[bool, Message]:
        """(whether it was done, what came of it). InternalServerError: the host died, or could not start.

        PullFailed: its packages are not there. What `network` raises.
        """
        try:
            return self.ask(kind, asked)
        finally:
            self.clear()

    def ask(self, kind: str, asked: Message) -> tuple[bool, Message]:
        """The same; `clear` is called afterwards."""
        folder = self._context.launcher.make_folder(self.name, self.host)
        try:
            with relay.listen(folder / "run" / SOCKET) as listener:
                self._start(folder)
                channel = self._accept(listener)
            with channel:
                head = {"kind": kind, "url": self._context.surroundings["AWS_ENDPOINT_URL"]}
                return self.exchange(channel, head | {"region": self._context.region}, json.dumps(asked).encode())
        finally:
            self.kill()

    def clear(self) -> None:
        """Wait until nothing of it runs, and remove what it has on the disk."""
        if self._running:
            self._running.group.ended.wait(GRACE)
        self._context.launcher.remove_folder(self.name)

    def kill(self) -> None:
        """End it with all that it does."""
        with self._lock:
            self._killed = True
            if self._running:
                self._running.group.kill()

    def exchange(self, channel: socket.socket, head: Message, payload: bytes) -> tuple[bool, Message]:
        """Ask, and hear all that is answered."""
        wire.send(channel, head, payload)
        return self.listen(channel)

    def listen(self, channel: socket.socket) -> tuple[bool, Message]:
        while True:
            try:
                head, payload = wire.receive(channel)
                document = json.loads(payload) if payload else None
            except (EOFError, OSError, ValueError, RecursionError):
                raise self._over() from None
            found = document if isinstance(document, dict) else {}
            if head["kind"] in ("done", "failed"):
                return head["kind"] == "done", found
            if head["kind"] == "ask":
                self.send(channel, {"kind": "answer"}, self.answer(found))
            else:
                self.hear(head, document)

    def send(self, channel: socket.socket, head: Message, document: Message | None = None) -> None:
        """A message of one thread at a time. It takes as long as the host does not read. InternalServerError."""
        payload = b"" if document is None else json.dumps(document, default=str).encode()
        try:
            with self._sending:
                wire.send(channel, head, payload)
        except OSError:
            raise self._over() from None

    def _over(self) -> InternalServerError:
        return InternalServerError(f"{self.ended}{self._tail.said('.')}")

    def _start(self, folder: Path) -> None:
        context = self._context
        host = HostSpec(
            name=self.host,
            folder=str(folder),
            argv=self.runtime.forks,
            env={
                "PATH": PATH,
                "HOME": "/root",
                "LANG": "C.UTF-8",
                "TZ": "UTC",
                "PYTHONDONTWRITEBYTECODE": "1",
                **context.surroundings,
                "AWS_DEFAULT_REGION": context.region,
                self.variable: f"/run/sagelab/{SOCKET}",
                **self.variables(),
            },
            **self.limits(),
        )
        running = context.launcher.start(self.runtime, [host], self.network())
        with self._lock:
            self._running = running
            if self._killed:
                running.group.kill()
        threading.Thread(target=self._tail.drain, args=(running.outputs[self.host],), daemon=True).start()

    def _accept(self, listener: socket.socket) -> socket.socket:
        assert self._running
        if (channel := self._running.accept(listener, START)) is not None:
            return channel
        raise InternalServerError(self._running.group.trouble or f"its host did not start{self._tail.said('.')}")
