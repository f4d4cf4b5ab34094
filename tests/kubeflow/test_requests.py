"""Each component's inputs become a request that botocore's model takes."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from sagelab.k8s.sagemaker.kinds import model
from sagelab.kubeflow import requests

COMPONENTS = Path(requests.__file__).with_name("components.py")
GIVEN = {
    "region": "us-east-1",
    "role": "arn:aws:iam::123456789012:role/SageMakerLabRole",
    "image": "image",
    "tags": {"team": "x"},
    "channels": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b"}}}
    ],
    "vpc_security_group_ids": "sg-1, sg-2",
    "vpc_subnets": "subnet-1",
    "metric_definitions": {"loss": "loss: (.*)"},
    "hyperparameters": {"rate": 0.5, "epochs": 4.0},
    "spot_instance": True,
    "checkpoint_config": {"S3Uri": "s3://b/checkpoints"},
    "continuous_parameters": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}],
    "output_config": [
        {"OutputName": "o", "S3Output": {"S3Uri": "s3://b", "LocalPath": "/opt/o", "S3UploadMode": "EndOfJob"}}
    ],
    "max_num_jobs": 2,
    "max_parallel_jobs": 1,
    "parent_hpo_jobs": "one,two",
    "warm_start_type": "TransferLearning",
    "secondary_containers": [{"Image": "second"}],
    "model_name_2": "second",
}
MADE = {
    "processing_job": ("CreateProcessingJob", lambda inputs: requests.processing(inputs, "a")),
    "training_job": ("CreateTrainingJob", lambda inputs: requests.training(inputs, "a")),
    "tuning_job": ("CreateHyperParameterTuningJob", lambda inputs: requests.tuning(inputs, "a")),
    "create_model": ("CreateModel", requests.model),
    "deploy_model": ("CreateEndpointConfig", lambda inputs: requests.endpoint_config(inputs, "a")),
    "batch_transform": ("CreateTransformJob", lambda inputs: requests.transform(inputs, "a")),
}


def inputs_of(component: str) -> dict[str, Any]:
    """Its inputs, with their defaults; what must be given is a text, or what GIVEN has."""
    functions = [one for one in ast.parse(COMPONENTS.read_text()).body if isinstance(one, ast.FunctionDef)]
    arguments = next(one for one in functions if one.name == component).args
    names = [one.arg for one in arguments.args]
    defaults = [ast.literal_eval(one) for one in arguments.defaults]
    found = dict.fromkeys(names, "given") | dict(zip(names[-len(defaults) :], defaults, strict=True))
    return found | {name: value for name, value in GIVEN.items() if name in found}


@pytest.mark.parametrize("component", MADE)
def test_inputs_become_a_request_of_the_model(component: str) -> None:
    operation, make = MADE[component]
    request = make(inputs_of(component))  # type: ignore[no-untyped-call]
    report = ParamValidator().validate(request, model().operation_model(operation).input_shape)
    assert report.generate_report() == ""
    assert request.get("Tags") == ([{"Key": "team", "Value": "x"}] if component != "deploy_model" else None)


def test_what_is_left_empty_is_not_asked_for() -> None:
    given = inputs_of("training_job")
    plain = requests.training(given | {"spot_instance": False, "vpc_subnets": ""}, "a")
    assert not {"VpcConfig", "CheckpointConfig"} & set(plain)
    assert plain["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert plain["EnableManagedSpotTraining"] is False
    assert plain["HyperParameters"] == {"rate": "0.5", "epochs": "4"}
    assert "AlgorithmName" not in plain["AlgorithmSpecification"]


def test_each_model_that_is_named_is_a_variant() -> None:
    variants = requests.endpoint_config(inputs_of("deploy_model"), "a")["ProductionVariants"]
    assert [one["ModelName"] for one in variants] == ["given", "second"]
    assert variants[0]["InitialVariantWeight"] == 1.0
