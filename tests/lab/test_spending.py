from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from sagelab.catalog import Kind
from sagelab.lab import spending
from sagelab.lab.spending import SpendGuard, SpendingRefusedError
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

TAG = {"Key": "sagelab:lab", "Value": "keras-mnist"}
CONFIG = {
    "ProductionVariants": [
        {"VariantName": "a", "InstanceType": "ml.c5.large", "InitialInstanceCount": 2},
        {"VariantName": "b", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}},
    ]
}
TRAINING = {
    "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 2},
    "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
}
TUNING = {
    "HyperParameterTuningJobConfig": {
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 2}
    },
    "TrainingJobDefinition": {"ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1}},
}
# Connects, makes a session as an SDK does, and starts a job.
SCRIPT = """
import boto3, json, sys
from sagelab.lab.spending import SpendGuard, watch
watch(SpendGuard([{"Key": "sagelab:lab", "Value": "from-here"}], lambda kind, name: {}))
request = json.loads(sys.argv[1])
print(boto3.Session().client("sagemaker").create_training_job(**request)["TrainingJobArn"])
"""


def said(operation: str, params: dict[str, Any]) -> str:
    return "; ".join(str(use) for use in spending.uses_of(operation, params, lambda *_: CONFIG))


def test_training_job_says_its_price_an_hour_and_its_limit() -> None:
    assert said("CreateTrainingJob", TRAINING) == (
        "2 x ml.p3.2xlarge, $7.65 an hour, for as long as it takes, 2 hours at the most"
    )


def test_tuning_job_says_what_runs_at_one_time() -> None:
    assert said("CreateHyperParameterTuningJob", TUNING).startswith("2 x ml.p3.2xlarge")
    assert "10 jobs" in said("CreateHyperParameterTuningJob", TUNING)


@pytest.mark.parametrize("operation", ["CreateEndpoint", "UpdateEndpoint"])
def test_endpoint_says_that_it_costs_until_it_is_deleted(operation: str) -> None:
    assert said(operation, {"EndpointConfigName": "c"}) == (
        "2 x ml.c5.large, $0.20 an hour, until it is deleted; serverless of 2,048 MB, $0.00004 a second of its"
        " requests, nothing at rest, until it is deleted"
    )


def test_notebook_instance_says_its_price_when_it_is_made_and_when_it_is_started() -> None:
    price = "1 x ml.t3.medium, $0.05 an hour, until it is stopped"
    assert said("CreateNotebookInstance", {"InstanceType": "ml.t3.medium"}) == price
    described = {"NotebookInstanceName": "n", "InstanceType": "ml.t3.medium"}
    found = spending.uses_of("StartNotebookInstance", {"NotebookInstanceName": "n"}, lambda *_: described)
    assert "; ".join(map(str, found)) == price
    assert said("UpdateNotebookInstance", {"InstanceType": "ml.t3.medium"}) == ""


def test_what_is_described_is_what_the_request_names() -> None:
    asked = []

    def describe(kind: Kind, name: str) -> dict[str, Any]:
        asked.append((kind.stem, name))
        return CONFIG

    assert len(list(spending.uses_of("CreateEndpoint", {"EndpointConfigName": "c"}, describe))) == 2
    assert asked == [("EndpointConfig", "c")]


def test_instances_of_several_types_are_all_said() -> None:
    groups = [{"InstanceType": name, "InstanceCount": 2} for name in ("ml.m5.large", "ml.c5.xlarge")]
    text = said("CreateTrainingJob", {"ResourceConfig": {"InstanceGroups": groups}})
    assert [each.partition(",")[0] for each in text.split("; ")] == ["2 x ml.m5.large", "2 x ml.c5.xlarge"]


def test_accelerator_has_its_own_price() -> None:
    variant = {"InstanceType": "ml.c5.large", "InitialInstanceCount": 1, "AcceleratorType": "ml.eia2.medium"}
    found = spending.uses_of(
        "CreateEndpoint", {"EndpointConfigName": "c"}, lambda *_: {"ProductionVariants": [variant]}
    )
    assert [(use.instance_type, use.plane) for use in found] == [
        ("ml.c5.large", "hosting"),
        ("ml.eia2.medium", "accelerator"),
    ]


