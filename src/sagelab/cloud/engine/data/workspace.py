"""The /opt/ml of one host, as SageMaker's training contract has it.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sagelab.cloud.engine.data.trees import Tree

FOLDERS = ("code", "model", "checkpoints", "input/config", "input/data", "output/data")
CHECKPOINTS = "/opt/ml/checkpoints"
GROUP = "homogeneousCluster"
PATH = "/opt/sagelab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Workspace:
    """The folder that a host sees as /opt/ml."""

    path: Path

    @property
    def tree(self) -> Tree:
        """The folder as whoever is outside of the host touches it once code has run there."""
        return Tree(self.path)

    @property
    def code(self) -> Path:
        return self.path / "code"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def channel(self, name: str) -> Path:
        return self.path / "input/data" / name

    def checkpoints(self, job: dict[str, Any]) -> Tree:
        """What the host sees at CheckpointConfig.LocalPath: part of its /opt/ml, or a folder beside it."""
        seen = PurePosixPath(checkpoint_path(job))
        if seen.is_relative_to("/opt/ml"):
            return self.tree.below(str(seen.relative_to("/opt/ml")))
        return Tree(self.path.with_name("checkpoints"))

    def make(self, job: dict[str, Any], host: str, hosts: list[str], interface: str) -> None:
        """Lay it out for one host of a training job, with the files that tell the job what it is.

        interface: the device of its network.
        """
        for folder in FOLDERS:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        for channel in job.get("InputDataConfig", []):
            if input_mode(job, channel) != "Pipe":
                self.channel(channel["ChannelName"]).mkdir()
        self._write("hyperparameters", job.get("HyperParameters", {}))
        self._write("inputdataconfig", describe_channels(job))
        self._write("resourceconfig", describe_hosts(job, host, hosts, interface))
        if "CheckpointConfig" in job:
            self._write("checkpointconfig", job["CheckpointConfig"] | {"LocalPath": checkpoint_path(job)})
            self.checkpoints(job).path.mkdir(parents=True, exist_ok=True)

    def failure(self) -> str:
        """What the job wrote to output/failure; empty if it did not."""
        return self.tree.read("output/failure", 1 << 16).decode("utf-8", "replace").strip()

    def _write(self, name: str, content: Any) -> None:
        (self.path / f"input/config/{name}.json").write_text(json.dumps(content))


def checkpoint_path(job: dict[str, Any]) -> str:
    """CheckpointConfig.LocalPath, by default as AWS has it."""
    path: str = job["CheckpointConfig"].get("LocalPath") or CHECKPOINTS
    return path


def describe_channels(job: dict[str, Any]) -> dict[str, Any]:
    """inputdataconfig.json."""
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": input_mode(job, channel),
            "S3DistributionType": channel["DataSource"]
            .get("S3DataSource", {})
            .get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in job.get("InputDataConfig", [])
    }


def input_mode(job: dict[str, Any], channel: dict[str, Any]) -> str:
    """File, FastFile or Pipe: the channel's own, else the job's."""
    mode: str = channel.get("InputMode") or job["AlgorithmSpecification"]["TrainingInputMode"]
    return mode


def describe_hosts(job: dict[str, Any], host: str, hosts: list[str], interface: str) -> dict[str, Any]:
    """resourceconfig.json."""
    kind = job["ResourceConfig"]["InstanceType"]
    return {
        "current_host": host,
        "current_instance_type": kind,
        "current_group_name": GROUP,
        "hosts": hosts,
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": kind, "hosts": hosts}],
        "network_interface_name": interface,
    }


def environment(region: str) -> dict[str, str]:
    """The environment of every host's first process, before its own: nothing of this machine's is in it."""
    return {
        "PATH": PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "SAGEMAKER_REGION": region,
    }


def job_environment(job: dict[str, Any]) -> dict[str, str]:
    """What a training job's host has in its environment beside that, before the job's own Environment."""
    return {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "TRAINING_JOB_NAME": job["TrainingJobName"],
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
    }
