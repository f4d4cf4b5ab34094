"""The process that jobs are forked from: a Python that has imported what they need, and waits.

`python -m sagelab.cloud.engine.sandbox.fork_server FD auto|plain IMPORT...` talks over the socket FD with
`warm.ForkServer`, one JSON message a packet: start a group of hosts, send a signal to a group; it answers when it
is ready, and when each host and the group have ended. When the socket closes, it and all that it started end.

What a group runs is in a file that comes with the message, and that the group alone reads: of one job's
environment nothing is in the memory that the next job is forked with.

A group is a process with a user namespace that its hosts share. A host alone has the group's network; several have
one each, joined by the group's (links.py; encrypted: tunnels.py), or share the group's where this machine has no
devices for that:

    fork_server --fork--> group --fork--> host's keeper --fork--> process 1 of the host (init.py)
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import re
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, cast

from sagelab.cloud.engine.sandbox import cgroups, links, namespaces, privileges, probes, tunnels, warmth
from sagelab.cloud.engine.sandbox.init import REQUESTS, Init, receive
from sagelab.cloud.engine.sandbox.limits import Limits
from sagelab.cloud.engine.sandbox.namespaces import PROGRAM, HostSpec, Share
from sagelab.cloud.engine.sandbox.processes import descendants, send

TIMEOUT = 8.0  # seconds in which what was killed must be gone
LINE = 1 << 17  # characters of what a host's keeper or process 1 tells at once
REASON = 1000  # characters
NUMBER, HALF = re.compile(r"\d{1,9}\n"), re.compile(r"half( \d{1,20}:\d{1,20})+\n")


@dataclass(frozen=True)
class Allowed:
    """What this machine allows. sandbox_unavailable: why it has no namespaces for hosts; None: it has.

    overlay: a host's layer can lie over its packages. joined: hosts can have a network each, joined. limited:
    what they send can be held to a bandwidth.
    """

    sandbox_unavailable: str | None
    overlay: bool
    joined: bool
    limited: bool


class ForkServerProcess:
    """The loop of the process: requests in, ends out."""

    def __init__(self, channel: socket.socket, allowed: Allowed) -> None:
        self.channel, self.allowed = channel, allowed
        self.groups: dict[int, str] = {}
        privileges.adopt_orphans()  # the hosts of a group that was killed: `_end` waits for them

    def serve(self) -> None:
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        events = selectors.DefaultSelector()
        events.register(self.channel, selectors.EVENT_READ)
        events.register(wake, selectors.EVENT_READ)
        tell(self.channel, event="ready", **asdict(self.allowed))
        while True:
            for key, _ in events.select():
                if key.fileobj is self.channel:
                    self._obey()
                else:
                    os.read(wake, 4096)
                    self._reap()

    def _obey(self) -> None:
        message, files = receive(self.channel)
        if not message:
            self._end()
        if "start" in message:
            self._start(message["start"], files)
        else:
            self._signal(message["group"], message["signal"])

    def _start(self, name: str, files: list[int]) -> None:
        """files: what the group runs, where its hosts are joined by tunnels what their keeper is told, and where
        each host prints to.
        """
        pid = os.fork()
        if pid == 0:
            self._become_group(name, *files)
        for file in files:
            os.close(file)
        self.groups[pid] = name
        tell(self.channel, event="started", group=name, pid=pid)

    def _signal(self, group: str, number: int) -> None:
        """Where there are no namespaces, no kernel ends the processes of a host: its first process must."""
        if self.allowed.sandbox_unavailable and number == signal.SIGKILL:
            number = signal.SIGUSR1
        for pid, name in self.groups.items():
            if name == group:
                os.kill(pid, number)

    def _become_group(self, name: str, request: int, *outputs: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with os.fdopen(request, "rb") as file:
                asked = json.load(file)
            hosts = [_read(host) for host in asked["hosts"]]
            told, outputs = (outputs[0], outputs[1:]) if asked["encrypted"] else (None, outputs)
            group = Group(name, self.channel, isolated=not self.allowed.sandbox_unavailable)
            code = group.run(hosts, list(outputs), asked["ports"], joined=asked["joined"], told=told)
        except BaseException as error:
            tell(self.channel, event="broken", group=name, reason=str(error)[:REASON])
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for pid in _reaped():
            if pid in self.groups:
                tell(self.channel, event="gone", group=self.groups.pop(pid))

    def _end(self) -> None:
        """End with all that was started: nothing of it is left when this process is gone."""
        limit = time.monotonic() + TIMEOUT
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < limit:
                for pid in descendants(os.getpid()):
                    send(pid, signal.SIGKILL)
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
                time.sleep(0.01)
        os._exit(0)


def _reaped() -> Iterator[int]:
    """The children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            yield pid


