"""The host of a query or crawl: DuckDB, with the rights of who asked, without a way out but to the local cloud."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import ErrandHost, Message
from sagelab.cloud.engine.images.environments import LAKE
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.network import Network

OVERHEAD = 512 << 20  # bytes of a process beside what DuckDB may have
DISK = 8 << 30  # bytes that it may write for itself

Keys = tuple[str, str, str | None]


@dataclass(frozen=True)
class Room:
    """What DuckDB may have. memory: bytes."""

    memory: int
    threads: int

    @classmethod
    def of(cls, context: EngineContext) -> Room:
        return cls(min(2 << 30, context.memory // 4), max(1, min(4, os.cpu_count() or 1)))


class LakeHost(ErrandHost):
    """keys: of who asked. hear: each message but the last, in that thread.

    answer: what it asks of the catalogue, where something is to be answered. mounts: more folders of its own.
    """

    runtime = Runtime("lake", LAKE.imports, ("lake",), LAKE)
    host, variable, ended = "lake", "SAGELAB_LAKE", "The process of the query ended"

    def __init__(
        self,
        name: str,
        context: EngineContext,
        keys: Keys,
        hear: Callable[[Message, Any], None],
        answer: Callable[[Any], Message] | None = None,
        mounts: dict[str, str] | None = None,
    ) -> None:
        super().__init__(name, context)
        self._keys, self._hear, self._answer, self._mounts = keys, hear, answer, mounts or {}
        self.room = Room.of(context)

    def hear(self, head: Message, document: Any) -> None:
        self._hear(head, document)

    def answer(self, document: Message) -> Message:
        return self._answer(document) if self._answer else super().answer(document)

    def network(self) -> Network:
        return Network(self._context.url, internet=False, trust=self._context.trust)

    def limits(self) -> dict[str, Any]:
        memory = min(self.room.memory + OVERHEAD, self._context.memory_limit)
        return {"memory": memory, "processes": 256, "disk": DISK, "mounts": self._mounts}

    def variables(self) -> dict[str, str]:
        key, secret, token = self._keys
        keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        return keys | ({"AWS_SESSION_TOKEN": token} if token else {})
