"""A local cloud that is killed, and started again on the same home."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud import commands, processing
from tests.cloud.compilations import Compilations, make_models, pack
from tests.cloud.jobs import Jobs
from tests.cloud.kills import wait_end

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Life:
    """A local cloud that was killed, started, ended in order and started again; and what ran in it each time.

    killed, ended: the names of those that ran at that moment, by kind. left: commands and folders of theirs.
    """

    done: dict[str, Any]
    killed: dict[str, str]
    ended: dict[str, str]
    left: dict[str, list[str]]
    after: Jobs


@pytest.fixture(scope="module")
def life(sagelab: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    home = Home(tmp_path_factory.mktemp("life") / "home")
    before, mark = Jobs(clouds.start(home)), f"98765{os.getpid()}"
    done = before.run(before.shell("true", Tags=[{"Key": "k", "Value": "v"}]))
    killed = {"training": train(before, mark), "processing": process(before, mark)}
    server = home.server()
    assert server is not None
    wait_end(server["pid"])
    between = Jobs(clouds.start(home), before.bucket)
    left = {"kill": [*commands.running(mark).values(), *folders(home)]}
    ended = {"training": train(between, mark), "compilation": compile_keras(between)}
    assert sagelab("down", home=home.path).returncode == 0
    left["down"] = list(commands.running(mark).values())
    after = Jobs(clouds.start(home), before.bucket)
    left["down"] += folders(home)
    yield Life(done, killed, ended, left, after)
    assert sagelab("down", home=home.path).returncode == 0


def train(jobs: Jobs, mark: str) -> str:
    """The name of a training job that runs: its command has the mark."""
    request = jobs.shell(f"echo started; sleep {mark}")
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(request["TrainingJobName"], "started")
    return str(request["TrainingJobName"])


def process(jobs: Jobs, mark: str) -> str:
    job = processing.request(f"echo started; sleep {mark}")
    jobs.sagemaker.create_processing_job(**job)
    processing.wait_log(jobs, job["ProcessingJobName"], "started")
    return str(job["ProcessingJobName"])


def compile_keras(jobs: Jobs) -> str:
    neo = Compilations(jobs.cloud)
    request = neo.request(pack(make_models() / "net.keras"), DataInputConfig='{"image": [1, 2, 6, 4]}')
    neo.sagemaker.create_compilation_job(**request)
    neo.wait(request["CompilationJobName"], "INPROGRESS")
    return str(request["CompilationJobName"])


def folders(home: Home) -> list[str]:
    """Those of jobs."""
    return [folder.name for folder in home.jobs.iterdir()]


def test_jobs_survive_a_kill_and_a_running_one_is_failed_honestly(life: Life) -> None:
    sagemaker, done = life.after.sagemaker, life.done
    again = life.after.describe(done["TrainingJobName"])
    assert without_request(again) == without_request(done)
    assert sagemaker.list_tags(ResourceArn=done["TrainingJobArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    failed = life.after.describe(life.killed["training"])
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith(
        "InternalServerError: The local cloud ended while the job was running"
    )


def without_request(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_processing_job_that_ran_is_failed_honestly(life: Life) -> None:
    failed = life.after.sagemaker.describe_processing_job(ProcessingJobName=life.killed["processing"])
    assert failed["ProcessingJobStatus"] == "Failed"
    assert "The local cloud ended while the job was running" in failed["FailureReason"]


def test_running_job_ends_with_the_local_cloud(life: Life) -> None:
    job = life.after.describe(life.ended["training"])
    assert job["TrainingJobStatus"] == "Failed"
    assert "The local cloud ended" in job["FailureReason"]


def test_compilation_job_that_ran_is_failed_honestly(life: Life) -> None:
    name = life.ended["compilation"]
    job = life.after.sagemaker.describe_compilation_job(CompilationJobName=name)
    assert job["CompilationJobStatus"] == "FAILED"
    assert "The local cloud ended while the job was running" in job["FailureReason"]


def test_no_process_and_no_folder_of_a_job_is_left(life: Life) -> None:
    assert life.left == {"kill": [], "down": []}


def test_job_is_started_again_after_a_fault_of_the_platform(life: Life) -> None:
    jobs = life.after
    request = jobs.shell("[ -e /opt/ml/checkpoints/again ] || { touch /opt/ml/checkpoints/again; sleep 1000; }")
    request |= {
        "RetryStrategy": {"MaximumRetryAttempts": 1},
        "CheckpointConfig": {"S3Uri": f"s3://{jobs.bucket}/checkpoints"},
    }
    jobs.sagemaker.create_training_job(**request)
    while "Contents" not in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="checkpoints/"):
        assert jobs.describe(request["TrainingJobName"])["TrainingJobStatus"] == "InProgress"
    server = jobs.cloud.home.server()
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
