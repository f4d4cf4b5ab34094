"""Several hosts as one cluster of Spark's own: a master beside a worker on the first, a worker on every other.

    first host   node (master, worker) <- registers -- node (worker)   every other host
                 Gathering             <- connects --  attend()

The first host runs the application once all others have connected; they end with the connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagelab.spark.errors import ApplicationError
from sagelab.spark.java import DAEMON, DAEMON_MEMORY, Settings, command
from sagelab.spark.java import PATIENCE as PATIENT
from sagelab.spark.plan import Plan

MASTER, MEETING = 7077, 5555  # ports
PATIENCE = 600.0  # seconds in which all hosts must be ready
LOOK = 0.5  # seconds between two looks at what executors have printed
QUIET_LOG = """\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


def address(host: str, hosts: list[str]) -> str:
    """Of a host in the job's network: by its name or, where hosts have no network of their own, by its number."""
    if len(hosts) == 1:
        return "127.0.0.1"
    try:
        return socket.gethostbyname(host)
    except OSError:
        number = hosts.index(host) + 1
        return f"127.1.{number >> 8}.{number & 255}"


class Node:
    """The worker of this host, with the master where it leads. What its executors print goes to the log."""

    def __init__(
        self, settings: Settings, own: str, first: str, plan: Plan, role: str = "", room: int = 0
    ) -> None:
        """role: "both", "master" or "worker" where what executors print is gathered, by default it is printed.

        room: MB of all executors of a host, by default those of one.
        """
        self.work = Path(tempfile.mkdtemp(prefix="spark-work-"))
        self._gathered = set[Path]()
        log = settings.folder / "node.properties"
        log.write_text(QUIET_LOG)
        words = [own, str(MASTER), first, str(plan.cores), str(room or plan.executor), str(self.work)]
        words.append(role or ("both" if own == first else "worker"))
        extra = (*DAEMON, f"-Dlog4j2.configurationFile={log}", f"-Dspark.rpc.askTimeout={PATIENT}")
        main = "org.apache.spark.deploy.SagelabNode"
        line = command(settings, DAEMON_MEMORY, main, *words, extra=extra)
        self._process = subprocess.Popen(line, env=settings.environment, stdout=subprocess.PIPE)
        self._printer = None if role else threading.Thread(target=self._print, daemon=True)

    def wait_ready(self) -> None:
        """ApplicationError: it does not start."""
        assert self._process.stdout
        if self._process.stdout.readline().strip() != b"ready":
            cause = ChildProcessError(f"exit code {self._process.wait()}")
            raise ApplicationError("the node of Spark's cluster did not start", cause)
        if self._printer:
            self._printer.start()

    def _print(self) -> None:
        ends: dict[Path, int] = {}
        while True:
            self.print_new(ends)
            time.sleep(LOOK)

    def print_new(self, ends: dict[Path, int]) -> None:
        """What executors have printed since. ends: of each file, where that was."""
        for file in self.files():
            with contextlib.suppress(OSError), file.open("rb") as stream:
                stream.seek(ends.get(file, 0))
                text = stream.read(1 << 20)
                ends[file] = stream.tell()
                sys.stderr.buffer.write(text)
                sys.stderr.buffer.flush()

    def files(self) -> list[Path]:
        """What executors print to: app-ID/NUMBER/stdout, stderr."""
        return sorted(self.work.glob("app-*/*/std*"))

    def printed(self) -> list[Path]:
        """The files of executors that this was not asked for before."""
        found = [file for file in self.files() if file not in self._gathered]
        self._gathered |= set(found)
        return found

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Gathering:
    """The first host's meeting place, from the start of the job to its end."""

    own: str
    others: int

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.own, MEETING), backlog=max(1, self.others))
        self._there: list[socket.socket] = []

    def wait_all(self) -> None:
        """ApplicationError: some are not ready in time."""
        limit = time.monotonic() + PATIENCE
        while len(self._there) < self.others:
            self._listener.settimeout(max(0.1, limit - time.monotonic()))
            try:
                self._there.append(self._listener.accept()[0])
            except TimeoutError as error:
                raise ApplicationError(
                    f"{len(self._there) + 1} of {self.others + 1} hosts are ready", error
                ) from error

    def dismiss(self, seconds: float) -> None:
        """Tell the others that it is over, and wait until they have gone, so long at the most."""
        limit = time.monotonic() + seconds
        for one in self._there:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_WR)
        for one in self._there:
            with contextlib.suppress(OSError):
                one.settimeout(max(0.1, limit - time.monotonic()))
                one.recv(1)

    def end(self) -> None:
        """Let the others end."""
        for one in [*self._there, self._listener]:
            one.close()


def attend(first: str, leave: Callable[[], None] = lambda: None) -> None:
    """As another host: come to the meeting and stay until it ends. leave: before one goes.

    ApplicationError: there is none.
    """
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection((first, MEETING), timeout=PATIENCE) as meeting:
                meeting.settimeout(None)
                with contextlib.suppress(OSError):  # the first host is gone, however that was
                    meeting.recv(1)
                leave()
                return
        except OSError as error:
            if time.monotonic() > limit:
                raise ApplicationError("the first host is not there", error) from error
            time.sleep(0.2)


def leave_quietly() -> None:
    """End at once: what Java still does is for nobody."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
