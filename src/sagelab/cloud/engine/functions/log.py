"""The log of one environment of a function: what it prints, with the lines that Lambda writes around each call.

Its lines go to CloudWatch Logs from a thread of their own, so that no call waits for them, with the rights of the
function's role, as on AWS: a role that may not write logs has none. What is printed is read as it comes; at the
end of a call all that its handler has printed is in the log before the call's own last lines.
"""

from __future__ import annotations

import codecs
import logging
import os
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import botocore.exceptions

logger = logging.getLogger("sagelab")

CHUNK = 1 << 18
EVENT_CHARS = 60_000  # of one event; AWS takes 256 kB
BATCH_EVENTS, BATCH_CHARS = 5_000, 200_000
MOST_EVENTS, MOST_CHARS = 100_000, 16_000_000  # of an environment are kept
DRAINED = 64 << 20  # bytes that are read at the end of a call, at most
PAUSE = 0.25  # seconds that lines wait for others
TAIL = 4096  # bytes: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
BREAKS = re.compile(r"\r\n|\n|\r")
TROUBLE = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)


class FunctionLog:
    """pipe: what the environment prints to. connect: a client of Logs, with the role's rights."""

    def __init__(self, pipe: int, connect: Callable[[], Any], group: str, stream: str) -> None:
        self.group, self.stream = group, stream
        self._pipe, self._connect = pipe, connect
        self._lock, self._reading = threading.RLock(), threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._tail = bytearray()
        self._batch: deque[dict[str, Any]] = deque()
        self._chars = self._events = self._total = 0
        self._client: Any = None
        self._refused = self._ended = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        os.set_blocking(pipe, False)
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"log {stream}")
        self._thread.start()

    def begin(self) -> None:
        """A call begins: its tail is empty."""
        with self._lock:
            self._tail.clear()

    def write(self, text: str) -> None:
        """An event of Lambda's own, or of the runtime's; it may have several lines."""
        with self._lock:
            self._keep(text)

    def drain(self) -> None:
        """Take all that was printed until now."""
        left = DRAINED
        with self._reading:
            while not self._ended and left > 0 and (data := self._read()):
                left -= len(data)
                self._take(data)
            with self._lock:
                if self._rest:
                    self._keep(self._rest)
                self._rest = ""

    def tail(self) -> bytes:
        """The last 4 KB of what the call has logged."""
        with self._lock:
            return bytes(self._tail)

    def flush(self) -> None:
        """Send what is waiting, soon."""
        with self._lock:
            if not self._ended:
                os.eventfd_write(self._wake, 1)

    def join(self, seconds: float) -> None:
        """Wait until all is sent; the environment has ended."""
        self._thread.join(seconds)

    def _read(self) -> bytes | None:
        """What is there; b"" at the end, None where nothing is there now."""
        try:
            return os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return None

    def _take(self, data: bytes) -> None:
        with self._lock:
            *lines, self._rest = BREAKS.split(self._rest + self._decoder.decode(data))
            if len(self._rest) > EVENT_CHARS:
                lines, self._rest = [*lines, self._rest], ""
            for line in lines:
                if line.strip():
                    self._keep(line)

    def _keep(self, text: str) -> None:
        now = int(time.time() * 1000)
        self._tail += f"{text}\n".encode("utf-8", "replace")[-TAIL:]
        del self._tail[:-TAIL]
        if self._events > MOST_EVENTS or self._total > MOST_CHARS:
            return
        for start in range(0, max(len(text), 1), EVENT_CHARS):
            self._events += 1
            self._batch.append({"timestamp": now, "message": text[start : start + EVENT_CHARS]})
        self._total += len(text)
        self._chars += len(text)
        if self._events > MOST_EVENTS or self._total > MOST_CHARS:
            full = f"[sagelab] the log ends here: {MOST_EVENTS:,} lines or {MOST_CHARS:,} characters"
            self._batch.append({"timestamp": now, "message": full})

    def _run(self) -> None:
        try:
            self._follow()
        except Exception:
            logger.exception("the log %s %s was not read to its end", self.group, self.stream)
        self._send()
        with self._reading, self._lock:
            self._ended = True
            os.close(self._pipe)
            os.close(self._wake)

    def _follow(self) -> None:
        """Read until the pipe's end: then no process of the environment is left."""
        files, due = select.poll(), None
        files.register(self._pipe, select.POLLIN)
        files.register(self._wake, select.POLLIN)
        while True:
            wait = None if due is None else max(0.0, due - time.monotonic()) * 1000
            ready = {number for number, _ in files.poll(wait)}
            if self._wake in ready:
                os.eventfd_read(self._wake)
            if self._pipe in ready:
                with self._reading:
                    data = self._read()
                    if data:
                        self._take(data)
                if data == b"":
                    return
            if ready and due is None:
                due = time.monotonic() + PAUSE
            if due is not None and (time.monotonic() >= due or self._chars > BATCH_CHARS):
                self._send()
                due = None

    def _send(self) -> None:
        """Send all that waits. Where the role may not, it is kept nowhere, as on AWS."""
        while True:
            batch, size = list[dict[str, Any]](), 0
            with self._lock:
                while self._batch and len(batch) < BATCH_EVENTS and size < BATCH_CHARS:
                    batch.append(self._batch.popleft())
                    size += len(batch[-1]["message"])
                self._chars -= size
            if not batch:
                return
            self._put(batch)

    def _put(self, batch: list[dict[str, Any]]) -> None:
        if self._refused:
            return
        names = {"logGroupName": self.group, "logStreamName": self.stream}
        try:
            if self._client is None:
                self._client = self._connect()
                self._create(names)
            self._client.put_log_events(**names, logEvents=batch)
        except TROUBLE as error:
            self._refused = True
            logger.warning("the log %s %s is not written: %s", self.group, self.stream, error)

    def _create(self, names: dict[str, str]) -> None:
        for create, has in (
            (self._client.create_log_group, {"logGroupName": self.group}),
            (self._client.create_log_stream, names),
        ):
            try:
                create(**has)
            except self._client.exceptions.ResourceAlreadyExistsException:
                continue
