"""What a CreateInferenceRecommendationsJob request must satisfy; nothing runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.jobs import ROLE
from tests.cloud.recommendations import Recommendations, add_image, phases
from tests.conftest import LocalCloud

CSV: dict[str, Any] = {"SupportedContentTypes": ["text/csv"]}
THRESHOLD = {"Percentile": "P95", "ValueInMilliseconds": 100}


@pytest.fixture(scope="module")
def advice(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommendations]:
    image = add_image(cloud, tmp_path_factory.mktemp("serves"))
    yield Recommendations(cloud, image)
    OwnImages(cloud.home.images).remove(image)


def refusal(advice: Recommendations, request: dict[str, Any]) -> str:
    """Why a request is refused by the service."""
    raw = advice.cloud.client("sagemaker", config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as caught:
        raw.create_inference_recommendations_job(**request)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert (
        advice.sagemaker.list_inference_recommendations_jobs(NameContains=request["JobName"])[
            "InferenceRecommendationsJobs"
        ]
        == []
    )
    return str(caught.value.response["Error"]["Message"])


def serverless(memory: int, **changes: int) -> dict[str, Any]:
    return {"ServerlessConfig": {"MemorySizeInMB": memory, "MaxConcurrency": 2} | changes}


def stairs(**changes: int) -> dict[str, Any]:
    wanted = {"DurationInSeconds": 120, "NumberOfSteps": 2, "UsersPerStep": 1} | changes
    return {"TrafficType": "STAIRS", "Stairs": wanted}


UNJOINED = "Users at the end of prev phase is 13 while initial users of current phase is 1."
PHASE = "'inputConfig.trafficPattern.phases.1.member"
TRAFFICS: list[tuple[dict[str, Any], str]] = [
    ({"TrafficType": "STAIRS", "Phases": phases((1, 1, 120))["Phases"]}, "STAIRS goes with Stairs alone"),
    (phases((1, 1, 119)), f"Value '119' at {PHASE}.durationInSeconds'"),
    (phases((1, 1, 3601)), "less than or equal to 3600"),
    (phases((4, 1, 120)), f"{PHASE}.initialNumberOfUsers'"),
    (phases((1, 4, 120)), f"{PHASE}.spawnRate'"),
    (
        phases((1, 3, 240), (1, 1, 120)),
        UNJOINED,
    ),
    (phases(*[(1, 0, 3000)] * 3), "Total Traffic duration (across) should not be more than Job duration."),
    (stairs(NumberOfSteps=10**9), "Total Traffic duration (across) should not be more than Job duration."),
    (stairs(NumberOfSteps=101, DurationInSeconds=1), "at most 100 users ask at a time, not 101"),
    ({"TrafficType": "STAIRS", "Stairs": {"NumberOfSteps": 2}}, "stairs.durationInSeconds"),
    ({"Phases": phases((1, 1, 120))["Phases"]}, "inputConfig.trafficPattern.trafficType"),
]


@pytest.mark.parametrize(("pattern", "message"), TRAFFICS)
def test_traffic_that_breaks_a_rule_is_refused(
    advice: Recommendations, pattern: dict[str, Any], message: str
) -> None:
    assert message in refusal(advice, advice.request(TrafficPattern=pattern))


SPECIFIED = {"InstanceType": "ml.c5.large", "InferenceSpecificationName": "fast"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"InstanceType": "ml.t2.medium"}, "Burstable instance type ml.t2.medium is not allowed."),
        ({"InstanceType": "ml.g5.xlarge"}, "ml.g5.xlarge: its accelerator is not here"),
        ({}, "give either an InstanceType or a ServerlessConfig"),
        (serverless(1025), "MemorySizeInMB must be one of 1024, 2048,"),
        (serverless(1024, ProvisionedConcurrency=1), "ProvisionedConcurrency is not supported for serverless"),
        (SPECIFIED, "InferenceSpecificationName is for a ModelPackageVersionArn"),
    ],
)
def test_what_cannot_be_tried_is_refused(advice: Recommendations, given: dict[str, Any], message: str) -> None:
    assert message in refusal(advice, advice.request(EndpointConfigurations=[given]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"ModelName": None}, "either ModelPackageVersionArn or ModelName"),
        ({"ModelName": "nobody-made-it"}, "Could not find model"),
        ({"TrafficPattern": None}, "TrafficPattern is required for a job of type Advanced"),
        ({"EndpointConfigurations": None}, "needs EndpointConfigurations or Endpoints"),
        ({"JobDurationInSeconds": 18001}, "'inputConfig.jobDurationInSeconds'"),
        ({"ResourceLimit": {"MaxNumberOfTests": 11}}, "'inputConfig.resourceLimit.maxNumberOfTests'"),
        ({"ResourceLimit": {"MaxParallelOfTests": 11}}, "'inputConfig.resourceLimit.maxParallelOfTests'"),
        ({"Endpoints": [{"EndpointName": "nobody-made-it"}]}, "Could not find endpoint"),
    ],
)
def test_what_breaks_a_rule_is_refused(advice: Recommendations, config: dict[str, Any], message: str) -> None:
    assert message in refusal(advice, advice.request(**config))


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"MaxInvocations": 0}, "'stoppingConditions.maxInvocations'"),
        ({"MaxInvocations": 30001}, "less than or equal to 30000"),
        ({"ModelLatencyThresholds": [THRESHOLD | {"Percentile": "P50"}]}, "none of P95 and P99"),
        (
            {"ModelLatencyThresholds": [THRESHOLD | {"Percentile": "P99"}]},
            "specify the Percentile as P95",
        ),
        ({"ModelLatencyThresholds": [{"Percentile": "P95"}]}, "valueInMilliseconds"),
        ({"ModelLatencyThresholds": [THRESHOLD | {"ValueInMilliseconds": 0}]}, "greater than or equal to 1"),
    ],
)
def test_a_condition_that_none_can_meet_is_refused(
    advice: Recommendations, conditions: dict[str, Any], message: str
) -> None:
    assert message in refusal(advice, advice.request(conditions))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (CSV, "Specify SamplePayloadUrl"),
        ({"SamplePayloadUrl": "s3://b/p.tar.gz"}, "Specify SupportedContentTypes"),
        ({"SamplePayloadUrl": "s3://b/p.zip", "SupportedContentTypes": ["text/csv"]}, "one .tar.gz archive"),
        (
            {"SamplePayloadUrl": "s3://b/p.tar.gz", "SupportedContentTypes": ["text/csv"]},
            "Could not find the sample",
        ),
    ],
)
def test_without_samples_there_is_no_load(advice: Recommendations, payload: dict[str, Any], message: str) -> None:
    container = advice.container(PayloadConfig=payload)
    assert message in refusal(advice, advice.request(ContainerConfig=container))


def test_a_role_that_nobody_may_assume_is_refused(advice: Recommendations) -> None:
    request = advice.request() | {"RoleArn": ROLE.replace("SageMakerLabRole", "nobody-made-it")}
    assert "Could not assume role" in refusal(advice, request)


@pytest.mark.parametrize("missing", ["Domain", "Framework"])
def test_a_package_without_its_domain_or_framework_is_refused(advice: Recommendations, missing: str) -> None:
    group = f"group-{uuid.uuid4().hex[:12]}"
    advice.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {"Image": advice.image, "Framework": "OTHER"}
    facts: dict[str, Any] = {"Domain": "MACHINE_LEARNING", "SamplePayloadUrl": advice.payload}
    {"Domain": facts, "Framework": container}[missing].pop(missing)
    specification = {"Containers": [container], "SupportedContentTypes": ["text/csv"]}
    arn = advice.sagemaker.create_model_package(
        ModelPackageGroupName=group, InferenceSpecification=specification, **facts
    )["ModelPackageArn"]
    request = advice.request(ModelName=None, ModelPackageVersionArn=arn, ContainerConfig=None)
    message = f"Specify {missing} in the Model Package version 1. {missing} is a mandatory parameter for the job."
    assert refusal(advice, request) == message


def test_a_job_that_nobody_made_is_not_found(advice: Recommendations) -> None:
    for call in ("describe_inference_recommendations_job", "stop_inference_recommendations_job"):
        with pytest.raises(ClientError, match="ResourceNotFound"):
            getattr(advice.sagemaker, call)(JobName="nobody-made-it")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        advice.steps("nobody-made-it")
