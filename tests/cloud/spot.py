"""Spot jobs as tests make them: a script that writes a checkpoint an epoch, and takes no time."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from pathlib import Path
from typing import Any

from tests.cloud.jobs import Jobs

PLACE = "/opt/ml/input/data/script"
SUM = hashlib.sha256().digest_size

EPOCHS = Path(__file__).parents[2] / "bench" / "epochs.py"


def spot(jobs: Jobs, command: str, market: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A spot request whose container runs shell commands, with checkpoints under its own prefix.

    market: facts of a market of its own, "rate" and so on; by default nobody but the test interrupts.
    """
    facts = {"rate": 0, "wait": 0.2} | (market or {})
    request = jobs.shell(
        f"bash {PLACE}/run.sh",
        InputDataConfig=[jobs.channel("script", script(jobs, command))],
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
        Tags=[{"Key": f"sagelab:spot-{name}", "Value": str(value)} for name, value in facts.items()],
    )
    return request | {"CheckpointConfig": {"S3Uri": checkpoints(jobs, request)}} | changes


def script(jobs: Jobs, command: str) -> str:
    """Shell commands and EPOCHS in S3: an entry point's arguments have no room for them."""
    folder = f"scripts/{uuid.uuid4().hex}"
    jobs.put(f"{folder}/run.sh", command.encode())
    jobs.put(f"{folder}/epochs.py", EPOCHS.read_bytes())
    return f"s3://{jobs.bucket}/{folder}/"


def checkpoints(jobs: Jobs, request: dict[str, Any]) -> str:
    return f"s3://{jobs.bucket}/checkpoints/{request['TrainingJobName']}"


def epochs(count: int, seconds: float, size: int = 4096) -> str:
    """A shell command that runs EPOCHS."""
    return f"python3 {PLACE}/epochs.py --epochs {count} --seconds {seconds} --size {size}"


def interrupt(jobs: Jobs, name: str) -> None:
    """Take the capacity of a running job away, as a learner does by hand."""
    arn = jobs.describe(name)["TrainingJobArn"]
    jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "sagelab:spot-interrupt", "Value": "now"}])


def saved(jobs: Jobs, request: dict[str, Any]) -> dict[str, bytes]:
    """The checkpoints of a job as S3 has them, by name."""
    prefix = f"checkpoints/{request['TrainingJobName']}/"
    listed = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=prefix).get("Contents", [])
    found = {}
    for key in [item["Key"] for item in listed]:
        with contextlib.suppress(jobs.s3.exceptions.NoSuchKey):  # it was deleted meanwhile
            found[key[len(prefix) :]] = jobs.s3.get_object(Bucket=jobs.bucket, Key=key)["Body"].read()
    return found


def is_whole(checkpoint: bytes) -> bool:
    """Whether a checkpoint of EPOCHS is one from beginning to end."""
    return hashlib.sha256(checkpoint[:-SUM]).digest() == checkpoint[-SUM:]


def stages(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
