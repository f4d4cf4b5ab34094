"""What strangers' records, queries and schemas are worked on in: a host of the lake, for one buffer's records.

What comes back is believed to be bytes, words and numbers, of bounded sizes; a query that never ends is ended.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import Message
from sagelab.cloud.engine.lake.host import LakeHost
from sagelab.functions import wire

SECONDS, PER_BYTE = 60.0, 1e-6  # that a buffer's records may take
MOST = 1 << 30  # bytes that come back
WORDS = 1000
NOBODY = ("none", "none", None)  # whose keys it has: it asks nobody


@dataclass
class Found:
    """made: (number of the record, its data or None where that is as it was, its keys). faults: number ->
    (code, words). files: group -> content."""

    made: list[tuple[int, bytes | None, dict[str, str]]] = field(default_factory=list)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    files: dict[int, bytearray] = field(default_factory=dict)
    ended: str = ""


class RecordsHost(LakeHost):
    """`run` once."""

    def __init__(self, name: str, context: EngineContext) -> None:
        super().__init__(name, context, NOBODY, self._note)
        self.found = Found()
        self._records: Iterable[bytes] = ()
        self._size = self._count = 0
        self._until = 0.0

    def run(self, asked: dict[str, Any], records: list[bytes], seconds: float = SECONDS) -> Found:
        """asked: what is to be done (sagelab.lake.records). JobError: there is no host."""
        self._records, self._count = records, len(records)
        self._until = seconds + PER_BYTE * sum(map(len, records))
        done, told = self.work("records", asked)
        if not done:
            self.found.ended = str(told.get("reason") or "it failed")[:WORDS]
        return self.found

    def exchange(self, channel: socket.socket, head: Message, payload: bytes) -> tuple[bool, Message]:
        """Hand over the records, and hear what came of them, for so long at the most."""
        until = time.monotonic() + self._until
        try:
            channel.settimeout(self._until)
            wire.send(channel, head, payload)
            for part in wire.frames(self._records):
                wire.send(channel, {"kind": "part"}, part)
            wire.send(channel, {"kind": "end"})
            while True:
                told, content = wire.receive(channel, until)
                if told["kind"] in ("done", "failed"):
                    return told["kind"] == "done", _document(content)
                self._take(told, content)
        except TimeoutError:
            return False, {"reason": f"it took more than {self._until:.0f} seconds"}
        except (EOFError, OSError, ValueError, RecursionError) as error:
            return False, {"reason": f"its process ended: {self._tail.said('.').lstrip(': ') or error}"}

    def _note(self, _head: Message, _document: Any) -> None:
        """Nothing is told beside."""

    def _take(self, told: Message, content: bytes) -> None:
        """ValueError: it is nothing that could be."""
        self._size += len(content) + 100
        if self._size > MOST:
            raise ValueError("more comes back than can be")
        if told["kind"] == "file":
            self.found.files.setdefault(self._number(told.get("group")), bytearray()).extend(content)
        elif told["kind"] == "made":
            self.found.made.append((self._number(told.get("of")), content, _keys(told.get("keys"))))
        elif told["kind"] == "rows":
            for number, keys in _rows(content):
                self.found.made.append((self._number(number), None, _keys(keys)))
        elif told["kind"] == "fault":
            words = str(told.get("code"))[:100], str(told.get("message"))[:WORDS]
            self.found.faults[self._number(told.get("of"))] = words

    def _number(self, value: Any) -> int:
        if not isinstance(value, int) or not 0 <= value < max(1, self._count):
            raise ValueError("a record that there is not")
        return value


def _document(content: bytes) -> Message:
    found = json.loads(content) if content else {}
    return found if isinstance(found, dict) else {}


def _rows(content: bytes) -> Iterator[tuple[Any, Any]]:
    for one in json.loads(content):
        number, keys = one
        yield number, keys


def _keys(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


Make = Callable[[str], RecordsHost]