class Group:
    """The hosts of one job, from the process that holds what they share.

    Over a pipe each host's keeper tells the pid of its process 1, process 1 what was half written when it ended,
    and the keeper its exit code: as soon as process 1 of a pid namespace is reaped nothing of the host is left,
    and what ends after it need not be waited for.
    """

    def __init__(self, name: str, channel: socket.socket, isolated: bool) -> None:
        self.name, self.channel, self.isolated = name, channel, isolated
        self.first: dict[str, int] = {}
        self.half: dict[str, str] = {}
        self.asked: list[int] = []

    def run(
        self, hosts: list[HostSpec], outputs: list[int], ports: list[int], *, joined: bool, told: int | None
    ) -> int:
        """Start every host and wait for all. outputs: a file descriptor a host for what it prints.

        ports: of the loopback of each network, whose sockets are handed to the local cloud's process.
        joined: each host has a network of its own. told: a file for the keeper of the tunnels that join them, of
        which nothing is ever in the memory of this process; None: nothing is encrypted.
        """
        networks: list[int] = []
        if self.isolated:
            namespaces.isolate_users()
            networks = self._join(hosts, ports, told) if joined else self._share(hosts[0], ports)
        privileges.die_with_parent()
        prefer_as_victim()
        privileges.hide()
        signal.signal(signal.SIGTERM, self._pass_on)
        signal.signal(signal.SIGUSR1, self._pass_on)
        found = zip_longest(hosts, outputs, networks)
        words = [self._keep(host, output, network) for host, output, network in found]
        for file in (*outputs, *networks):
            os.close(file)
        for number in self.asked:  # what came before every host could be told
            self._tell_hosts(number)
        self._listen({words[number]: host.name for number, host in enumerate(hosts)})
        tell(self.channel, event="gone", group=self.name)
        return 0

    def _share(self, first: HostSpec, ports: list[int]) -> list[int]:
        self._hand_out(first, namespaces.listen(ports))
        return []

    def _join(self, hosts: list[HostSpec], ports: list[int], told: int | None) -> list[int]:
        """The network of each host, as a file descriptor."""
        networks, addresses = [], [host.peers[host.name] for host in hosts]
        rates = {host.peers[host.name]: host.bandwidth for host in hosts if host.bandwidth}
        if told is None:
            joined = links.join(addresses, namespaces.raise_loopback, rates)
        else:
            on_end = partial(tell, self.channel, event="broken", group=self.name, reason=tunnels.ENDED)
            order = tunnels.Order(told, on_end, self.channel.fileno())
            joined = tunnels.join(addresses, namespaces.raise_loopback, order, rates)
        for host, network in zip(hosts, joined, strict=True):
            networks.append(network)
            self._hand_out(host, namespaces.listen(ports))
        return networks

    def _hand_out(self, host: HostSpec, listeners: list[socket.socket]) -> None:
        if listeners:
            words = json.dumps({"event": "listening", "group": self.name, "host": host.name}).encode()
            socket.send_fds(self.channel, [words], [listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()

    def _keep(self, host: HostSpec, output: int, network: int | None) -> IO[str]:
        """Fork the keeper of a host; returns the pipe that it tells over. network: its own, if it has one."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self.channel.close()
            if network is not None:
                links.enter(network)
            _become_keeper(host, output, writer, self.isolated)
        os.close(writer)
        words = os.fdopen(reader, encoding="ascii", errors="replace")
        self.first[host.name] = self._read(host.name, words) or 0
        return words

    def _read(self, host: str, words: IO[str]) -> int | None:
        """The number that a host's keeper tells next; what process 1 tells is kept. None: no more is told."""
        while line := words.readline(LINE):
            if HALF.fullmatch(line):
                self.half[host] = line.removeprefix("half ").strip()
            elif NUMBER.fullmatch(line):
                return int(line)
        return None

    def _listen(self, hosts: dict[IO[str], str]) -> None:
        """Tell the end of each host. A keeper that was killed tells none, and its host was killed with it."""
        events = selectors.DefaultSelector()
        for words in hosts:
            events.register(words, selectors.EVENT_READ)
        while events.get_map():
            for key, _ in events.select():
                words = cast("IO[str]", key.fileobj)
                host = hosts[words]
                told = self._read(host, words)
                code = 128 + signal.SIGKILL if told is None else told
                events.unregister(words)
                half = self.half.get(host, "")
                tell(self.channel, event="ended", group=self.name, host=host, code=code, half=half)

    def _pass_on(self, number: int, _frame: Any) -> None:
        self.asked.append(number)
        self._tell_hosts(number)

    def _tell_hosts(self, number: int) -> None:
        for first in self.first.values():
            if first:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(first, number)


def _read(host: dict[str, Any]) -> HostSpec:
    """A host, as it was asked for in JSON."""
    shares = tuple(Share(**share) for share in host["shares"])
    return HostSpec(**{**host, "argv": tuple(host["argv"]), "shares": shares})


def _shared(host: HostSpec) -> tuple[str, ...]:
    """Where it may write what other hosts have, too."""
    return tuple(share.target for share in host.shares if share.writable)


def _become_keeper(host: HostSpec, output: int, writer: int, isolated: bool) -> None:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if host.cgroup:
            cgroups.enter(host.cgroup)
        if isolated:
            namespaces.isolate_host()
        privileges.die_with_parent()
        signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)  # process 1 hears them when it can do as they say
        first = os.fork()
        if first == 0:
            _become_first(host, output, writer, isolated)
        os.write(writer, f"{first}\n".encode())
        os.close(output)
        code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        os.write(writer, f"{code if code >= 0 else 128 - code}\n".encode())
    except BaseException as error:
        os.write(output, f"sagelab: the host did not start: {error}\n".encode())
        os.write(writer, b"0\n1\n")
    finally:
        os._exit(0)


def _become_first(host: HostSpec, output: int, report: int, isolated: bool) -> None:
    code = 1
    try:
        privileges.die_with_parent()
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        privileges.close_others(report)
        if isolated:
            privileges.leave_keyring()
        if host.cores:
            os.sched_setaffinity(0, host.cores)
        if isolated:
            namespaces.enter(host)
            os.chdir(PROGRAM if host.program else "/opt/ml")
        else:
            os.setsid()
            privileges.adopt_orphans()
            os.chdir(host.program or Path(host.folder) / "ml")
        limits = (
            Limits(host.processes, host.disk, host.memory, tuple(host.mounts), _shared(host)) if isolated else None
        )
        code = Init(host.argv, host.env, host.forks if isolated else (), report, limits, host.python).run()
    except BaseException as error:
        os.write(2, f"sagelab: the host did not start: {error}\n".encode())
    finally:
        os._exit(code)


def tell(channel: socket.socket, **message: Any) -> None:
    channel.send(json.dumps(message).encode())


def prefer_as_victim() -> None:
    """Where memory runs out, the kernel ends a job before anything else."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(argv: list[str]) -> None:
    channel = socket.socket(fileno=int(argv[0]))
    sandbox_unavailable = probes.probe() if argv[1] == "auto" else "SAGELAB_SANDBOX=plain"
    overlay = not sandbox_unavailable and not probes.probe_overlay(Path.home())
    joined = not sandbox_unavailable and not probes.probe_links()
    limited = joined and not probes.try_apart(links.limit_loopback)
    gc.disable()  # to look for garbage among what is being imported takes a fifth of the time, and finds none
    with warmth.noting_reads():
        for name in argv[2:]:
            importlib.import_module(name)
    gc.enable()
    gc.collect()
    gc.freeze()  # what is imported is never garbage: no fork copies its pages only to look
    ForkServerProcess(channel, Allowed(sandbox_unavailable, overlay, joined, limited)).serve()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    privileges.hide()
    main(sys.argv[1:])
