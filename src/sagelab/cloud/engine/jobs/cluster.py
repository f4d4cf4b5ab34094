"""The hosts of one job: their folders, what they print, how long they may, their end and the exit code of each."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.workspace import Workspace, environment
from sagelab.cloud.engine.images.environments import Environment
from sagelab.cloud.engine.images.runtimes import Runtime, describe_here
from sagelab.cloud.engine.jobs import bandwidth
from sagelab.cloud.engine.jobs.failures import KILLED, explain_exit
from sagelab.cloud.engine.jobs.logs import Listener, Reader, Stream
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.errors import ClientError, InternalServerError, JobError

NETWORK = ip_network("10.0.128.0/20")  # of the hosts of a job, each of which has its own
GRACE_SECONDS = 120.0  # between SIGTERM and SIGKILL, as StopTrainingJob has it


@dataclass(frozen=True)
class Task:
    """What every host of a job runs.

    argv: its first command. environment: beside what every host has. network: without one it has no keys either.
    role: whose keys it has. limits: of its session, as AssumeRole has them. seconds: that it may run. memory:
    bytes of a process, at most. encrypted: whether what goes from host to host is.
    """

    runtime: Runtime
    argv: tuple[str, ...]
    environment: dict[str, str]
    network: bool
    role: str
    seconds: int
    memory: int | None = None
    encrypted: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)


class Cluster:
    """The hosts of one job, in the order of their life: make_folders, open_logs, start, wait, remove.

    listener: hears every line that they print. seconds: how long they ran. users_fault: the exit code by which
    their program, where it is the platform's own, says that its input is at fault.
    """

    listener: Listener | None = None
    users_fault: int | None = None
    session = "SageMaker"  # of the role that hosts have

    def __init__(
        self,
        job: str,
        count: int,
        context: EngineContext,
        volume_key: str | None = None,
        instance_type: str = "",
    ) -> None:
        """volume_key: of KMS, under which the volumes of the hosts are. instance_type: whose network they have."""
        self.job, self.context, self.volume_key = job, context, volume_key
        self.instance_type = instance_type
        self.hosts = [f"algo-{number + 1}" for number in range(count)]
        self.folder = f"{job}-{time.time_ns():x}"
        self.folders: dict[str, Path] = {}
        self.streams: dict[str, Stream] = {}
        self.seconds = 0.0
        self._running: Running | None = None
        self._readers: list[Reader] = []
        self._kill: threading.Timer | None = None

    def make_folders(self) -> list[Workspace]:
        """A new folder for each host; the /opt/ml of each.

        ClientError: the key of their volumes cannot be used.
        """
        for host in self.hosts:
            passphrase = self.context.volume_passphrase(self.volume_key, f"{self.job}/{host}")
            self.folders[host] = self.context.launcher.make_folder(self.folder, host, passphrase)
        return self.spaces

    @cached_property
    def bandwidth(self) -> int | None:
        """Bits a second that a host may send to the others, and get from them. None: any."""
        return bandwidth.baseline(self.instance_type) if self._several else None

    @property
    def _several(self) -> bool:
        return bool(self.instance_type) and len(self.hosts) > 1

    @property
    def interface(self) -> str:
        """The device of the network of each host."""
        return self.context.launcher.interface(len(self.hosts))

    @property
    def spaces(self) -> list[Workspace]:
        return [Workspace(folder / "ml") for folder in self.folders.values()]

    # Logs

    def open_logs(
        self, group: str, runtime: Runtime, lines: list[str], name: str = "{job}/{host}-{now}", role: str = ""
    ) -> None:
        """A log stream for each host, headed by what the local cloud has to say.

        role: with whose rights they are written; without one, with the service's own.
        """
        now = int(time.time())
        logs = self.context.client_as(role, "logs") if role else self.context.client("logs")
        for host in self.hosts:
            stream = name.format(job=self.job, host=host, now=now)
            self.streams[host] = Stream(logs, group, stream, self.listener)
        weaker = self.context.launcher.sandbox_unavailable(runtime)
        self.say(*lines, *([f"without namespaces of its own: {weaker}"] if weaker else []))
        if weaker and self.context.source:
            self.say("VpcConfig: without namespaces the job reaches what this machine does")
        if self._several:
            limited = self.context.launcher.limits_bandwidth(runtime)
            self.say(bandwidth.describe(self.instance_type, self.bandwidth, limited=limited))
        self.context.hear(self.say)

    def say(self, *lines: str) -> None:
        """Put lines of the local cloud's own into the log of every host."""
        for stream in self.streams.values():
            for line in lines:
                stream.note(line)
            stream.flush()

    def on_lines(self) -> None:
        """Lines of the hosts went to the log."""

    # Running

    def start(self, task: Task) -> None:
        """Start the hosts."""
        network = self.context.network(task.role, self.session, task.limits) if task.network else None
        env = environment(self.context.region) | (self.context.surroundings if network else {}) | task.environment
        hosts = [self.host(name, task, env) for name in self.hosts]
        self._running = self.context.launcher.start(task.runtime, hosts, network, encrypted=task.encrypted)
        outputs, kill = self._running.outputs.items(), self._running.group.kill
        self._readers = [Reader(pipe, self.streams[host], self.on_lines, kill) for host, pipe in outputs]
        for reader in self._readers:
            reader.start()

    def host(self, name: str, task: Task, env: dict[str, str]) -> HostSpec:
        return HostSpec(
            name=name,
            folder=str(self.folders[name]),
            argv=task.argv,
            env=env,
            peers={peer: self._address(number) for number, peer in enumerate(self.hosts, start=1)},
            memory=task.memory or self.context.memory_limit,
            bandwidth=self.bandwidth,
        )

    def _address(self, number: int) -> str:
        """Of a host, from 1 on: in the job's subnet, if it has one. ClientError: it has not so many."""
        source = self.context.source
        try:
            return source.of_host(number).address if source else str(NETWORK[number])
        except ValueError as error:
            raise ClientError(f"Insufficient free addresses in the subnet of the job: {error}") from None

    def wait(self, limits: Mapping[str, float], on_due: Callable[[str], None]) -> None:
        """Return when no process of the hosts is left and all that they printed is in the log.

        limits: a name -> after how many seconds `on_due` is called with it.
        """
        group, began = self.running.group, time.monotonic()
        due = {name: began + seconds for name, seconds in limits.items()}
        while not group.ended.is_set():
            first = min(due, key=lambda name: due[name])
            left = due[first] - time.monotonic()
            group.changed.wait(None if math.isinf(left) else max(0.0, left))
            group.changed.clear()
            if time.monotonic() >= due[first]:
                due[first] = math.inf
                on_due(first)
            elif any(group.codes.values()) and len(group.codes) < len(self.hosts) and not self._kill:
                group.kill()  # one host failed: the others would wait for it for ever
        self.seconds = time.monotonic() - began
        for reader in self._readers:
            reader.join()

    @property
    def running(self) -> Running:
        assert self._running is not None
        return self._running

    # Ending

    def terminate(self, grace: float = GRACE_SECONDS) -> None:
        """Ask the hosts to end: SIGTERM now, SIGKILL after `grace` seconds. Nothing where none runs."""
        if self._running is None or self._running.group.ended.is_set() or self._kill:
            return
        self._signal(self._running.group.terminate)
        self._kill = threading.Timer(grace, self._signal, [self._running.group.kill])
        self._kill.daemon = True
        self._kill.start()

    def _signal(self, send: Callable[[], None]) -> None:
        try:
            self.hold()
        finally:
            send()

    def hold(self) -> None:
        """The hosts are ended from outside next."""

    def kill(self) -> None:
        """End the hosts at once, with nothing saved."""
        if self._running:
            self._running.group.kill()

    @property
    def codes(self) -> dict[str, int]:
        """The exit code of each host."""
        return {host: self.running.group.codes.get(host, KILLED) for host in self.hosts}

    def check(self) -> None:
        """InternalServerError: the hosts could not run, and it was not their own doing."""
        if self.running.group.trouble:
            raise InternalServerError(self.running.group.trouble)

    def explain(self) -> JobError | None:
        """Why the hosts failed; None where all ended well. InternalServerError: they could not run."""
        self.check()
        return explain_exit(self.codes, self.spaces, self.streams, self.users_fault)

    def remove(self) -> None:
        """Leave nothing of them on this machine."""
        if self._kill:
            self._kill.cancel()
        self.context.launcher.remove_folder(self.folder)


def describe_stand_in(image: str, instance_type: str, environment: Environment) -> str:
    """The first line of a log: what is here in place of an image on an instance."""
    return f"{image} on {instance_type} is, here, {describe_here(environment)}"
