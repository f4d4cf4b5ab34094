"""A project that has only the wheel: an image of its own, which trains a model and serves it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import boto3
import pytest

import sagelab
from sagelab.testing import LocalCloud

TRAIN = """#!/usr/bin/env python3
import json, pathlib
parameters = json.loads(pathlib.Path("/opt/ml/input/config/hyperparameters.json").read_text())
numbers = [int(line) for line in pathlib.Path("/opt/ml/input/data/training/numbers.txt").open()]
pathlib.Path("/opt/ml/model/sum.txt").write_text(str(sum(numbers) * int(parameters["factor"])))
print("trained on", len(numbers), "numbers")
"""
SERVE = """#!/usr/bin/env python3
import http.server, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        asked = int(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(str(asked + int(pathlib.Path("/opt/ml/model/sum.txt").read_text())).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="session")
def image(sagelab_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("image")
    for name, program in (("train", TRAIN), ("serve", SERVE)):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    command = [str(Path(sys.executable).with_name("sagelab")), "image", "add", "adder:1", str(folder)]
    subprocess.run(command, env=sagelab_cloud.env, check=True)
    return "adder:1"


@pytest.fixture
def model(sagelab_cloud: LocalCloud, sagelab_prefix: str, image: str) -> str:
    """The name of a model, trained."""
    sagemaker, s3 = boto3.client("sagemaker"), boto3.client("s3")
    place = f"s3://{sagelab_cloud.bucket}/{sagelab_prefix}"
    s3.put_object(Bucket=sagelab_cloud.bucket, Key=f"{sagelab_prefix}/numbers.txt", Body=b"1\n2\n3\n")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": place}}
    sagemaker.create_training_job(
        TrainingJobName=sagelab_prefix,
        RoleArn=sagelab_cloud.role,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={"factor": "7"},
        InputDataConfig=[{"ChannelName": "training", "DataSource": source}],
        OutputDataConfig={"S3OutputPath": f"{place}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=sagelab_prefix, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    job = sagemaker.describe_training_job(TrainingJobName=sagelab_prefix)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    container = {"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(
        ModelName=sagelab_prefix, ExecutionRoleArn=sagelab_cloud.role, PrimaryContainer=container
    )
    return sagelab_prefix


@pytest.mark.usefixtures("sagelab_cloud")
def test_model_that_was_trained_answers(model: str) -> None:
    sagemaker = boto3.client("sagemaker")
    variant = {"VariantName": "one", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=model, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=model, EndpointConfigName=model)
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=model, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(EndpointName=model, Body=b"100")
    assert answer["Body"].read() == b"142"


def test_it_is_the_wheel() -> None:
    assert Path(sagelab.__file__).is_relative_to(sys.prefix)
