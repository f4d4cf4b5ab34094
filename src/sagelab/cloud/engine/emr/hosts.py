"""The hosts of a cluster, joined, each with a first process that does what it is told (sagelab.spark.emr).

They are started all at once, some of them spare: an instance that comes later is a host that waited, and of one
that is taken away nothing is left when the next has its host.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from sagelab import relay
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.environments import PLAIN, SPARK
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Running
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.engine.sandbox.tail import Tail
from sagelab.cloud.errors import InternalServerError
from sagelab.functions import wire

FIRST = ("instance",)
WITH_SPARK = Runtime("spark", SPARK.imports, (*FIRST, "python3"), SPARK)
WITHOUT = Runtime("instances", ("boto3", "boto3.s3.transfer"), (*FIRST, "python3"), PLAIN)
SOCKET = "instance.sock"
NETWORK = ip_network("10.0.128.0/20")
START, GRACE = 60.0, 5.0  # seconds: for a host to come; in which what is killed is gone
DISK = 32 << 30  # bytes of each
ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")

Hear = Callable[[int, str, dict[str, Any]], None]


class Hosts:
    """`start`, then `tell` any of them; `hear` is called with a host's number, a kind and what it says.

    spark: whether they have Spark's packages. addresses: of each, in its network.
    """

    def __init__(self, name: str, count: int, context: EngineContext, hear: Hear, *, spark: bool) -> None:
        self.name, self.count, self._context, self._hear = name, count, context, hear
        self._runtime = WITH_SPARK if spark else WITHOUT
        self.addresses: dict[int, str] = {}
        self._channels: dict[int, socket.socket] = {}
        self._running: Running | None = None
        self._killed, self._lock = False, threading.Lock()
        self._tail = Tail()

    def start(self, network: Network, variables: dict[str, str]) -> None:
        """PullFailed: its packages are not there. InternalServerError: the hosts do not start."""
        launcher = self._context.launcher
        launcher.warm(self._runtime)
        names = [_name(str(NETWORK[number])) for number in range(1, self.count + 1)]
        folders = [launcher.make_folder(self.name, name) for name in names]
        listeners = [relay.listen(folder / "run" / SOCKET) for folder in folders]
        peers = {name: str(NETWORK[number]) for number, name in enumerate(names, start=1)}
        try:
            hosts = [
                self._host(name, folder, peers, variables, number)
                for number, (name, folder) in enumerate(zip(names, folders, strict=True))
            ]
            running = launcher.start(self._runtime, hosts, network)
            with self._lock:
                self._running = running
                if self._killed:
                    running.group.kill()
            for output in running.outputs.values():
                threading.Thread(target=self._tail.drain, args=(output,), daemon=True).start()
            for number, listener in enumerate(listeners):
                self._channels[number] = self._accept(listener, number)
        finally:
            for listener in listeners:
                listener.close()
        for number, channel in self._channels.items():
            threading.Thread(target=self._listen, args=(number, channel), daemon=True).start()

    def _host(
        self, name: str, folder: Path, peers: dict[str, str], variables: dict[str, str], number: int
    ) -> HostSpec:
        own = {"SAGELAB_INSTANCE": f"/run/sagelab/{SOCKET}", "SAGELAB_INSTANCE_NUMBER": str(number + 1)}
        return HostSpec(
            name=name,
            folder=str(folder),
            argv=FIRST,
            env=environment(self._context.region) | self._context.surroundings | variables | own,
            peers=peers,
            memory=self._context.memory_limit,
            disk=DISK,
        )

    def _accept(self, listener: socket.socket, number: int) -> socket.socket:
        assert self._running
        if (channel := self._running.accept(listener, START)) is None:
            raise InternalServerError(
                self._running.group.trouble or f"an instance did not start{self._tail.said()}"
            )
        head, document = _receive(channel)
        address = document.get("address")
        if head["kind"] != "hello" or not isinstance(address, str) or not ADDRESS.fullmatch(address):
            raise InternalServerError("an instance did not say who it is")
        self.addresses[number] = address
        return channel

    def tell(self, number: int, kind: str, document: dict[str, Any]) -> None:
        """Nothing where it is gone: that is heard elsewhere."""
        try:
            wire.send(self._channels[number], {"kind": kind}, json.dumps(document, default=str).encode())
        except OSError:
            return

    def _listen(self, number: int, channel: socket.socket) -> None:
        while True:
            try:
                head, document = _receive(channel)
            except (EOFError, OSError, ValueError, RecursionError):
                self._hear(number, "gone", {})
                return
            self._hear(number, str(head["kind"]), document)

    def kill(self) -> None:
        with self._lock:
            self._killed = True
            if self._running:
                self._running.group.kill()

    def remove(self) -> None:
        """Leave nothing of them on this machine."""
        self.kill()
        if self._running:
            self._running.group.ended.wait(GRACE)
        for channel in self._channels.values():
            channel.close()
        self._context.launcher.remove_folder(self.name)


def _receive(channel: socket.socket) -> tuple[dict[str, Any], dict[str, Any]]:
    """ValueError: what comes is no message."""
    head, payload = wire.receive(channel)
    document = json.loads(payload) if payload else {}
    return head, document if isinstance(document, dict) else {}


def _name(address: str) -> str:
    """As EC2 names an instance by its address."""
    return f"ip-{address.replace('.', '-')}"
