"""Managed spot training, seen by its owner: the capacity goes, the job waits, comes back and goes on."""

from __future__ import annotations

import itertools
import re
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.jobs import Gate, Jobs
from tests.cloud.spot import epochs, interrupt, is_whole, saved, spot, stages

pytestmark = pytest.mark.slow

ATTEMPT = ["Starting", "Downloading", "Training"]
UNINTERRUPTED = [*ATTEMPT, "Uploading", "Completed"]


def interrupt_at(jobs: Jobs, request: dict[str, Any], text: str) -> dict[str, Any]:
    """Run a job that is interrupted once, when its log has a text."""
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, text)
    interrupt(jobs, name)
    return jobs.wait(name)


def ended(jobs: Jobs, name: str) -> list[int]:
    """The epochs that a job of EPOCHS ended, in order."""
    return [int(number) for number in re.findall(r"ends epoch (\d+)", jobs.log(name))]


def resumed(jobs: Jobs, name: str) -> list[int]:
    """The epochs after which the attempts at a job of EPOCHS went on."""
    return [int(number) for number in re.findall(r"resumes after epoch (\d+)", jobs.log(name))]


def test_interrupted_job_goes_on_after_its_newest_checkpoint(jobs: Jobs) -> None:
    request = spot(jobs, epochs(9, 0.5))
    job = interrupt_at(jobs, request, "begins epoch 3")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stages(job) == [*ATTEMPT, "Interrupted", *UNINTERRUPTED]
    assert ended(jobs, request["TrainingJobName"]) == list(range(1, 10))
    first, second = resumed(jobs, request["TrainingJobName"])
    assert first == 0
    assert second >= 2
    assert jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"epochs": b"9"}
    assert sorted(saved(jobs, request)) == ["epoch-008", "epoch-009"]


def test_times_of_an_interrupted_job_are_true(jobs: Jobs) -> None:
    job = interrupt_at(jobs, spot(jobs, epochs(2, 0.3), {"wait": 4}), "begins epoch 1")
    transitions = job["SecondaryStatusTransitions"]
    assert all(one["EndTime"] == other["StartTime"] for one, other in itertools.pairwise(transitions))
    lasted = [(stage["EndTime"] - stage["StartTime"]).total_seconds() for stage in transitions]
    waited = lasted[stages(job).index("Interrupted")]
    assert waited >= 2
    trained = sum(seconds for seconds, name in zip(lasted, stages(job), strict=True) if name in ATTEMPT[1:])
    assert job["TrainingTimeInSeconds"] == pytest.approx(trained, abs=1.5)
    whole = (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds()
    assert whole >= trained + waited - 0.1


def test_spot_is_billed_at_its_share_of_the_price(jobs: Jobs) -> None:
    resources = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}
    job = jobs.run(spot(jobs, "sleep 6", ResourceConfig=resources))
    assert job["TrainingTimeInSeconds"] >= 6
    assert job["BillableTimeInSeconds"] == round(job["TrainingTimeInSeconds"] * 0.3)


def test_job_without_checkpoints_begins_again(jobs: Jobs) -> None:
    request = spot(jobs, epochs(8, 0.4))
    del request["CheckpointConfig"]
    job = interrupt_at(jobs, request, "begins epoch 3")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert resumed(jobs, request["TrainingJobName"]) == [0, 0]
    assert ended(jobs, request["TrainingJobName"])[-8:] == list(range(1, 9))


def test_restart_finds_nothing_of_the_attempt_before_but_channels_and_checkpoints(jobs: Jobs) -> None:
    # A checkout below /tmp has its environment there in a host, too, which cannot write to it.
    command = """
        cd /opt/ml; echo found $(find model output /tmp checkpoints input/data -type f -writable | sort)
        [ -e checkpoints/c ] && exit 0
        echo x | tee model/m output/data/o /tmp/t checkpoints/c > /dev/null
        echo ready; exec sleep 1000
    """
    request = spot(jobs, command)
    interrupt_at(jobs, request, "ready")
    lines = [line for line in jobs.log(request["TrainingJobName"]).splitlines() if line.startswith("found")]
    channel = "input/data/script/epochs.py input/data/script/run.sh"
    assert lines == [f"found {channel}", f"found checkpoints/c {channel}"]


