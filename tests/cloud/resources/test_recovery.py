"""A local cloud that is killed, and started again on the same home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.home import Home
from tests.cloud import processing
from tests.cloud.jobs import Jobs
from tests.cloud.kills import wait_end
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow


def start(sagelab: Callable[..., Any], home: Home) -> LocalCloud:
    result = sagelab("up", "--detach", home=home.path)
    assert result.returncode == 0, result.stderr
    running = home.server()
    assert running is not None
    return LocalCloud(home, running["url"])


def test_jobs_survive_a_kill_and_a_running_one_is_failed_honestly(home: Home, sagelab: Callable[..., Any]) -> None:
    before = Jobs(start(sagelab, home))
    done = before.run(before.shell("true", Tags=[{"Key": "k", "Value": "v"}]))
    running = before.shell(f"echo started; sleep 98765{os.getpid()}")
    before.sagemaker.create_training_job(**running)
    before.wait_log(running["TrainingJobName"], "started")
    server = home.server()
    assert server is not None
    wait_end(server["pid"])

    after = start(sagelab, home)
    sagemaker = after.client("sagemaker")
    again = sagemaker.describe_training_job(TrainingJobName=done["TrainingJobName"])
    assert without_request(again) == without_request(done)
    assert sagemaker.list_tags(ResourceArn=done["TrainingJobArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    failed = sagemaker.describe_training_job(TrainingJobName=running["TrainingJobName"])
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith(
        "InternalServerError: The local cloud ended while the job was running"
    )
    commands = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()]
    assert not any(f"98765{os.getpid()}".encode() in command for command in commands)
    assert not any(home.jobs.iterdir())


def without_request(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_processing_job_that_ran_is_failed_honestly(home: Home, sagelab: Callable[..., Any]) -> None:
    before = Jobs(start(sagelab, home))
    job = processing.request(f"echo started; sleep 76543{os.getpid()}")
    before.sagemaker.create_processing_job(**job)
    processing.wait_log(before, job["ProcessingJobName"], "started")
    server = home.server()
    assert server is not None
    wait_end(server["pid"])
    again = start(sagelab, home).client("sagemaker")
    failed = again.describe_processing_job(ProcessingJobName=job["ProcessingJobName"])
    assert failed["ProcessingJobStatus"] == "Failed"
    assert "The local cloud ended while the job was running" in failed["FailureReason"]
    commands = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()]
    assert not any(f"76543{os.getpid()}".encode() in command for command in commands)


def test_running_job_ends_with_the_local_cloud(home: Home, sagelab: Callable[..., Any]) -> None:
    jobs = Jobs(start(sagelab, home))
    request = jobs.shell(f"echo started; sleep 87654{os.getpid()}")
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(request["TrainingJobName"], "started")
    assert sagelab("down", home=home.path).returncode == 0
    commands = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()]
    assert not any(f"87654{os.getpid()}".encode() in command for command in commands)
    again = start(sagelab, home).client("sagemaker")
    job = again.describe_training_job(TrainingJobName=request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert "The local cloud ended" in job["FailureReason"]


def test_job_is_started_again_after_a_fault_of_the_platform(home: Home, sagelab: Callable[..., Any]) -> None:
    jobs = Jobs(start(sagelab, home))
    request = jobs.shell("[ -e /opt/ml/checkpoints/again ] || { touch /opt/ml/checkpoints/again; sleep 1000; }")
    request |= {
        "RetryStrategy": {"MaximumRetryAttempts": 1},
        "CheckpointConfig": {"S3Uri": f"s3://{jobs.bucket}/checkpoints"},
    }
    jobs.sagemaker.create_training_job(**request)
    while "Contents" not in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="checkpoints/"):
        assert jobs.describe(request["TrainingJobName"])["TrainingJobStatus"] == "InProgress"
    server = home.server()
    assert server is not None
    for fork_server in children(server["pid"]):
        wait_end(fork_server)
    job = jobs.wait(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    attempt = ["Starting", "Downloading", "Training"]
    found = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert found == [*attempt, *attempt, "Uploading", "Completed"]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    text = "".join(file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for child in text.split()]
