"""The warm Pythons: processes with TensorFlow imported (or only a little) that jobs are forked from.

The model is SageMaker's managed warm pools: what is expensive to prepare stays prepared for the next job. A
warm Python starts on first need and ends when it was not needed for a while.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from sagelab.cloud.engine.sandbox import cgroups, tunnels
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Ways
from sagelab.cloud.engine.sandbox.processes import Inode
from sagelab.cloud.home import Home

logger = logging.getLogger("sagelab")

IDLE_SECONDS = 900.0
PACKET = 1 << 20
FILES = 8  # that come with one message, at most


class Group:
    """The running hosts of one job.

    codes: exit code of each host that ended. changed: set when one did. ended: all have, and no process of
    theirs is left. trouble: why the group could not run, where it is not the job's own doing. pid: of the process
    that all of theirs descend from; 0 until `started`, and where it never did. half: the files that processes were
    writing when their host's first command ended, and they with it.
    """

    def __init__(
        self, hosts: list[str], signal_group: Callable[[str, int], None], ways: Ways | None = None
    ) -> None:
        self.hosts, self._signal_group, self.ways = hosts, signal_group, ways
        self.cgroups: list[Path] = []  # of its hosts; removed at their end
        self.mark = secrets.token_hex(8)  # its name in the fork server, whose memory every job can read
        self.codes: dict[str, int] = {}
        self.half: set[Inode] = set()
        self.trouble: str | None = None
        self.pid = 0
        self.started = threading.Event()
        self.ended = threading.Event()
        self.changed = threading.Event()

    def note_end(self, host: str, code: int, half: str) -> None:
        """A host has ended. ValueError, TypeError: that is no host of this group, or no end of one."""
        if host not in self.hosts or not 0 <= code <= 255:
            raise ValueError(host)
        files = [file.partition(":") for file in half.split()]
        self.half |= {(int(device), int(number)) for device, _, number in files}
        self.codes[host] = code
        self.changed.set()

    def listen(self, host: str, listeners: list[socket.socket]) -> None:
        """Serve the ways out of a network. host: the first one in it. ValueError: there is none such."""
        if host not in self.hosts:
            raise ValueError(host)
        if self.ways:
            self.ways.open(listeners, self.hosts.index(host) + 1)

    def terminate(self) -> None:
        """Ask the user's processes to end (SIGTERM)."""
        self._signal_group(self.mark, signal.SIGTERM)

    def kill(self) -> None:
        """End every process of every host (SIGKILL)."""
        self._signal_group(self.mark, signal.SIGKILL)


