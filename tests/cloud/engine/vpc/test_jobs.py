"""Jobs in a VPC: what an intruder in the container reaches, and what SageMaker itself does, before and after."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.cloud import processing
from tests.cloud.endpoints import Hosting
from tests.cloud.engine.vpc.networks import Network
from tests.cloud.jobs import LIGHT, ROLE, Jobs, pack
from tests.conftest import LocalCloud

SERVING = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
TRY = """
import json, os, urllib.request
import boto3, botocore
from botocore.config import Config
quick = Config(retries={"total_max_attempts": 1}, connect_timeout=20, read_timeout=20)
def tried(act):
    try:
        act()
        return "reached"
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Message"] or error.response["Error"]["Code"]
    except Exception as error:
        return type(error).__name__ + " " + str(error)
def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=20).status
    except urllib.error.HTTPError as error:
        raise OSError(error.read().decode()) from None
bucket = os.environ["BUCKET"]
s3, sagemaker = boto3.client("s3", config=quick), boto3.client("sagemaker", config=quick)
s3_elsewhere = boto3.client("s3", config=quick, region_name="eu-west-1")
print("TRIED " + json.dumps({
    "s3": tried(lambda: s3.list_objects_v2(Bucket=bucket)),
    "write": tried(lambda: s3.put_object(Bucket=bucket, Key="stolen", Body=b"data")),
    "elsewhere": tried(lambda: s3_elsewhere.list_objects_v2(Bucket=bucket)),
    "sagemaker": tried(lambda: sagemaker.list_models()),
    "cloud": tried(lambda: ask(os.environ["AWS_ENDPOINT_URL"])),
    "internet": tried(lambda: ask("http://192.0.2.1/")),
}))
"""


@pytest.fixture(scope="module")
def network(cloud: LocalCloud) -> Network:
    return Network(cloud.client("ec2"))


@pytest.fixture(scope="module")
def intruder(cloud: LocalCloud) -> Intruder:
    return Intruder(Jobs(cloud, image=LIGHT))


class Intruder:
    """Code in a training job that tries what it can reach."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.uri = jobs, jobs.put("in/try.py", TRY.encode())
        self.name = ""

    def run(self, vpc: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
        inside = {"VpcConfig": vpc} if vpc else {}
        channel = self.jobs.channel("code", self.uri)
        request = self.jobs.shell(
            "python3 /opt/ml/input/data/code/try.py",
            Environment={"BUCKET": self.jobs.bucket},
            **({"InputDataConfig": [channel]} | inside | changes),
        )
        self.name = request["TrainingJobName"]
        return self.jobs.run(request)

    def tries(self, vpc: dict[str, Any] | None) -> dict[str, str]:
        """What it reaches; the job must complete."""
        ended = self.run(vpc)
        assert ended["TrainingJobStatus"] == "Completed", ended
        lines = self.jobs.log(self.name).splitlines()
        told = next(line for line in lines if line.startswith("TRIED "))
        found: dict[str, str] = json.loads(told.removeprefix("TRIED "))
        return found


def test_without_a_way_to_s3_a_job_fails_as_on_aws_and_with_the_endpoint_it_runs(
    intruder: Intruder, network: Network
) -> None:
    ended = intruder.run(network.config)
    assert ended["FailureReason"] == (
        "ClientError: Data download failed:Please ensure that the subnet's route table has a route to an S3 VPC"
        " endpoint or a NAT device, and both the security groups and the subnet's network ACL allow outbound"
        " traffic to S3"
    )
    ended = intruder.jobs.run(intruder.jobs.shell("true", VpcConfig=network.config))
    assert ended["FailureReason"].startswith("ClientError: Artifact upload failed:Please ensure")
    endpoint = network.add_gateway_endpoint()
    found = intruder.tries(network.config)
    assert (found["s3"], found["write"]) == ("reached", "reached")
    for name in ("elsewhere", "sagemaker"):
        assert "ConnectionClosedError" in found[name]
    assert "AccessDenied" in found["cloud"]
    assert "no way to the internet" in found["internet"]
    log = intruder.jobs.full_log(intruder.name)
    assert f"no way to sagemaker.api: the route table {network.table} of {network.subnets[0]} has no route" in log
    assert log.count("no way to sagemaker.api") == 1
    assert network.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]


def test_without_a_vpc_nothing_changes(intruder: Intruder) -> None:
    found = intruder.tries(None)
    assert [found[name] for name in ("s3", "write", "sagemaker")] == ["reached"] * 3
    assert "no way" not in found["internet"]


def test_the_policy_of_an_endpoint_and_of_a_bucket_know_it(intruder: Intruder, network: Network) -> None:
    jobs, arn = intruder.jobs, f"arn:aws:s3:::{intruder.jobs.bucket}"
    network.ec2.delete_vpc_endpoints(VpcEndpointIds=[one["VpcEndpointId"] for one in network.endpoints()])
    reads = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    outputs = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"{arn}/out/*"}
    endpoint = network.add_gateway_endpoint({"Statement": [reads, outputs]})
    found = intruder.tries(network.config)
    assert found["s3"] == "reached"
    assert "because no VPC endpoint policy allows the s3:PutObject action" in found["write"]
    condition = {"StringNotEquals": {"aws:SourceVpce": endpoint}}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [deny | {"Condition": condition}]}
    jobs.s3.put_bucket_policy(Bucket=jobs.bucket, Policy=json.dumps(policy))
    try:
        assert "explicit deny in a resource-based policy" in intruder.run(None)["FailureReason"]
        assert intruder.tries(network.config)["s3"] == "reached"
    finally:
        jobs.s3.delete_bucket_policy(Bucket=jobs.bucket)


def test_other_jobs_and_endpoints_fail_in_aws_words(intruder: Intruder, cloud: LocalCloud) -> None:
    jobs, network = intruder.jobs, Network(cloud.client("ec2"))
    inside = {"VpcConfig": network.config}
    inputs = [processing.source("in", intruder.uri)]
    ended = processing.run(jobs, processing.request("true", ProcessingInputs=inputs, NetworkConfig=inside))
    assert ended["FailureReason"] == (
        f"ClientError: Failed to download data. ListObjectsV2 failed for {intruder.uri}. nextToken:[null]:"
        " Unable to execute request to S3"
    )
    hosting = Hosting(cloud)
    url = hosting.put("model.tar.gz", pack({"model.txt": ""}))
    name = f"inside-{uuid.uuid4().hex[:8]}"
    container = {"Image": SERVING, "ModelDataUrl": url}
    hosting.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, VpcConfig=network.config
    )
    ended = hosting.wait(hosting.start(hosting.config(name)))
    assert ended["FailureReason"] == (
        f'Failed to download model data from URL "{url}". Please ensure that an S3 VPC endpoint exists in route'
        " table or NAT gateway for the VPC mode and the URL is reachable from within the subnets provided."
    )
    hosting.close()


def test_hosts_of_a_job_have_addresses_of_its_subnet(intruder: Intruder, network: Network) -> None:
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    request = intruder.jobs.shell("getent hosts algo-1 algo-2", VpcConfig=network.config, ResourceConfig=two)
    assert intruder.jobs.run(request)["TrainingJobStatus"] == "Completed"
    said = intruder.jobs.log(request["TrainingJobName"], "algo-2").split()
    assert said in (["10.7.0.4", "algo-1", "10.7.0.5", "algo-2"], ["127.1.0.1", "algo-1", "127.1.0.2", "algo-2"])
