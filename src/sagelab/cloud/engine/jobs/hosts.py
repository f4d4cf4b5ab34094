"""The hosts of one job while they run: what they print, how long they may, and the exit code of each."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.jobs.logs import Reader, Stream
from sagelab.cloud.engine.sandbox.launcher import Launcher, Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.errors import InternalServerError

GRACE_SECONDS = 120.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Plan:
    """What is started: hosts of one runtime, with a network or without. seconds: how long they may run."""

    name: str
    runtime: Runtime
    hosts: list[HostSpec]
    network: bool
    seconds: float


class Hosts:
    """The hosts of one job. `overtime`: they were ended because their time was over."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._running: Running | None = None
        self._kill: threading.Timer | None = None
        self.overtime = False

    def start(self, plan: Plan, streams: dict[str, Stream]) -> list[Reader]:
        """Start them; what each prints goes to its stream. Returns the readers of that, to be waited for."""
        self._running = self._launcher.start(plan.name, plan.runtime, plan.hosts, network=plan.network)
        outputs, kill = self._running.outputs.items(), self._running.group.kill
        readers = [Reader(pipe, streams[host], _nothing, kill) for host, pipe in outputs]
        for reader in readers:
            reader.start()
        return readers

    def wait(self, plan: Plan, readers: list[Reader]) -> dict[str, int]:
        """The exit code of each host, once all have ended. InternalServerError: they could not run."""
        assert self._running
        group, limit = self._running.group, time.monotonic() + plan.seconds
        while not group.ended.is_set():
            group.changed.wait(max(0.0, limit - time.monotonic()))
            group.changed.clear()
            if time.monotonic() >= limit and not self.overtime:
                self.overtime, limit = True, float("inf")
                self.terminate()
                group.ended.wait()
            elif any(group.codes.values()) and len(group.codes) < len(plan.hosts) and not self._kill:
                group.kill()  # one host failed: the others would wait for it for ever
        for reader in readers:
            reader.join()
        if self._kill:
            self._kill.cancel()
        if group.trouble:
            raise InternalServerError(group.trouble)
        return {host.name: group.codes.get(host.name, 137) for host in plan.hosts}

    def terminate(self) -> None:
        """Ask them to end (SIGTERM); end them after the grace period."""
        if self._running and not self._kill:
            self._running.group.terminate()
            self._kill = threading.Timer(GRACE_SECONDS, self._running.group.kill)
            self._kill.daemon = True
            self._kill.start()

    def kill(self) -> None:
        if self._running:
            self._running.group.kill()


def _nothing() -> None:
    """Nothing is to be done after a batch of lines went out."""
