"""What runs of one script have in common, on hosts of Python's or Spark's: role, reason, end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.jobs.cluster import Cluster
from sagelab.cloud.engine.jobs.run import INTERRUPTED, JobRun, Report, Step, Stopped

MESSAGE = 4096  # bytes of a reason
GRACE = 10.0  # seconds between SIGTERM and SIGKILL


class ScriptRun(JobRun):
    """cluster: its hosts, whose first program leaves in output/message why it failed."""

    grace = GRACE

    def __init__(self, name: str, cluster: Cluster, report: Report) -> None:
        super().__init__(name, report)
        self.cluster, self._fault = cluster, None

    _fault: Step | None

    def fail(self, why: str) -> None:
        """Stopped: it ends so."""
        self._fault = Step("FAILED", why)
        raise Stopped

    def end(self) -> Step | None:
        return self._fault if self._fault and self.ending != INTERRUPTED else super().end()

    def check_role(self, context: EngineContext, role: str, words: str) -> None:
        """Stopped: nobody may take on a role; words: what is said then."""
        try:
            context.client("sts").assume_role(RoleArn=role, RoleSessionName=self.cluster.session)
        except botocore.exceptions.ClientError:
            self.fail(words.format(role))

    def write_config(self, folder: Path, host: str, kind: str, texts: Mapping[str, Any]) -> None:
        """Files of the configuration of a host. kind: an instance that has its memory. texts: name -> document."""
        for name in ("config", "output"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        cluster = {"ProcessingResources": {"ClusterConfig": {"InstanceType": kind}}}
        hosts = {"current_host": host, "hosts": self.cluster.hosts}
        for name, document in {**texts, "resourceconfig": hosts, "processingjobconfig": cluster}.items():
            (folder / f"config/{name}.json").write_text(json.dumps(document))

    @property
    def failed(self) -> int:
        """The exit code of a host that failed; 0: none did."""
        return next(filter(None, self.cluster.codes.values()), 0)

    @property
    def reason(self) -> str:
        """Why the script failed, in its own words."""
        tree = self.cluster.spaces[0].tree
        return tree.read("output/message", MESSAGE).decode("utf-8", "replace").strip()

    def halt(self, now: bool) -> None:
        self.cluster.kill() if now else self.cluster.terminate(self.grace)

    def clean(self) -> None:
        self.cluster.remove()
