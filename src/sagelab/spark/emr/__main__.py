"""python3 -m sagelab.spark.emr: the first process of an instance of a cluster; it does what the local cloud says.

    local cloud -- boot, know, node, step, cancel, gather, take --> instance
                <-- hello, booted, ready, ended, lost --

What it says is believed to be numbers and words.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelab.functions import wire
from sagelab.spark.emr import bootstrap, logs, processes
from sagelab.spark.emr.cluster import Cluster
from sagelab.spark.emr.containers import Containers
from sagelab.spark.emr.steps import INTERRUPT, TERMINATE, Step

if TYPE_CHECKING:
    from sagelab.spark.nodes import Node

SOCKET, NUMBER = "SAGELAB_INSTANCE", "SAGELAB_INSTANCE_NUMBER"


class Instance:
    """One instance, for as long as the local cloud is connected."""

    def __init__(self, channel: socket.socket, number: int) -> None:
        self._channel, self._lock = channel, threading.Lock()
        self.address = _address(number)
        self._cluster: Cluster | None = None
        self._node: Node | None = None
        self._containers: Containers | None = None
        self._steps: dict[str, Step] = {}
        self._sent: set[Path] = set()

    def serve(self) -> None:
        """Until the local cloud is gone."""
        self.tell("hello", {"address": self.address})
        does = {
            "know": self.know,
            "boot": self.boot,
            "node": self.start_node,
            "step": self.step,
            "cancel": self.cancel,
            "gather": self.gather,
            "take": self.take,
        }
        while True:
            head, payload = wire.receive(self._channel)
            does[head["kind"]](json.loads(payload))

    def tell(self, kind: str, document: Any) -> None:
        with self._lock:
            wire.send(self._channel, {"kind": kind}, json.dumps(document).encode())

    @property
    def cluster(self) -> Cluster:
        assert self._cluster
        return self._cluster

    def know(self, asked: dict[str, Any]) -> None:
        """How the cluster is now."""
        self._cluster = Cluster(**asked)
        self._cluster.write()

    def boot(self, asked: dict[str, Any]) -> None:
        threading.Thread(target=self._boot, args=(asked["actions"],), daemon=True).start()

    def _boot(self, actions: list[dict[str, Any]]) -> None:
        number, code = bootstrap.run(self.cluster, actions)
        self.tell("booted", {"action": number, "code": code})

    def start_node(self, _: dict[str, Any]) -> None:
        threading.Thread(target=self._start_node, daemon=True).start()

    def _start_node(self) -> None:
        try:
            if "spark" in self.cluster.applications:
                self._start_spark(self.cluster)
            self.tell("ready", {})
        except Exception as error:
            self.tell("lost", {"reason": str(error)[:400]})

    def _start_spark(self, cluster: Cluster) -> None:
        """Who takes drivers, and the master or a worker of Spark's own manager: alone, the master needs none."""
        from sagelab.spark import java, nodes

        if self._containers is None:
            self._containers = Containers(self.address, lambda: self.cluster, _drive)
        if self._node is None and not cluster.alone:
            role = "master" if cluster.own == cluster.first else "worker"
            settings = java.settle(cluster.plan.defaults(), cluster.configuration, cluster.own)
            node = nodes.Node(settings, cluster.own, cluster.first, cluster.plan, role, cluster.room)
            node.wait_ready()
            self._node = node
            threading.Thread(target=self._watch, args=(node,), daemon=True).start()

    def _watch(self, node: Node) -> None:
        code = node.wait()
        if self._node is node:
            self.tell("lost", {"reason": f"the node's Java ended with exit code {code}"})

    def step(self, asked: dict[str, Any]) -> None:
        step = self._steps[asked["id"]] = Step(asked, self.cluster)
        threading.Thread(target=self._run, args=(step,), daemon=True).start()

    def _run(self, step: Step) -> None:
        found = step.run()
        self._steps.pop(step.id, None)
        self.tell("ended", {"id": step.id} | found)

    def cancel(self, asked: dict[str, Any]) -> None:
        if step := self._steps.get(asked["id"]):
            step.cancel(TERMINATE if asked["now"] else INTERRUPT)

    def gather(self, _: dict[str, Any]) -> None:
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self) -> None:
        """What executors have printed, once for each."""
        for file in self._node.printed() if self._node else ():
            place = file.relative_to(self._node.work) if self._node else file
            logs.put(self.cluster.logs, f"containers/{place}", file)

    def take(self, _: dict[str, Any]) -> None:
        """The instance is taken away: all that runs on it is killed, all that it has is gone."""
        self._node, containers, self._containers = None, self._containers, None
        if containers:
            containers.close()
        processes.kill_rest()
        for each in Path(tempfile.gettempdir()).iterdir():
            shutil.rmtree(each, ignore_errors=True)
        self.tell("taken", {})


def _drive(cluster: Cluster, words: list[str], folder: Path, out: int, err: int) -> Any:
    from sagelab.spark.emr import submit

    return submit.drive(cluster, words, folder, out, err)


def _address(number: int) -> str:
    """Of this instance in the network of the cluster."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return f"127.1.{number >> 8}.{number & 255}"


def main() -> None:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(os.environ.pop(SOCKET))
    try:
        Instance(channel, int(os.environ.pop(NUMBER))).serve()
    except EOFError:
        sys.exit(0)


if __name__ == "__main__":
    main()
