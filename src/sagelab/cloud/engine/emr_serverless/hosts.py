"""The hosts of one attempt, and the logs of its workers: a line says by a mark which one it belongs to.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.jobs.cluster import Cluster
from sagelab.cloud.engine.jobs.logs import Stream

DRIVER, EXECUTOR = "SPARK_DRIVER", "SPARK_EXECUTOR"
MARKED = re.compile(r"\x01((SPARK_DRIVER|SPARK_EXECUTOR/\d{1,3})/(stdout|stderr))\x01(.*)", re.DOTALL)
MOST = 40  # log streams of a host


@dataclass(frozen=True)
class Wanted:
    """Where logs go in CloudWatch. prefix: of streams. types: worker -> STDOUT, STDERR.

    role: whose rights are used, "" the service's own. group: "" where nothing goes there.
    """

    group: str
    prefix: str
    types: dict[str, list[str]]
    role: str

    def has(self, name: str) -> bool:
        """Whether a log is wanted: "SPARK_DRIVER/stdout"."""
        worker, _, kind = name.partition("/")
        return kind.rpartition("/")[2].upper() in self.types.get(worker, ())


class Nowhere(Stream):
    """A log that is not kept."""

    def __init__(self) -> None:
        super().__init__(None, "", "")

    def _ask(self, act: Callable[..., None], *arguments: Any) -> None:
        """Nobody is asked."""


class Sorted(Stream):
    """What one host prints, by its marks in several streams; what has no mark is the platform's."""

    def __init__(self, logs: Any, wanted: Wanted, own: str) -> None:
        """own: the log of what has no mark."""
        self._wanted, self._own = wanted, own
        self._streams: dict[str, Stream] = {}
        super().__init__(logs, wanted.group, own)

    def _stream(self, name: str) -> Stream | None:
        if name not in self._streams:
            if not self._wanted.has(name) or len(self._streams) >= MOST:
                return None
            self._streams[name] = Stream(self.logs, self.group, f"{self._wanted.prefix}{name}")
        return self._streams[name]

    def _ask(self, act: Callable[..., None], *arguments: Any) -> None:
        """Each of its streams asks for itself."""

    def write(self, line: str) -> None:
        """What has no mark may be half a line when a marked one comes between."""
        found = MARKED.search(line)
        beside = line[: found.start()] if found else line
        if beside or not found:
            self._take(self._own, beside)
        if found:
            self._take(found[1], found[4])

    def _take(self, name: str, text: str) -> None:
        self.tail.append(text)
        if stream := self._stream(name):
            stream.write(text)

    def note(self, line: str) -> None:
        if stream := self._stream(self._own):
            stream.note(line)

    def flush(self) -> None:
        for stream in list(self._streams.values()):
            stream.flush()


class WorkerHosts(Cluster):
    """The hosts of the driver and of executors."""

    session = "emr-serverless"

    def open_streams(self, wanted: Wanted, lines: list[str]) -> None:
        logs = None
        if wanted.group:
            logs = self.context.client_as(wanted.role, "logs") if wanted.role else self.context.client("logs")
        for number, host in enumerate(self.hosts):
            own = f"{EXECUTOR}/{number}/stderr" if number else f"{DRIVER}/stderr"
            self.streams[host] = Sorted(logs, wanted, own) if wanted.group else Nowhere()
        self.say(*lines)