class ForkServer:
    """One warm Python, seen from the local cloud's process.

    python: its interpreter. imports: modules it imports before it answers. home: of the local cloud; it complains
    in its log. packages: a folder of more packages. variables: of its environment, beside what all have.
    Starting it does not wait; `start` does, until the imports are done.
    """

    def __init__(
        self,
        python: Path,
        imports: tuple[str, ...],
        home: Home,
        packages: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET)
        self._ready, self._lock = threading.Event(), threading.Lock()
        self._groups: dict[str, Group] = {}
        self._idle: threading.Timer | None = None
        self.sandbox_unavailable: str | None = None
        self.overlay = False  # whether a host's layer can lie over its packages
        self.joined = False  # whether several hosts of a job have a network each
        self.limited = False  # whether what those send can be held to a bandwidth
        self.alive = True
        with theirs, home.log.open("ab") as out:
            self.process = subprocess.Popen(
                command(python, theirs.fileno(), imports),
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=environment(home, python, packages) | dict(variables or {}), start_new_session=True,
            )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True, name="fork_server").start()

    def start(
        self, hosts: list[tuple[HostSpec, int]], ways: Ways | None = None, *, encrypted: bool = False
    ) -> Group:
        """Start hosts, each with the file descriptor its output goes to. RuntimeError: the process is gone.

        ways: out of their network, if there are any; closed at their end. encrypted: whether what goes from host
        to host is.
        """
        self.wait_ready()
        group = Group([host.name for host, _ in hosts], self._send_signal, ways)
        group.cgroups = [Path(host.cgroup) for host, _ in hosts if host.cgroup]
        with self._lock:
            if self._idle:
                self._idle.cancel()
            self._groups[group.mark] = group
            request = {
                "hosts": [asdict(host) for host, _ in hosts],
                "ports": ways.ports if ways else [],
                "joined": self.joined and len(hosts) > 1,
                "encrypted": encrypted and len(hosts) > 1,
            }
            contents = [json.dumps(request).encode()]
            if request["encrypted"]:
                contents.append(tunnels.order(len(hosts)))
            with ExitStack() as opened:
                files = [opened.enter_context(_as_file(content)).fileno() for content in contents]
                message = json.dumps({"start": group.mark}).encode()
                socket.send_fds(self._channel, [message], [*files, *(fd for _, fd in hosts)])
        return group

    @property
    def ready(self) -> bool:
        """Whether the imports are done."""
        return self._ready.is_set()

    def wait_ready(self) -> None:
        """Return once the imports are done. RuntimeError: they failed."""
        self._ready.wait()
        if not self.alive:
            raise RuntimeError("the Python that jobs are forked from did not start; see server.log")

    def close(self) -> None:
        """End the process and every job that it runs."""
        with self._lock:
            self.alive = False
            if self._idle:
                self._idle.cancel()
        self._channel.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send_signal(self, group: str, number: int) -> None:
        if self.alive and group in self._groups:
            self._channel.send(json.dumps({"group": group, "signal": number}).encode())

    def _listen(self) -> None:
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self._channel, PACKET, FILES)
            except OSError:
                data, files = b"", []
            if not data:
                break
            self._hear(data, [socket.socket(fileno=file) for file in files])
        self._lost()

    def _hear(self, data: bytes, listeners: list[socket.socket] | None = None) -> None:
        """A message that makes no sense ends the group that it names, and nothing else."""
        message: Any = None
        try:
            message = json.loads(data)
            self._note(message, listeners or [])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            logger.error("the fork server said %r", data[:200])
            group = self._groups.get(str(message.get("group"))) if isinstance(message, dict) else None
            if group:
                group.trouble = "the hosts of the job told something that makes no sense"
                group.kill()

    def _note(self, message: dict[str, Any], listeners: list[socket.socket]) -> None:
        if message["event"] == "ready":
            self.sandbox_unavailable, self.overlay = message["sandbox_unavailable"], bool(message["overlay"])
            self.joined, self.limited = bool(message["joined"]), bool(message["limited"])
            self._ready.set()
            return
        group = self._groups.get(message["group"])
        if group is None:
            return  # its end was told before
        if message["event"] == "started":
            group.pid = int(message["pid"])
            group.started.set()
        elif message["event"] == "listening":
            group.listen(message["host"], listeners)
        elif message["event"] == "ended":
            group.note_end(message["host"], message["code"], message["half"])
        elif message["event"] == "broken":
            group.trouble = str(message["reason"])
        elif message["event"] == "gone":
            self._forget(group)

    def _forget(self, group: Group) -> None:
        with self._lock:
            self._groups.pop(group.mark, None)
            if not self._groups and self.alive:
                self._idle = threading.Timer(IDLE_SECONDS, self.close)
                self._idle.daemon = True
                self._idle.start()
        try:
            if group.ways:
                group.ways.close()
            for each in group.cgroups:
                cgroups.remove(each)
        except Exception:  # its end is told, whatever it leaves
            logger.exception("what the hosts %s left", ", ".join(group.hosts))
        finally:
            group.started.set()
            group.ended.set()
            group.changed.set()

    def _lost(self) -> None:
        """The process is gone, and with it all that it ran."""
        self.alive = False
        self._ready.set()
        for group in list(self._groups.values()):
            group.trouble = group.trouble or "the Python that the job was forked from is gone"
            self._forget(group)
        self.process.wait()
        self._channel.close()


@contextmanager
def _as_file(content: bytes) -> Iterator[IO[bytes]]:
    """A file of no name with this in it, to be read from its start."""
    with os.fdopen(os.memfd_create("request"), "w+b", buffering=0) as file:
        file.write(content)
        file.seek(0)
        yield file


def command(python: Path, fd: int, imports: tuple[str, ...]) -> list[str]:
    mode = "plain" if os.environ.get("SAGELAB_SANDBOX") == "plain" else "auto"
    return [str(python), "-m", "sagelab.cloud.engine.sandbox.fork_server", str(fd), mode, *imports]


def environment(home: Home, python: Path, packages: Path | None = None) -> dict[str, str]:
    """What a warm Python may see: nothing of the user's, so that no job can find it there.

    This Python is told where this package is; an environment of an image has a way there of its own.
    """
    package = [str(Path(__file__).parents[4])] if str(python) == sys.executable else []
    path = os.pathsep.join([*package, *([str(packages)] if packages else [])])
    own = {"PYTHONPATH": path} if path else {}
    keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return (
        keep
        | own
        | {
            "HOME": str(home.python),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
    )
