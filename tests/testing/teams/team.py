"""A team's tests, in this order: some with the local cloud, one with moto's `mock_aws`, some with neither."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError
from moto import mock_aws

from sagelab.testing import LocalCloud

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu-py312"
BEFORE = dict(os.environ)
FIRST = boto3.Session(region_name="eu-west-1")
boto3.DEFAULT_SESSION = FIRST


def common(cloud: LocalCloud, name: str) -> dict[str, Any]:
    """What every training job has."""
    return {
        "RoleArn": cloud.role,
        "OutputDataConfig": {"S3OutputPath": f"s3://{cloud.bucket}/{name}"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def train(cloud: LocalCloud, name: str, command: str) -> None:
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash", "-c"],
        "ContainerArguments": [command],
    }
    boto3.client("sagemaker").create_training_job(
        TrainingJobName=name, AlgorithmSpecification=algorithm, **common(cloud, name)
    )


def wait(name: str) -> dict[str, Any]:
    sagemaker = boto3.client("sagemaker")
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.config.delay = 1
    waiter.wait(TrainingJobName=name)
    found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return found


@pytest.fixture(scope="module")
def data() -> Iterator[str]:
    """Of the module: its last test, which has no local cloud, is not the one that this is torn down with."""
    boto3.client("s3").create_bucket(Bucket="data-of-the-module")
    yield "data-of-the-module"
    boto3.client("s3").delete_bucket(Bucket="data-of-the-module")
    Path("deleted").touch()


@pytest.fixture(scope="module")
def failed(sagelab_cloud: LocalCloud) -> str:
    train(sagelab_cloud, "of-the-module", "echo said by the job of the module; exit 4")
    return "of-the-module"


@pytest.fixture
def account() -> str:
    """Does not ask for the local cloud, and is set up before it where a test names it first."""
    return str(boto3.client("sts").get_caller_identity()["Account"])


def test_boto3_is_pointed(account: str, sagelab_cloud: LocalCloud) -> None:
    assert account == sagelab_cloud.account
    assert boto3.client("s3").meta.endpoint_url == sagelab_cloud.url
    assert boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_children_are_pointed(sagelab_cloud: LocalCloud) -> None:
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    for env in (None, sagelab_cloud.env):
        said = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
        assert said.stdout.strip() == sagelab_cloud.account


def test_a_role_and_a_bucket_are_there(sagelab_cloud: LocalCloud) -> None:
    role = boto3.client("iam").get_role(RoleName=sagelab_cloud.role.rpartition("/")[2])["Role"]
    assert role["Arn"] == sagelab_cloud.role
    boto3.client("s3").head_bucket(Bucket=sagelab_cloud.bucket)
    assert sagelab_cloud.console.startswith("http://127.0.0.1:")
    assert sagelab_cloud.session("eu-west-1").client("sqs").list_queues().get("QueueUrls") is None


@pytest.mark.usefixtures("sagelab_cloud")
def test_the_data_of_the_module_is_there(data: str) -> None:
    boto3.client("s3").head_bucket(Bucket=data)


@pytest.mark.usefixtures("sagelab_cloud")
class TestOfUnittest(unittest.TestCase):
    def setUp(self) -> None:
        self.sts = boto3.client("sts")

    def test_as_unittest_has_it(self) -> None:
        assert self.sts.get_caller_identity()["Account"] == "123456789012"
        assert self.sts.meta.endpoint_url.startswith("http://127.0.0.1:")


@mock_aws  # type: ignore[untyped-decorator]
def test_moto_is_as_it_was() -> None:
    assert boto3.client("s3", region_name="us-east-1").list_buckets()["Buckets"] == []


def test_nothing_is_left_of_the_pointing() -> None:
    now = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    assert now == BEFORE
    assert boto3.DEFAULT_SESSION is FIRST


@pytest.mark.parametrize("name", ["ml.m5.large", "ml.m5.large again", "\u00e9"])
def test_named(sagelab_prefix: str, name: str) -> None:
    with Path("prefixes").open("a") as out:
        print(name, sagelab_prefix, sep="=", file=out)


def test_that_leaves_a_job_running(sagelab_cloud: LocalCloud) -> None:
    train(sagelab_cloud, "left-running", "exec sleep 1000")


@pytest.mark.usefixtures("sagelab_cloud")
def test_that_comes_after_finds_it_stopped() -> None:
    assert wait("left-running")["TrainingJobStatus"] == "Stopped"


def test_that_fails(sagelab_cloud: LocalCloud, sagelab_prefix: str) -> None:
    train(sagelab_cloud, sagelab_prefix, "seq 1000; echo said by the job of the test; exit 3")
    assert wait(sagelab_prefix)["TrainingJobStatus"] == "Completed"


def test_that_fails_for_its_module(failed: str) -> None:
    assert wait(failed)["TrainingJobStatus"] == "Completed"


@pytest.fixture
def image(sagelab_cloud: LocalCloud, tmp_path: Path) -> str:
    """Breaks when it trains and when it serves."""
    for name in ("train", "serve"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho said by {name}; exit 5\n")
        (tmp_path / name).chmod(0o755)
    command = [str(Path(sys.executable).with_name("sagelab")), "image", "add", "breaks:1", str(tmp_path)]
    subprocess.run(command, env=sagelab_cloud.env, check=True)
    return "breaks:1"


def serve(cloud: LocalCloud, name: str, image: str) -> None:
    sagemaker, container = boto3.client("sagemaker"), {"Image": image}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=cloud.role, PrimaryContainer=container)
    variant = {"VariantName": "one", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def search(cloud: LocalCloud, name: str, image: str) -> None:
    rates = {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}]}
    how = {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
        "ParameterRanges": rates,
    }
    algorithm = {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    }
    job = common(cloud, name) | {"AlgorithmSpecification": algorithm}
    boto3.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=how, TrainingJobDefinition=job
    )


def test_that_fails_in_other_ways(sagelab_cloud: LocalCloud, sagelab_prefix: str, image: str) -> None:
    search(sagelab_cloud, sagelab_prefix, image)
    serve(sagelab_cloud, sagelab_prefix, image)
    waiter = boto3.client("sagemaker").get_waiter("endpoint_in_service")
    with pytest.raises(WaiterError):
        waiter.wait(EndpointName=sagelab_prefix, WaiterConfig={"Delay": 1, "MaxAttempts": 200})
    name, limit = {"HyperParameterTuningJobName": sagelab_prefix}, time.monotonic() + 200
    status = "InProgress"
    while status == "InProgress" and time.monotonic() < limit:
        time.sleep(0.1)
        found = boto3.client("sagemaker").describe_hyper_parameter_tuning_job(**name)
        status = found["HyperParameterTuningJobStatus"]
    assert status == "Completed"


def test_that_fails_for_itself(sagelab_cloud: LocalCloud) -> None:
    assert sagelab_cloud.home.path.name == "not this"


def test_where_it_was(sagelab_cloud: LocalCloud) -> None:
    Path("where.json").write_text(json.dumps(sagelab_cloud.home.server()))


def test_last_one_of_the_module_has_no_cloud() -> None:
    assert "AWS_ENDPOINT_URL" not in os.environ