def test_interruption_in_the_first_epoch(jobs: Jobs) -> None:
    request = spot(jobs, epochs(2, 0.5))
    job = interrupt_at(jobs, request, "begins epoch 1")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert ended(jobs, request["TrainingJobName"]) == [1, 2]


def test_interruption_while_a_checkpoint_is_written_leaves_no_half_of_it(jobs: Jobs) -> None:
    command = """
        cd /opt/ml/checkpoints
        if [ -e whole ]; then ls | tr '\\n' ' '; exit 0; fi
        echo first > whole
        exec 3> half; echo begun >&3; echo ready; exec sleep 1000
    """
    request = spot(jobs, command)
    job = interrupt_at(jobs, request, "ready")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log(request["TrainingJobName"]).splitlines()[-1].split() == ["whole"]
    assert "the checkpoint half was not sent to S3" in jobs.full_log(request["TrainingJobName"])
    assert saved(jobs, request) == {"whole": b"first\n"}


def test_old_checkpoint_stays_where_its_next_version_is_half_written(jobs: Jobs, gate: Gate) -> None:
    command = f"""
        cd /opt/ml/checkpoints
        if [ -e model ]; then cat model; exit 0; fi
        echo whole > model; {gate.wait}
        exec 3> model; echo -n ha >&3; echo ready; exec sleep 1000
    """
    request = spot(jobs, command)
    jobs.sagemaker.create_training_job(**request)
    while not saved(jobs, request):
        assert jobs.describe(request["TrainingJobName"])["TrainingJobStatus"] == "InProgress"
    gate.open()
    jobs.wait_log(request["TrainingJobName"], "ready")
    interrupt(jobs, request["TrainingJobName"])
    job = jobs.wait(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log(request["TrainingJobName"]).splitlines()[-1] == "whole"


def test_what_the_script_saves_after_sigterm_is_kept(jobs: Jobs) -> None:
    source = """
import os, signal, sys
if os.path.exists("/opt/ml/checkpoints/last"):
    sys.exit(0)
file = open("/opt/ml/checkpoints/last", "w")
file.write("saved ")
def save(*_):
    file.write("in time")
    file.close()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True:
    signal.pause()
"""
    request = spot(jobs, f"exec python3 - <<'END'\n{source}\nEND")
    job = interrupt_at(jobs, request, "ready")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert saved(jobs, request) == {"last": b"saved in time"}


def test_script_that_ignores_sigterm_is_killed_after_the_notice(jobs: Jobs) -> None:
    command = """
        cd /opt/ml/checkpoints
        if [ -e done ]; then ls | tr '\\n' ' '; exit 0; fi
        trap '' TERM
        echo ready; touch done
        exec 3> half; while :; do echo more >&3; sleep 0.01; done
    """
    request = spot(jobs, command, {"notice": 1})
    job = interrupt_at(jobs, request, "ready")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log(request["TrainingJobName"]).splitlines()[-1].split() == ["done"]
    assert sorted(saved(jobs, request)) == ["done"]


def test_interruption_during_the_notice_is_refused_and_changes_nothing(jobs: Jobs) -> None:
    request = spot(jobs, f"trap '' TERM; {epochs(6, 1)}", {"notice": 2})
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "begins epoch 1")
    interrupt(jobs, name)
    with pytest.raises(botocore.exceptions.ClientError, match="no spot capacity that could be taken away"):
        interrupt(jobs, name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stages(job) == [*ATTEMPT, "Interrupted", *UNINTERRUPTED]


def test_two_interruptions_in_a_row(jobs: Jobs) -> None:
    request = spot(jobs, epochs(9, 0.4), {"wait": 0.5})
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "begins epoch 2")
    interrupt(jobs, name)
    jobs.wait(name, "Interrupted")
    jobs.wait(name, "Starting", "Downloading", "Training")
    interrupt(jobs, name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stages(job).count("Interrupted") == 2
    assert ended(jobs, name) == list(range(1, 10))


def test_interruption_during_the_last_upload(jobs: Jobs) -> None:
    big = "head -c 80000000 /dev/urandom > /opt/ml/output/data/big"
    request = spot(jobs, f"[ -e /opt/ml/checkpoints/epoch-002 ] || {big}; {epochs(2, 0.1)}")
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait(name, "Uploading")
    interrupt(jobs, name)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stages(job) == [*ATTEMPT, "Uploading", "Interrupted", *UNINTERRUPTED]
    assert ended(jobs, name) == [1, 2]
    assert "epochs" in jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])


