"""tools/validity.py finds what AWS would refuse. `make test` gives it what all notebooks send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import validity
import yaml

ROOT = Path(__file__).parent.parent
CPU = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19-cpu-py312"


def training(**changes: Any) -> dict[str, Any]:
    """A record of a CreateTrainingJob request that is right."""
    params: dict[str, Any] = {
        "TrainingJobName": "keras-mnist",
        "RoleArn": "arn:aws:iam::123456789012:role/SageMaker",
        "AlgorithmSpecification": {"TrainingImage": CPU, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "Tags": [{"Key": "sagelab:lab", "Value": "keras-mnist"}],
    }
    return {"service": "sagemaker", "operation": "CreateTrainingJob", "params": params | changes, "error": None}


def algorithm(image: str) -> dict[str, Any]:
    return {"TrainingImage": image, "TrainingInputMode": "File"}


def resources(kind: str) -> dict[str, Any]:
    return {"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 10}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "instance type": ({"ResourceConfig": resources("ml.laptop.large")}, "enum value set"),
    "name": ({"TrainingJobName": "keras_mnist"}, "regular expression pattern"),
    "member": ({"Colour": "green"}, "no such members: Colour"),
    "registry": ({"AlgorithmSpecification": algorithm(CPU.replace("763104351884", "123456789012"))}, "no image"),
    "region": ({"AlgorithmSpecification": algorithm(CPU.replace("us-east-1", "mars-north-1"))}, "no image"),
    "version": ({"AlgorithmSpecification": algorithm(CPU.replace("2.19", "9.9"))}, "no image"),
    "processor": ({"AlgorithmSpecification": algorithm(CPU.replace("-cpu-", "-gpu-"))}, "is for GPUs"),
    "spot": ({"EnableManagedSpotTraining": True}, "needs a MaxWaitTimeInSeconds"),
    "wait": (
        {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}},
        "is for managed spot",
    ),
    "tag": ({"Tags": [{"Key": "aws:x", "Value": "y"}]}, "aws:x"),
}


def test_request_that_aws_takes_has_no_fault() -> None:
    assert validity.faults(training()) == []


def test_image_of_a_compiled_model_is_in_the_tables() -> None:
    image = "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-inference-tensorflow:2.9-cpu-py3"
    container = {"Image": image, "ModelDataUrl": "s3://bucket/model.tar.gz"}
    params = {
        "ModelName": "compiled",
        "PrimaryContainer": container,
        "ExecutionRoleArn": training()["params"]["RoleArn"],
    }
    record = {"service": "sagemaker", "operation": "CreateModel", "params": params, "error": None}
    assert list(validity.faults(record)) == []
    container["Image"] = image.replace("785573368785", "111111111111")
    assert len(list(validity.faults(record))) == 1


@pytest.mark.parametrize("case", CASES)
def test_request_that_aws_refuses_is_found(case: str) -> None:
    changes, words = CASES[case]
    (fault,) = validity.faults(training(**changes))
    assert words in fault


def test_what_the_local_cloud_refused_itself_is_not_looked_at() -> None:
    assert validity.faults(training(Colour="green") | {"error": "ValidationException"}) == []


def test_difference_must_be_said_in_a_notebook() -> None:
    variants = {"ProductionVariants": [{"AcceleratorType": "ml.eia1.medium"}]}
    record = {"service": "sagemaker", "operation": "CreateEndpointConfig", "params": variants, "error": None}
    assert validity.unsaid_differences([record], ["nothing of it"]) == ["AcceleratorType"]
    assert validity.unsaid_differences([record], ["AWS has taken no new customers for it"]) == []
    assert validity.unsaid_differences([training()], []) == []


def test_workflow_runs_commands_that_there_are() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "labs.yml").read_text())
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    makefile = (ROOT / "Makefile").read_text()
    for command in commands:
        words = command.split()
        if words[0] == "make":
            assert f"\n{words[1]}:" in makefile
    assert any("sagelab run --fresh --junit" in command for command in commands)
    assert any("sagelab clean --target aws --yes" in command for command in commands)
