"""What an instance knows of its cluster: a file that its programs read, written anew as instances come and go."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from sagelab.spark import configuration, plan
from sagelab.spark.configuration import Configuration
from sagelab.spark.errors import BASE

FILE = BASE / "emr/cluster.json"
# Of an instance's memory, what YARN gives to containers, about:
# https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-hadoop-task-config.html
CONTAINERS = 0.75


MASTER = 7077  # the port of Spark's master


@dataclass(frozen=True)
class Cluster:
    """id: j-... own, first: addresses of this instance and of the master. drivers: addresses of core instances.

    workers: instances that have executors. kind: their type. token: what instances know one another by.
    logs: a prefix of S3 for logs, "" where none are kept. instance: i-... of this one. given: Configurations.
    applications: in lower case.
    """

    id: str
    instance: str
    own: str
    first: str
    drivers: list[str]
    workers: int
    kind: str
    token: str
    logs: str
    given: list[dict[str, Any]]
    applications: list[str]

    @property
    def alone(self) -> bool:
        """Whether the master is all there is: Spark is one process then."""
        return not self.workers

    @property
    def master(self) -> str:
        """As Spark names it."""
        return f"local[{self.plan.cores}]" if self.alone else f"spark://{self.first}:{MASTER}"

    @property
    def plan(self) -> plan.Plan:
        """Memory and cores. The driver has a Java of its own beside those of executors, unless it is alone."""
        return plan.make(self.kind, max(1, self.workers), plan.Machine.here(), beside=0 if self.alone else 1)

    @property
    def room(self) -> int:
        """MB that all executors of one instance may have: of the type, whatever this machine has."""
        return max(int(plan.instance(self.kind).memory * CONTAINERS), self.plan.executor)

    @property
    def configuration(self) -> Configuration:
        return configuration.parse(self.given)

    def write(self) -> None:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        draft = FILE.with_name(f".{os.getpid()}.json")
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(FILE)


def read() -> Cluster:
    """What stands in the file."""
    return Cluster(**json.loads(FILE.read_text()))
