"""Cleanup steps: what earlier steps wrote is deleted, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.engine.pipelines.definition import BadDefinition, read
from tests.cloud.jobs import Jobs
from tests.cloud.pipelines import Pipelines, definition, shell, step
from tests.cloud.processing import target


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


def clean(*sources: dict[str, Any]) -> dict[str, Any]:
    return step("Clean", "Cleanup", {"Resources": {"S3": list(sources)}})


def writer(jobs: Jobs, place: str) -> dict[str, Any]:
    command = "echo 1 > /opt/ml/processing/out/gone; echo 2 > /opt/ml/processing/out/stays"
    return shell("Write", command, target("out", f"s3://{jobs.bucket}/{place}"))


def keys(jobs: Jobs, prefix: str) -> list[str]:
    found = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=f"{prefix}/").get("Contents", [])
    return [one["Key"].rpartition("/")[2] for one in found]


def test_named_objects_and_a_training_jobs_output_are_deleted(
    jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]
) -> None:
    place, models = unique("written"), unique("models")
    training = jobs.shell(
        "echo 1 > /opt/ml/model/weights", OutputDataConfig={"S3OutputPath": f"s3://{jobs.bucket}/{models}"}
    )
    del training["TrainingJobName"]
    ran = pipelines.run(
        writer(jobs, place),
        step("Train", "Training", training),
        clean(
            {"StepName": "Write", "S3Uris": [f"s3://{jobs.bucket}/{place}/gone"]},
            {"StepName": "Train"},
        ),
    )
    steps = pipelines.steps(ran)
    assert steps["Clean"]["StepStatus"] == "Succeeded", steps
    assert steps["Clean"]["Metadata"]["Cleanup"] == {
        "CleanedSteps": ["Write", "Train"],
        "FailedSteps": [],
        "SkippedSteps": [],
    }
    assert keys(jobs, place) == ["stays"]
    assert keys(jobs, models) == []


def test_what_no_step_wrote_stays(jobs: Jobs, pipelines: Pipelines, unique: Callable[[str], str]) -> None:
    place, other = unique("written"), unique("other")
    jobs.put(f"{other}/mine", b"x")
    ran = pipelines.run(
        writer(jobs, place), clean({"StepName": "Write", "S3Uris": [f"s3://{jobs.bucket}/{other}/mine"]})
    )
    found = pipelines.steps(ran)["Clean"]
    assert found["StepStatus"] == "Failed"
    assert "does not lie in an output of its job" in found["FailureReason"]
    assert found["Metadata"]["Cleanup"]["FailedSteps"][0]["StepName"] == "Write"
    assert keys(jobs, other) == ["mine"]


WRITE = shell("Write", "true")
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": (step("Clean", "Cleanup", {}), "Resources.S3 must be a list"),
    "empty": (clean(), "Resources.S3 must be a list"),
    "unnamed": (clean({"S3Uris": []}), "has a StepName"),
    "unknown": (clean({"StepName": "None"}), "which is no step of the pipeline"),
    "whole": (clean({"StepName": "Write"}), "Write is of type Processing"),
    "form": (clean({"StepName": "Write", "S3Uris": "s3://b/x"}), "may have a list of S3Uris"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_cleaned_up_is_said_when_it_is_given(case: str) -> None:
    wrong, words = BAD[case]
    with pytest.raises(BadDefinition, match=words):
        read(definition(WRITE, wrong))
