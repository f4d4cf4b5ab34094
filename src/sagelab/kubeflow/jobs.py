"""What the components do: create, wait until it is over, give what AWS's components give. Speaks boto3 alone."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import boto3

from sagelab.kubeflow import requests
from sagelab.kubeflow.requests import Inputs

MOVING = ("InProgress", "Stopping", "Creating", "Updating", "SystemUpdating", "RollingBack")
FIRST, LONGEST, GROWTH = 0.2, 5.0, 1.3  # seconds between two looks


class JobFailed(Exception):
    """A step that did not come to what it is for; the text is the reason that SageMaker gives."""


def process(inputs: Inputs) -> tuple[str, dict[str, str]]:
    """The job's name, and where each of its outputs is."""
    name, sagemaker = _name(inputs["job_name"], "ProcessingJob"), _client("sagemaker", inputs)
    sagemaker.create_processing_job(**requests.processing(inputs, name))
    job = _wait(lambda: sagemaker.describe_processing_job(ProcessingJobName=name), "ProcessingJobStatus")
    _print_log(inputs, "ProcessingJobs", name)
    _check(job, "ProcessingJobStatus", "Completed")
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return name, {one["OutputName"]: one["S3Output"]["S3Uri"] for one in outputs if "S3Output" in one}


def train(inputs: Inputs) -> tuple[str, str, str]:
    """Where the model is, the job's name, the image."""
    name, sagemaker = _name(inputs["job_name"], "TrainingJob"), _client("sagemaker", inputs)
    sagemaker.create_training_job(**requests.training(inputs, name))
    job = _wait(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus")
    _print_log(inputs, "TrainingJobs", name)
    _check(job, "TrainingJobStatus", "Completed")
    return job["ModelArtifacts"]["S3ModelArtifacts"], name, _image(job)


def tune(inputs: Inputs) -> tuple[str, str, str, dict[str, str], str]:
    """The search's name; of its best job the model, the name, the hyperparameters, the image."""
    name, sagemaker = _name(inputs["job_name"], "HPOJob"), _client("sagemaker", inputs)
    sagemaker.create_hyper_parameter_tuning_job(**requests.tuning(inputs, name))
    named = {"HyperParameterTuningJobName": name}
    search = _wait(lambda: sagemaker.describe_hyper_parameter_tuning_job(**named), "HyperParameterTuningJobStatus")
    _check(search, "HyperParameterTuningJobStatus", "Completed")
    best = search["BestTrainingJob"]["TrainingJobName"]
    job = sagemaker.describe_training_job(TrainingJobName=best)
    tuned = {key: value for key, value in job["HyperParameters"].items() if not key.startswith("_")}
    return name, job["ModelArtifacts"]["S3ModelArtifacts"], best, tuned, _image(job)


def create_model(inputs: Inputs) -> tuple[str]:
    """The model's name."""
    _client("sagemaker", inputs).create_model(**requests.model(inputs))
    return (inputs["model_name"],)


def deploy(inputs: Inputs) -> tuple[str]:
    """The endpoint's name, once it is in service."""
    sagemaker = _client("sagemaker", inputs)
    name = _name(inputs["endpoint_name"], "Endpoint")
    config = _name(inputs["endpoint_config_name"], "EndpointConfig")
    there = [one["EndpointName"] for one in sagemaker.list_endpoints(NameContains=name)["Endpoints"]]
    updating = inputs["update_endpoint"] and name in there
    if updating and inputs["endpoint_config_name"]:
        known = sagemaker.list_endpoint_configs(NameContains=config)["EndpointConfigs"]
        config = _name("", config) if config in [one["EndpointConfigName"] for one in known] else config
    sagemaker.create_endpoint_config(**requests.endpoint_config(inputs, config))
    named = {"EndpointName": name, "EndpointConfigName": config}
    if updating:
        sagemaker.update_endpoint(**named)
    else:
        tags = [{"Key": key, "Value": value} for key, value in inputs["tags"].items()]
        sagemaker.create_endpoint(**named, **({"Tags": tags} if tags else {}))
    found = _wait(lambda: sagemaker.describe_endpoint(EndpointName=name), "EndpointStatus")
    _check(found, "EndpointStatus", "InService")
    if found["EndpointConfigName"] != config:
        raise JobFailed(f"{name} has {found['EndpointConfigName']} still: {found.get('FailureReason', '')}")
    return (name,)


def transform(inputs: Inputs) -> tuple[str]:
    """Where the output is."""
    name, sagemaker = _name(inputs["job_name"], "BatchTransform"), _client("sagemaker", inputs)
    sagemaker.create_transform_job(**requests.transform(inputs, name))
    job = _wait(lambda: sagemaker.describe_transform_job(TransformJobName=name), "TransformJobStatus")
    _print_log(inputs, "TransformJobs", name)
    _check(job, "TransformJobStatus", "Completed")
    return (inputs["output_location"],)


def _client(service: str, inputs: Inputs) -> Any:
    """In the region, at the address and with the role that the inputs name."""
    session, region = boto3, inputs["region"]
    if inputs["assume_role"]:
        role = {"RoleArn": inputs["assume_role"], "RoleSessionName": "sagemaker-kfp"}
        keys = boto3.client("sts", region_name=region).assume_role(**role)["Credentials"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    address = {"endpoint_url": inputs["endpoint_url"]} if inputs["endpoint_url"] and service == "sagemaker" else {}
    return session.client(service, region_name=region, **address)


def _name(given: str, kind: str) -> str:
    return given or f"{kind}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def _wait(look: Callable[[], dict[str, Any]], status: str) -> dict[str, Any]:
    """Say each status as it comes, until it stays."""
    said, pause = "", FIRST
    while True:
        found = look()
        if found[status] != said:
            said = found[status]
            print(f"{status}: {said}", flush=True)
        if said not in MOVING:
            return found
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)


def _check(found: dict[str, Any], status: str, right: str) -> None:
    if found[status] != right:
        raise JobFailed(
            f"{found[status]}: {found.get('FailureReason') or found.get('ExitMessage') or 'no reason'}"
        )


def _print_log(inputs: Inputs, group: str, name: str) -> None:
    """What the job's hosts have printed."""
    logs = _client("logs", inputs)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/sagemaker/{group}", logStreamNamePrefix=f"{name}/"
    )
    for page in pages:
        for event in page["events"]:
            print(event["message"], flush=True)


def _image(job: dict[str, Any]) -> str:
    return str(job["AlgorithmSpecification"].get("TrainingImage", ""))