def test_pipeline_says_what_each_of_its_steps_would_start() -> None:
    resources = {"InstanceType": {"Get": "Parameters.Type"}, "InstanceCount": {"Get": "Parameters.Count"}}
    train = {"Type": "Training", "Arguments": {"ResourceConfig": resources}}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": {"Get": "Steps.A.Count"}}
    process = {"Type": "Processing", "Arguments": {"ProcessingResources": {"ClusterConfig": cluster}}}
    loop = {"Type": "ForEach", "Arguments": {"ForEachBody": [{"Type": "EndpointConfig", "Arguments": CONFIG}]}}
    check = {"Type": "Condition", "Arguments": {"IfSteps": [process], "ElseSteps": [loop]}}
    parameters = [{"Name": "Type", "DefaultValue": "ml.m5.large"}, {"Name": "Count", "DefaultValue": 2}]
    definition = {"Parameters": parameters, "Steps": [train, check, {"Type": "Fail", "Arguments": {}}]}
    described = {"PipelineDefinition": json.dumps(definition)}
    given = [{"Name": "Type", "Value": "ml.p3.2xlarge"}]
    params = {"PipelineName": "p", "PipelineParameters": given}
    found = spending.uses_of("StartPipelineExecution", params, lambda *_: described)
    assert [(one.count, one.instance_type, one.plane) for one in found] == [
        (2, "ml.p3.2xlarge", "training"),
        (1, "ml.m5.large", "training"),
        (2, "ml.c5.large", "hosting"),
        (0, "serverless", "serverless"),
    ]


def test_unknown_price_is_said() -> None:
    params = {"TransformResources": {"InstanceType": "ml.z9.large", "InstanceCount": 1}}
    assert "at a price that is not at hand" in said("CreateTransformJob", params)


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "DescribeTrainingJob", "AddTags"])
def test_what_costs_nothing_by_itself_is_not_asked_about(operation: str) -> None:
    assert said(operation, {}) == ""


@pytest.mark.parametrize(("answer", "goes_on"), [("y", True), ("yes", True), ("", False), ("n", False)])
def test_answer_decides(monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool) -> None:
    monkeypatch.delenv(spending.SETTING, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    guard = SpendGuard([TAG], lambda *_: CONFIG)
    if goes_on:
        guard.ask("CreateTrainingJob", TRAINING)
    else:
        with pytest.raises(SpendingRefusedError, match="Nothing was made"):
            guard.ask("CreateTrainingJob", TRAINING)


def test_yes_to_all_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(spending.SETTING, raising=False)
    answers = ["a"]
    monkeypatch.setattr("builtins.input", lambda _: answers.pop())
    guard = SpendGuard([TAG], lambda *_: CONFIG)
    for _ in range(2):
        guard.ask("CreateTrainingJob", TRAINING)


def test_lab_is_tagged_once() -> None:
    guard = SpendGuard([TAG], lambda *_: CONFIG)
    params: dict[str, Any] = {"Tags": [{"Key": "team", "Value": "a"}]}
    for _ in range(2):
        guard.tag(params)
    assert params["Tags"] == [{"Key": "team", "Value": "a"}, TAG]


@pytest.fixture
def jobs(cloud: LocalCloud) -> Jobs:
    return Jobs(cloud)


def start(jobs: Jobs, request: dict[str, Any], setting: str) -> subprocess.CompletedProcess[str]:
    env = jobs.cloud.env | {spending.SETTING: setting}
    command = [sys.executable, "-c", SCRIPT, json.dumps(request)]
    return subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_request_of_any_session_is_tagged_and_goes_on_where_it_may(jobs: Jobs) -> None:
    request = jobs.shell("true")
    done = start(jobs, request, "yes")
    assert "ml.m5.large" in done.stdout, done.stderr
    tags = jobs.sagemaker.list_tags(ResourceArn=done.stdout.split()[-1])["Tags"]
    assert tags == [{"Key": "sagelab:lab", "Value": "from-here"}]


@pytest.mark.parametrize("setting", ["no", "ask"])
def test_nothing_is_made_where_nobody_says_yes(jobs: Jobs, setting: str) -> None:
    request = jobs.shell("true")
    done = start(jobs, request, setting)
    assert "SpendingRefusedError" in done.stderr
    assert jobs.sagemaker.list_training_jobs(NameContains=request["TrainingJobName"])["TrainingJobSummaries"] == []


def test_provisioned_concurrency_is_said_to_have_no_price() -> None:
    assert "2 provisioned, at a price that is not at hand" in str(
        spending.ServerlessUse("serverless", 2, "serverless", "until then", 1024)
    )
