"""The hosts of one run: logs in Glue's groups, and the way by which a script keeps its bookmark.

What a script prints goes to one group, what it and Spark say beside it to another: the first process of a host
marks the lines of the first kind.
https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging-enable.html
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from sagelab import relay
from sagelab.cloud.engine.jobs.cluster import Cluster, Task
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.functions import wire

OUTPUT, ERRORS = "/aws-glue/jobs/output", "/aws-glue/jobs/error"
MARK = "\x01"  # before what a script prints
SOCKET = "glue.sock"
LOOK, PATIENCE = 0.5, 10.0  # seconds: between two looks whether the hosts are gone; for a message
LARGEST = 4 << 20  # bytes of a bookmark

Keep = Callable[[dict[str, Any]], None]


class Parted(Stream):
    """One host's log in two groups: what is marked goes to the other one.

    What is said beside may be half a line when a marked one comes between.
    """

    def __init__(self, logs: Any, name: str, output: Stream) -> None:
        super().__init__(logs, ERRORS, name)
        self._output = output

    def write(self, line: str) -> None:
        beside, mark, printed = line.partition(MARK)
        if beside or not mark:
            super().write(beside)
        if mark:
            self._output.write(printed)

    def flush(self) -> None:
        self._output.flush()
        super().flush()


class GlueHosts(Cluster):
    """keep: is given a bookmark that a script commits, and has kept it when it returns."""

    session = "GlueJobRunnerSession"
    keep: Keep

    def open_streams(self, run: str, role: str, lines: list[str]) -> None:
        """Logs with the role's rights, as on AWS."""
        logs = self.context.client_as(role, "logs")
        for number, host in enumerate(self.hosts):
            name = f"{run}_g-{number}" if number else run
            self.streams[host] = Parted(logs, name, Stream(logs, OUTPUT, name))
        self.say(*lines)

    def host(self, name: str, task: Task, env: dict[str, str]) -> HostSpec:
        return super().host(name, task, env | {"SAGELAB_GLUE": f"/run/sagelab/{SOCKET}"})

    def start(self, task: Task) -> None:
        listener = relay.listen(self.folders[self.hosts[0]] / "run" / SOCKET)
        try:
            super().start(task)
        except BaseException:
            listener.close()
            raise
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        """Bookmarks, one after the other, for as long as there is a host."""
        listener.settimeout(LOOK)
        with listener:
            while not self.running.group.ended.is_set():
                with contextlib.suppress(TimeoutError):
                    channel = listener.accept()[0]
                    with channel, contextlib.suppress(OSError, EOFError, ValueError, RecursionError):
                        self._take(channel)

    def _take(self, channel: socket.socket) -> None:
        channel.settimeout(PATIENCE)
        head, payload = wire.receive(channel)
        state = json.loads(payload)
        if head["kind"] != "commit" or len(payload) > LARGEST or not isinstance(state, dict):
            raise ValueError("no bookmark")
        self.keep(state)
        wire.send(channel, {"kind": "kept"})
