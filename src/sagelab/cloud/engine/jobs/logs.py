"""What a host prints, on its way to CloudWatch Logs while it is printed.

CloudWatch Logs takes at most 10,000 events and 1 MB in one call, and 256 kB in one event:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

import codecs
import collections
import logging
import os
import re
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.sandbox.limits import MARK

logger = logging.getLogger("sagelab")

CHUNK = 1 << 18
EVENT_CHARS = 60_000
BATCH_EVENTS, BATCH_CHARS = 5_000, 200_000
HOST_LINES, HOST_CHARS = 100_000, 16_000_000  # are kept
HOST_BYTES = 1 << 30  # may be printed
PAUSE, LONGEST = 0.25, 2.0  # seconds between two batches, or more where sending takes long:
SHARE = 0.05  # of the time
TAIL_LINES = 40
DENIED = ("AccessDenied", "AccessDeniedException")
BREAKS = re.compile(r"\r\n|\n|\r")

Listener = Callable[[str, int], None]


class Stream:
    """One log stream: takes lines, keeps the last few, sends them in batches.

    Where who asks may not write it there is no log, as on AWS, and the job goes on.
    """

    def __init__(self, logs: Any, group: str, name: str, listener: Listener | None = None) -> None:
        """logs: a boto3 client, with the rights of a role or of the service.

        listener: called with each line and its time in ms since the epoch.
        """
        self.logs, self.group, self.name, self.listener = logs, group, name, listener
        self.tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._batch: list[dict[str, Any]] = []
        self._chars = self._lines = self._total = 0
        self._has_failed = self._is_refused = False
        self._ask(_create, logs, group, name)

    @property
    def full(self) -> bool:
        """Whether the host has printed its share of the log: what follows is read, but not kept."""
        return self._lines > HOST_LINES or self._total > HOST_CHARS

    def safely(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do what goes along with the reading of this log; where it fails, the reading goes on.

        A reader that ends closes the pipe, and a host that prints to a closed pipe dies.
        """
        try:
            act(*arguments)
        except Exception:
            if not self._has_failed:  # once: it may fail with every line
                logger.exception("while the log %s %s was read", self.group, self.name)
            self._has_failed = True

    def write(self, line: str) -> None:
        """Take one line; the last one that is kept says so."""
        now = int(time.time() * 1000)
        if self.full:
            return
        self.tail.append(line)
        if self.listener:
            self.safely(self.listener, line, now)
        self._keep(line, now)
        if self._lines > HOST_LINES or self._total > HOST_CHARS:
            self.note(f"the log ends here: {HOST_LINES:,} lines or {HOST_CHARS:,} characters")

    def _keep(self, line: str, now: int) -> None:
        self._lines += 1
        self._total += len(line)
        for start in range(0, max(len(line), 1), EVENT_CHARS):
            part = line[start : start + EVENT_CHARS]
            if part.strip():
                self._batch.append({"timestamp": now, "message": part})
                self._chars += len(part)
            if len(self._batch) >= BATCH_EVENTS or self._chars >= BATCH_CHARS:
                self.flush()

    def note(self, line: str) -> None:
        """Put a line of the local cloud's own into the log: neither a metric nor the end of the log."""
        self._keep(f"[sagelab] {line}", int(time.time() * 1000))

    def say(self, line: str) -> None:
        """`note`, and send it."""
        self.note(line)
        self.flush()

    def flush(self) -> None:
        """Send what is waiting."""
        batch, self._batch, self._chars = self._batch, [], 0
        if not batch:
            return
        try:
            self._ask(_put, self.logs, self.group, self.name, batch)
        except Exception:
            logger.exception("lines for the log %s %s were not sent", self.group, self.name)

    def _ask(self, act: Callable[..., None], *arguments: Any) -> None:
        """Ask CloudWatch Logs, until it refuses."""
        if self._is_refused:
            return
        try:
            act(*arguments)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in DENIED:
                raise
            self._is_refused = True
            logger.warning("the log %s %s is not written: %s", self.group, self.name, error)


class Reader(threading.Thread):
    """Reads the pipe that a host prints to, to its end: then no process of the host is left.

    after: called after each batch that went out, at most every quarter of a second, more rarely where many lines
    make sending slow. kill: ends the host, where it prints without an end: more than HOST_BYTES.
    """

    def __init__(
        self, pipe: int, stream: Stream, after: Callable[[], None], kill: Callable[[], None] | None = None
    ) -> None:
        super().__init__(daemon=True, name=f"log {stream.name}")
        self._pipe, self._stream, self._after, self._kill = pipe, stream, after, kill
        self._left = HOST_BYTES
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def run(self) -> None:
        try:
            self._read()
        finally:
            os.close(self._pipe)
            self._stream.flush()
            self._stream.safely(self._after)

    def _read(self) -> None:
        due: float | None = None
        pause = PAUSE
        ready = select.poll()  # unlike select(), of any number that a descriptor may have
        ready.register(self._pipe, select.POLLIN)
        while True:
            wait = None if due is None else max(0.0, due - time.monotonic()) * 1000
            if not ready.poll(wait):
                began = time.monotonic()
                self._stream.flush()
                self._stream.safely(self._after)
                pause = min(max(PAUSE, (time.monotonic() - began) / SHARE), LONGEST)
                due = None
                continue
            data = os.read(self._pipe, CHUNK)
            self._count(len(data))
            if not self._stream.full:
                self._stream.safely(self._take, data)
            if not data:
                return
            due = due or time.monotonic() + pause

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0 and self._kill:
            reason = f"it printed more than {HOST_BYTES >> 20:,} MB"
            self._stream.tail.append(f"{MARK}{reason}")
            self._stream.note(f"the host was ended: {reason}")
            self._kill()
            self._kill = None

    def _take(self, data: bytes) -> None:
        text = self._decoder.decode(data, final=not data)
        *lines, self._rest = BREAKS.split(self._rest + text)
        if not data or len(self._rest) > EVENT_CHARS:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            if line.strip():
                self._stream.write(line)


def _create(logs: Any, group: str, stream: str) -> None:
    """The stream, and its group where that is not there: most roles need no right to make one."""
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        try:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except logs.exceptions.ResourceNotFoundException:
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName=stream)


def _put(logs: Any, group: str, stream: str, batch: list[dict[str, Any]]) -> None:
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)
