"""Executions of pipelines, as a client sees them: every step is a real job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cloud.jobs import Jobs
from tests.cloud.pipelines import Pipelines, definition, get, shell, step
from tests.cloud.processing import target
from tests.cloud.resources.hosting import SERVING, name

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


def training(jobs: Jobs, command: str) -> dict[str, Any]:
    request = jobs.shell(command)
    del request["TrainingJobName"]
    return step("Train", "Training", request)


def bar(*then: dict[str, Any], other: list[dict[str, Any]]) -> dict[str, Any]:
    """A condition on what the evaluation has written: its accuracy is over the bar."""
    value = {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"), "Path": "metrics.accuracy.value"}
    over = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": {"Std:JsonGet": value},
        "RightValue": get("Parameters.Bar"),
    }
    return step("Check", "Condition", {"Conditions": [over], "IfSteps": list(then), "ElseSteps": other})


@pytest.fixture(scope="module")
def line(jobs: Jobs, pipelines: Pipelines) -> tuple[str, str]:
    """The names of a pipeline that trains, evaluates and registers what is good enough, and of the group."""
    group, place = name("group"), f"s3://{jobs.bucket}/{name('report')}"
    report = json.dumps({"metrics": {"accuracy": {"value": 0.9}}})
    evaluate = shell(
        "Evaluate",
        f"mkdir -p /opt/ml/processing/report; echo '{report}' > /opt/ml/processing/report/report.json",
        target("report", place),
        DependsOn=["Train"],
        PropertyFiles=[{"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}],
    )
    quality = {
        "S3Uri": {"Std:Join": {"On": "/", "Values": [place, "report.json"]}},
        "ContentType": "application/json",
    }
    container = {"Image": SERVING, "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}
    register = step(
        "Register",
        "RegisterModel",
        {
            "ModelPackageGroupName": group,
            "InferenceSpecification": {"Containers": [container]},
            "ModelApprovalStatus": "PendingManualApproval",
            "ModelMetrics": {"ModelQuality": {"Statistics": quality}},
        },
    )
    message = {"Std:Join": {"On": " ", "Values": ["accuracy below", get("Parameters.Bar")]}}
    text = definition(
        training(jobs, "mkdir -p /opt/ml/model/1; echo x > /opt/ml/model/1/weights"),
        evaluate,
        bar(register, other=[step("TooBad", "Fail", {"ErrorMessage": message})]),
        parameters=[{"Name": "Bar", "Type": "Float", "DefaultValue": 0.8}],
    )
    return pipelines.create(text), group


def test_what_is_good_enough_is_registered(jobs: Jobs, pipelines: Pipelines, line: tuple[str, str]) -> None:
    arn = pipelines.start(line[0])
    assert pipelines.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = pipelines.steps(arn)
    assert list(steps) == ["Train", "Evaluate", "Check", "Register"]
    assert {one["StepStatus"] for one in steps.values()} == {"Succeeded"}
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"pipelines-{arn.rpartition('/')[2]}-Train-")
    found = jobs.sagemaker.describe_model_package(
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    assert (found["ModelPackageGroupName"], found["ModelPackageVersion"]) == (line[1], 1)
    artifact = jobs.describe(job)["ModelArtifacts"]["S3ModelArtifacts"]
    assert found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == artifact


def test_what_is_not_ends_the_execution_with_its_words(pipelines: Pipelines, line: tuple[str, str]) -> None:
    arn = pipelines.start(line[0], PipelineParameters=[{"Name": "Bar", "Value": "0.95"}])
    found, steps = pipelines.wait(arn), pipelines.steps(arn)
    assert (found["PipelineExecutionStatus"], found["FailureReason"]) == (
        "Failed",
        "Step failure: One or multiple steps failed.",
    )
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "False"}}
    assert steps["TooBad"]["Metadata"] == {"Fail": {"ErrorMessage": "accuracy below 0.95"}}
    assert "Register" not in steps
    listed = pipelines.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    assert listed["PipelineParameters"] == [{"Name": "Bar", "Value": "0.95"}]
    retry = pipelines.sagemaker.retry_pipeline_execution
    with pytest.raises(pipelines.sagemaker.exceptions.ClientError, match="ended by its Fail step"):
        retry(PipelineExecutionArn=arn)