def test_wait_that_lasts_too_long_ends_the_job(jobs: Jobs) -> None:
    limits = {"MaxRuntimeInSeconds": 20, "MaxWaitTimeInSeconds": 20}
    request = spot(jobs, epochs(99, 1), {"wait": 1000}, StoppingCondition=limits)
    job = interrupt_at(jobs, request, "begins epoch 1")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert stages(job) == [*ATTEMPT, "Interrupted", "Stopping", "MaxWaitTimeExceeded"]
    assert "ModelArtifacts" not in job


def test_training_that_lasts_too_long_ends_the_job_though_it_was_interrupted(jobs: Jobs) -> None:
    limits = {"MaxRuntimeInSeconds": 4, "MaxWaitTimeInSeconds": 600}
    request = spot(jobs, epochs(99, 1), {"wait": 6}, StoppingCondition=limits)
    job = interrupt_at(jobs, request, "begins epoch 1")
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert stages(job)[:4] == [*ATTEMPT, "Interrupted"]
    assert 4 <= job["TrainingTimeInSeconds"] <= 8


def test_job_can_be_stopped_while_it_waits(jobs: Jobs) -> None:
    request = spot(jobs, epochs(9, 1), {"wait": 1000})
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "begins epoch 1")
    interrupt(jobs, name)
    jobs.wait(name, "Interrupted")
    with pytest.raises(botocore.exceptions.ClientError, match="its status is Interrupted"):
        interrupt(jobs, name)
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait(name)
    assert stages(job) == [*ATTEMPT, "Interrupted", "Stopping", "Stopped"]


def test_ordinary_job_has_no_capacity_to_take(jobs: Jobs) -> None:
    request = jobs.shell("echo ready; sleep 1000")
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "ready")
    with pytest.raises(botocore.exceptions.ClientError, match="it is no managed spot job"):
        interrupt(jobs, name)
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name)


def test_ordinary_job_with_a_market_in_its_tags_says_that_it_is_on_none(jobs: Jobs) -> None:
    job = jobs.run(jobs.shell("true", Tags=[{"Key": "sagelab:spot-rate", "Value": "9"}]))
    assert "the job does not train on spot" in jobs.full_log(job["TrainingJobName"])


def test_script_that_fails_fails_its_spot_job(jobs: Jobs) -> None:
    job = jobs.run(spot(jobs, "echo whole > /opt/ml/checkpoints/c; sleep 1.5; exit 3"))
    assert job["FailureReason"].endswith("exit code: 3")


def test_market_interrupts_two_jobs_of_one_seed_after_the_same_training(jobs: Jobs) -> None:
    market = {"rate": 2400, "seed": 9, "interruptions": 1}
    found = [jobs.run(spot(jobs, epochs(8, 0.2), market)) for _ in range(2)]
    for job in found:
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert stages(job) == [*ATTEMPT, "Interrupted", *UNINTERRUPTED]
        assert "taken away by the market" in jobs.full_log(job["TrainingJobName"])
        assert sorted(set(ended(jobs, job["TrainingJobName"]))) == list(range(1, 9))


def test_spot_job_tells_its_market_in_tags_and_log(jobs: Jobs) -> None:
    job = jobs.run(spot(jobs, "true", {"rate": 7}))
    tags = {
        tag["Key"]: tag["Value"] for tag in jobs.sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    }
    assert tags["sagelab:spot-rate"] == "7"
    assert set(tags) == {f"sagelab:spot-{name}" for name in ("rate", "wait", "seed", "interruptions", "notice")}
    assert "interrupts a job 7 times an hour of training" in jobs.full_log(job["TrainingJobName"])


def test_whole_checkpoints_only_reach_s3_while_the_job_runs(jobs: Jobs) -> None:
    request = spot(jobs, epochs(6, 0.4, 2_000_000))
    name, looks = request["TrainingJobName"], []
    jobs.sagemaker.create_training_job(**request)
    while jobs.describe(name)["TrainingJobStatus"] == "InProgress":
        looks.append(saved(jobs, request))
    assert len({file for look in looks for file in look}) >= 3
    assert all(is_whole(body) for look in looks for body in look.values())
