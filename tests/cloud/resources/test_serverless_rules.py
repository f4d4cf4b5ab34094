"""What CreateEndpointConfig says of serverless variants."""

from __future__ import annotations

from dataclasses import replace
from os import cpu_count
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.hosting.server import VariantSpec
from sagelab.cloud.engine.hosting.serverless import MOST
from sagelab.cloud.engine.images import neo
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import serverless_rules
from tests.cloud.engine.vpc.networks import Network
from tests.cloud.jobs import Jobs
from tests.cloud.resources.hosting import SERVING, config, made, variant


@pytest.fixture(scope="module")
def served(jobs: Jobs) -> str:
    """The name of a model."""
    return made(jobs)


def serverless(model: str, memory: int = 2048, most: int = 5, **changes: Any) -> dict[str, Any]:
    """A serverless variant. changes: of its ServerlessConfig, or of itself."""
    plan = {"MemorySizeInMB": memory, "MaxConcurrency": most}
    plan |= {name: changes.pop(name) for name in ("ProvisionedConcurrency",) if name in changes}
    bare: dict[str, Any] = {"InstanceType": None, "InitialInstanceCount": None}
    return variant(model, **bare | {"ServerlessConfig": plan} | changes)


def refused(jobs: Jobs, request: dict[str, Any], code: str = "ValidationException") -> str:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        jobs.sagemaker.create_endpoint_config(**request)
    error = trouble.value.response["Error"]
    assert error["Code"] == code
    return str(error["Message"])


def test_describe_returns_the_plan_as_it_was_sent(jobs: Jobs, served: str) -> None:
    request = config(serverless(served, ProvisionedConcurrency=2), KmsKeyId="k")
    jobs.sagemaker.create_endpoint_config(**request)
    found = jobs.sagemaker.describe_endpoint_config(EndpointConfigName=request["EndpointConfigName"])
    assert found["ProductionVariants"] == [request["ProductionVariants"][0] | {"InitialVariantWeight": 1.0}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"memory": 1500}, "MemorySizeInMB must be one of 1024, 2048, 3072, 4096, 5120, 6144, not 1500."),
        ({"memory": 7168}, "less than or equal to 6144"),
        ({"most": 201}, "less than or equal to 200"),
        ({"most": 2, "ProvisionedConcurrency": 3}, "(3) must be less than or equal to MaxConcurrency (2)"),
        ({"InstanceType": "ml.c5.large"}, "InstanceType is not supported for serverless endpoints."),
        ({"InitialInstanceCount": 1}, "InitialInstanceCount is not supported for serverless endpoints."),
        ({"AcceleratorType": "ml.eia1.medium"}, "AcceleratorType is not supported"),
        ({"VolumeSizeInGB": 5}, "VolumeSizeInGB is not supported"),
        ({"RoutingConfig": {"RoutingStrategy": "RANDOM"}}, "RoutingConfig is not supported"),
        ({"ContainerStartupHealthCheckTimeoutInSeconds": 60}, "HealthCheckTimeoutInSeconds is not supported"),
    ],
)
def test_bad_plan_is_refused_in_words(jobs: Jobs, served: str, changes: dict[str, Any], words: str) -> None:
    assert words in refused(jobs, config(serverless(served, **changes)))


def test_more_provisioned_than_runs_here_is_over_the_limit(jobs: Jobs, served: str) -> None:
    request = config(serverless(served, most=200, ProvisionedConcurrency=MOST + 1))
    assert f"at most {MOST} environments" in refused(jobs, request, "ResourceLimitExceeded")


def test_what_excludes_a_serverless_variant_is_refused_in_words(jobs: Jobs, served: str) -> None:
    bucket = f"s3://{jobs.bucket}/x"
    both = [serverless(served), variant(served, VariantName="second")]
    captured = {
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": bucket,
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    output = {"OutputConfig": {"S3OutputPath": bucket}}
    assert "has one production variant" in refused(jobs, config(*both))
    one = serverless(served)
    assert "data capture is not supported" in refused(jobs, config(one, DataCaptureConfig=captured))
    assert "asynchronous inference is not supported" in refused(jobs, config(one, AsyncInferenceConfig=output))


def test_a_model_without_a_network_of_its_own_choice_is_needed(jobs: Jobs) -> None:
    isolated = made(jobs, EnableNetworkIsolation=True)
    inside = made(jobs, VpcConfig=Network(jobs.cloud.client("ec2")).config)
    assert "EnableNetworkIsolation is not supported" in refused(jobs, config(serverless(isolated)))
    assert "VpcConfig is not supported" in refused(jobs, config(serverless(inside)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Containers": [{"Image": SERVING}, {"Image": SERVING}]}, "An inference pipeline is not supported"),
        ({"PrimaryContainer": {"Image": SERVING, "Mode": "MultiModel"}}, "A multi-model container is not"),
        ({"PrimaryContainer": {"Image": neo.uri("TENSORFLOW", "us-east-1")}}, "A model that Neo compiled is not"),
    ],
)
def test_kinds_of_models_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationException, match=words):
        serverless_rules.check_model(serverless("m"), {"ModelName": "m"} | changes)


def test_what_this_machine_does_not_run_at_once_is_noted() -> None:
    assert serverless_rules.notes(serverless("m", most=MOST)) == []
    [note] = serverless_rules.notes(serverless("m", most=MOST + 1))
    assert note.endswith(f"MaxConcurrency {MOST + 1}: this machine runs at most {MOST} environments of a variant")


def test_a_change_fits_its_kind_of_variant() -> None:
    plan = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    there = {"CurrentServerlessConfig": plan, "DesiredServerlessConfig": plan}
    serverless_rules.check_change({"VariantName": "v", "ServerlessUpdateConfig": {"MaxConcurrency": 9}}, there)
    for item, now in (
        ({"ServerlessUpdateConfig": {"MaxConcurrency": 1}}, {"DesiredInstanceCount": 1}),
        ({"DesiredInstanceCount": 1}, there),
        ({"ServerlessUpdateConfig": {"ProvisionedConcurrency": 3}}, there),
    ):
        with pytest.raises(ValidationException):
            serverless_rules.check_change({"VariantName": "v"} | item, now)


def test_memory_brings_its_share_of_threads() -> None:
    spec = VariantSpec("v", (), "role", "", 0, 1.0)
    found = [
        replace(spec, serverless=serverless_rules.read(serverless("m", memory))).threads for memory in (1024, 6144)
    ]
    assert found == [1, min(4, cpu_count() or 1)]
