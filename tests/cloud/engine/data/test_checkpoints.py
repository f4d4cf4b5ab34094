"""Checkpoints of ordinary jobs: what is in S3 before, while and after a job runs."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.cloud.jobs import Gate, Jobs
from tests.cloud.spot import checkpoints, epochs, is_whole, saved, script

PLACE = "/opt/ml/input/data/script"


def keeping(jobs: Jobs, command: str, path: str | None = None, **changes: Any) -> dict[str, Any]:
    """A request of an ordinary job with checkpoints, whose container runs shell commands."""
    channels = [jobs.channel("script", script(jobs, command))]
    request = jobs.shell(f"bash {PLACE}/run.sh", InputDataConfig=channels)
    config = {"S3Uri": checkpoints(jobs, request)} | ({"LocalPath": path} if path else {})
    return request | {"CheckpointConfig": config} | changes


def put(jobs: Jobs, request: dict[str, Any], name: str, body: bytes) -> None:
    """Put a checkpoint where a job will find it."""
    jobs.put(f"checkpoints/{request['TrainingJobName']}/{name}", body)


def wait_saved(jobs: Jobs, request: dict[str, Any], names: set[str]) -> None:
    """Wait until S3 has exactly these checkpoints of a running job."""
    while set(saved(jobs, request)) != names:
        assert jobs.describe(request["TrainingJobName"])["TrainingJobStatus"] == "InProgress"


def stop(jobs: Jobs, request: dict[str, Any]) -> dict[str, Any]:
    jobs.sagemaker.stop_training_job(TrainingJobName=request["TrainingJobName"])
    return jobs.wait(request["TrainingJobName"])


def test_job_finds_what_s3_has_and_leaves_what_it_made(jobs: Jobs) -> None:
    request = keeping(jobs, "cd /opt/ml/checkpoints; cat deep/old; mkdir new; echo made > new/file")
    put(jobs, request, "deep/old", b"from before\n")
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log(request["TrainingJobName"]) == "from before"
    assert saved(jobs, request) == {"deep/old": b"from before\n", "new/file": b"made\n"}
    assert job["CheckpointConfig"] == request["CheckpointConfig"]


def test_job_is_told_where_its_checkpoints_are(jobs: Jobs) -> None:
    request = keeping(jobs, "cat /opt/ml/input/config/checkpointconfig.json")
    told = json.loads(jobs.log(jobs.run(request)["TrainingJobName"]))
    assert told == {"LocalPath": "/opt/ml/checkpoints", "S3Uri": checkpoints(jobs, request)}
    assert not jobs.log(jobs.run(jobs.shell("ls /opt/ml/input/config | grep checkpoint"))["TrainingJobName"])


@pytest.mark.parametrize("path", ["/opt/ml/kept/here", "/tmp/kept", "/kept/deep"])
def test_checkpoints_lie_where_the_job_wants_them(jobs: Jobs, path: str) -> None:
    request = keeping(jobs, f"cat {path}/old; echo made > {path}/new", path=path)
    put(jobs, request, "old", b"from before\n")
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log(request["TrainingJobName"]) == "from before"
    assert saved(jobs, request) == {"old": b"from before\n", "new": b"made\n"}


def test_files_and_deletions_reach_s3_while_the_job_runs(jobs: Jobs, gate: Gate) -> None:
    command = f"""
        cd /opt/ml/checkpoints
        rm old; echo 1 > first; {gate.wait}
        mv first second; echo ready; sleep 1000
    """
    request = keeping(jobs, command)
    put(jobs, request, "old", b"")
    jobs.sagemaker.create_training_job(**request)
    wait_saved(jobs, request, {"first"})
    gate.open()
    wait_saved(jobs, request, {"second"})
    assert stop(jobs, request)["TrainingJobStatus"] == "Stopped"
    assert saved(jobs, request) == {"second": b"1\n"}


def test_file_that_is_open_is_not_sent_however_still_it_stands(jobs: Jobs) -> None:
    command = """
        cd /opt/ml/checkpoints
        exec 3> open; echo half >&3; sleep 0.5; echo x > other; sleep 2; echo y > last; sleep 1000
    """
    request = keeping(jobs, command)
    jobs.sagemaker.create_training_job(**request)
    wait_saved(jobs, request, {"other", "last"})
    stop(jobs, request)
    assert sorted(saved(jobs, request)) == ["last", "other"]


def test_failed_job_keeps_its_whole_checkpoints(jobs: Jobs, gate: Gate) -> None:
    command = f"cd /opt/ml/checkpoints; echo whole > first; {gate.wait}; echo half > second; kill -9 $$"
    request = keeping(jobs, command)
    jobs.sagemaker.create_training_job(**request)
    wait_saved(jobs, request, {"first"})
    gate.open()
    job = jobs.wait(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert saved(jobs, request) == {"first": b"whole\n"}
    assert "the checkpoint second was not sent" in jobs.full_log(request["TrainingJobName"])


def test_what_the_job_leaves_running_at_its_end_leaves_no_half_file(jobs: Jobs) -> None:
    command = """
        cd /opt/ml/checkpoints; echo whole > first
        (exec 3> second; echo half >&3; sleep 1000) &
        until [ -s second ]; do sleep 0.05; done
    """
    request = keeping(jobs, command)
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert saved(jobs, request) == {"first": b"whole\n"}
    assert "the checkpoint second was not sent" in jobs.full_log(request["TrainingJobName"])


def test_garbage_in_the_folder_is_left_alone_and_no_link_is_followed(jobs: Jobs) -> None:
    command = """
        cd /opt/ml/checkpoints
        ln -s /etc/passwd link; ln -s /etc folder; mkfifo pipe; mkdir empty; echo "it is" > 'odd name &?%'
        ln -s ../../../../.. up; sleep 1
    """
    request = keeping(jobs, command)
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert saved(jobs, request) == {"odd name &?%": b"it is\n"}


def test_garbage_in_s3_is_handed_on_or_fails_the_job_in_words(jobs: Jobs) -> None:
    request = keeping(jobs, "ls /opt/ml/checkpoints | tr '\\n' ' '")
    for name in ("notes.txt", "empty/", "half.keras"):
        put(jobs, request, name, b"?" if "." in name else b"")
    assert jobs.log(jobs.run(request)["TrainingJobName"]).split() == ["half.keras", "notes.txt"]
    request = keeping(jobs, "true")
    for name in ("a", "a/b"):
        put(jobs, request, name, b"")
    assert jobs.run(request)["FailureReason"].startswith("ClientError: Data download failed: s3://")


def test_name_that_no_key_can_have_fails_the_job_in_words(jobs: Jobs) -> None:
    request = keeping(jobs, "touch /opt/ml/checkpoints/$'\\xff'")
    job = jobs.run(request)
    assert job["FailureReason"].startswith("ClientError: Checkpoints could not be saved in s3://")


def test_each_host_sends_its_own_files(jobs: Jobs) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
    command = "cd /opt/ml/checkpoints; cat old; hostname > $(hostname); sleep 1.5; ls | tr '\\n' ' '"
    request = keeping(jobs, command, ResourceConfig=resources)
    put(jobs, request, "old", b"both have it\n")
    jobs.run(request)
    assert set(saved(jobs, request)) == {"old", "algo-1", "algo-2"}
    for host in ("algo-1", "algo-2"):
        assert jobs.log(request["TrainingJobName"], host).split() == ["both", "have", "it", host, "old"]


def test_checkpoints_are_sent_though_the_job_has_no_network(jobs: Jobs) -> None:
    request = keeping(jobs, "echo x > /opt/ml/checkpoints/file", EnableNetworkIsolation=True)
    jobs.run(request)
    assert saved(jobs, request) == {"file": b"x\n"}


@pytest.mark.slow
def test_later_job_resumes_from_what_a_stopped_one_left(jobs: Jobs) -> None:
    first = keeping(jobs, epochs(50, 0.5))
    jobs.sagemaker.create_training_job(**first)
    jobs.wait_log(first["TrainingJobName"], "begins epoch 3")
    stop(jobs, first)
    left = saved(jobs, first)
    assert all(is_whole(body) for body in left.values())
    second = keeping(jobs, epochs(51, 0.1), CheckpointConfig=first["CheckpointConfig"])
    jobs.sagemaker.create_training_job(**second)
    jobs.wait_log(second["TrainingJobName"], f"resumes after epoch {int(max(left).removeprefix('epoch-'))}")
    stop(jobs, second)


@pytest.mark.slow
def test_s3_that_refuses_for_a_while_gets_the_checkpoints_later(jobs: Jobs, gate: Gate) -> None:
    place = f"elsewhere-{os.urandom(6).hex()}"
    jobs.s3.create_bucket(Bucket=place)
    config = {"S3Uri": f"s3://{place}/here"}
    request = keeping(jobs, f"echo ready; {gate.wait}; echo x > /opt/ml/checkpoints/file; sleep 1000")
    request["CheckpointConfig"] = config
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(request["TrainingJobName"], "ready")
    jobs.s3.delete_bucket(Bucket=place)
    gate.open()
    while "checkpoints do not reach S3" not in jobs.full_log(request["TrainingJobName"]):
        pass
    jobs.s3.create_bucket(Bucket=place)
    while "checkpoints reach S3 again" not in jobs.full_log(request["TrainingJobName"]):
        pass
    assert stop(jobs, request)["TrainingJobStatus"] == "Stopped"
    assert jobs.s3.get_object(Bucket=place, Key="here/file")["Body"].read() == b"x\n"


@pytest.mark.slow
def test_s3_that_refuses_to_the_end_fails_the_job(jobs: Jobs, gate: Gate) -> None:
    place = f"elsewhere-{os.urandom(6).hex()}"
    jobs.s3.create_bucket(Bucket=place)
    request = keeping(jobs, f"echo ready; {gate.wait}; echo x > /opt/ml/checkpoints/file")
    request["CheckpointConfig"] = {"S3Uri": f"s3://{place}/here"}
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(request["TrainingJobName"], "ready")
    jobs.s3.delete_bucket(Bucket=place)
    gate.open()
    job = jobs.wait(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"ClientError: Checkpoints could not be saved in s3://{place}/here: ")
    assert "NoSuchBucket" in job["FailureReason"]
