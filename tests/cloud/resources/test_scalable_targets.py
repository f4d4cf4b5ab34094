"""Application Auto Scaling's targets: registered, held in their bounds, gone with their endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.scaling import DIMENSION, Scaling, user
from tests.waiting import until

ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


@pytest.fixture(scope="module")
def endpoint(scaling: Scaling) -> str:
    """An endpoint with two variants of one server each."""
    return scaling.endpoint(variants=2)


@pytest.fixture
def target(scaling: Scaling, endpoint: str) -> Iterator[str]:
    """The ARN of a target of its first variant, for one test."""
    yield scaling.register(endpoint)
    scaling.api.deregister_scalable_target(**scaling.named(endpoint))


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])


def described(scaling: Scaling, endpoint: str, *variants: str) -> list[dict[str, Any]]:
    """The targets of variants, by default of v1, a page each."""
    ids = [scaling.named(endpoint, variant)["ResourceId"] for variant in variants or ("v1",)]
    pages = scaling.api.get_paginator("describe_scalable_targets").paginate(
        ServiceNamespace="sagemaker", ResourceIds=ids, PaginationConfig={"PageSize": 1}
    )
    return [one for page in pages for one in page["ScalableTargets"]]


def test_a_target_is_described_as_it_was_registered(scaling: Scaling, endpoint: str, target: str) -> None:
    (only,) = described(scaling, endpoint)
    assert only["ScalableTargetARN"] == target
    assert only | scaling.named(endpoint) | {"MinCapacity": 1, "MaxCapacity": 4} == only
    assert only["RoleARN"].endswith(f"/sagemaker.application-autoscaling.amazonaws.com/{ROLE}")
    assert set(only["SuspendedState"].values()) == {False}


def test_registering_makes_the_service_linked_role_with_awss_policy(scaling: Scaling, target: str) -> None:
    iam = scaling.hosting.cloud.client("iam")
    assert iam.get_role(RoleName=ROLE)["Role"]["Path"].startswith("/aws-service-role/sagemaker.application-")
    (policy,) = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    assert policy["PolicyName"] == "AWSApplicationAutoscalingSageMakerEndpointPolicy"
    assert target


def test_what_a_second_request_does_not_say_stays(scaling: Scaling, endpoint: str, target: str) -> None:
    state = {"DynamicScalingInSuspended": True}
    scaling.api.register_scalable_target(**scaling.named(endpoint), MaxCapacity=9, SuspendedState=state)
    (found,) = described(scaling, endpoint)
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 9)
    assert found["SuspendedState"] | state | {"ScheduledScalingSuspended": False} == found["SuspendedState"]
    assert found["ScalableTargetARN"] == target


def test_tags_of_a_target(scaling: Scaling, endpoint: str, target: str) -> None:
    api = scaling.api
    api.tag_resource(ResourceARN=target, Tags={"team": "a", "stage": "test"})
    api.untag_resource(ResourceARN=target, TagKeys=["stage"])
    assert api.list_tags_for_resource(ResourceARN=target)["Tags"] == {"team": "a"}
    code, words = refused(scaling.api.register_scalable_target, **scaling.named(endpoint), Tags={"x": "y"})
    assert (code, "that you tried to tag already exists" in words) == ("ValidationException", True)
    many = {f"key-{number}": "" for number in range(50)}
    assert refused(api.tag_resource, ResourceARN=target, Tags=many)[0] == "TooManyTagsException"
    unknown = target[:-4] + "0000"
    assert refused(api.list_tags_for_resource, ResourceARN=unknown)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MinCapacity": 5}, "Maximum capacity cannot be less than minimum capacity"),
        ({"MinCapacity": 0}, "at least 1"),
        ({"MaxCapacity": None}, "Maximum capacity is required"),
        ({"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"}, "no inference components"),
        ({"ScalableDimension": "ecs:service:DesiredCount"}, "Unsupported service namespace"),
        ({"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}, "variants of endpoints"),
        ({"ResourceId": "endpoint/none"}, "Unsupported service namespace"),
        ({"ResourceId": "endpoint/nobody-made-it/variant/v1"}, "Could not find endpoint"),
        (
            {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"},
            "no DesiredProvisionedConcurrency",
        ),
    ],
)
def test_what_cannot_be_scaled_is_refused(
    scaling: Scaling, endpoint: str, changes: dict[str, Any], words: str
) -> None:
    asked = {**scaling.named(endpoint, "v2"), "MinCapacity": 1, "MaxCapacity": 4, **changes}
    given = {name: value for name, value in asked.items() if value is not None}
    code, message = refused(scaling.api.register_scalable_target, **given)
    assert (code, words in message) == ("ValidationException", True), message


def test_what_is_not_there_is_not_found(scaling: Scaling, endpoint: str) -> None:
    named = scaling.named(endpoint, "v2")
    words = (
        f"No scalable target registered for service namespace: sagemaker, resource ID: {named['ResourceId']},"
        f" scalable dimension: {DIMENSION}"
    )
    found = refused(scaling.api.deregister_scalable_target, **named)
    assert found == ("ObjectNotFoundException", words)


def test_forecasts_are_refused_in_words(scaling: Scaling, endpoint: str) -> None:
    named = scaling.named(endpoint)
    times = {"StartTime": 0, "EndTime": 1}
    _, words = refused(scaling.api.get_predictive_scaling_forecast, PolicyName="p", **named, **times)
    assert "no forecasts" in words


def test_pages_and_their_tokens(scaling: Scaling, endpoint: str, target: str) -> None:
    scaling.api.register_scalable_target(**scaling.named(endpoint, "v2"), MinCapacity=1, MaxCapacity=2)
    found = [one["ScalableTargetARN"] for one in described(scaling, endpoint, "v1", "v2")]
    assert len(found) == len(set(found)) == 2
    assert target in found
    describe = scaling.api.describe_scalable_targets
    assert refused(describe, ServiceNamespace="sagemaker", NextToken="x")[0] == "InvalidNextTokenException"
    assert refused(describe, ServiceNamespace="sagemaker", MaxResults=51)[0] == "ValidationException"
    assert describe(ServiceNamespace="dynamodb")["ScalableTargets"] == []
    scaling.api.deregister_scalable_target(**scaling.named(endpoint, "v2"))


def test_stacks_do_not_scale_and_say_so(scaling: Scaling, unique: Callable[[str], str]) -> None:
    template = {"Resources": {"Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": {}}}}
    create = scaling.hosting.cloud.client("cloudformation").create_stack
    _, words = refused(create, StackName=unique("stack"), TemplateBody=json.dumps(template))
    assert "register it by its API (RegisterScalableTarget" in words


def test_who_registers_must_be_allowed_what_is_scaled(
    scaling: Scaling, endpoint: str, unique: Callable[[str], str]
) -> None:
    cloud = scaling.hosting.cloud
    session = user(cloud, unique("user"), "application-autoscaling:*")
    api = session.client("application-autoscaling", endpoint_url=cloud.url)
    asked = {**scaling.named(endpoint, "v2"), "MinCapacity": 1, "MaxCapacity": 2}
    code, words = refused(api.register_scalable_target, **asked)
    assert code == "AccessDeniedException"
    assert "sagemaker:DescribeEndpoint on resource: arn:aws:sagemaker:" in words


@pytest.mark.slow
def test_bounds_scale_and_the_endpoint_takes_its_targets_with_it(
    scaling: Scaling, unique: Callable[[str], str]
) -> None:
    name = scaling.endpoint()
    scaling.register(name, least=2)
    scaling.track(name, 70)
    (activity,) = scaling.done(name)
    assert activity["StatusMessage"].endswith("2. Change successfully fulfilled by sagemaker.")
    assert (activity["Cause"], scaling.count(name)) == ("minimum capacity was set to 2", 2)
    check_update_is_refused(scaling, name)
    check_delete_needs_rights(scaling, name, unique("user"))
    scaling.hosting.delete(name)
    assert described(scaling, name) == []
    prefix = f"TargetTracking-endpoint/{name}/"
    until(
        lambda: scaling.cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"], lambda found: not found
    )


@pytest.mark.slow
def test_provisioned_concurrency_of_a_serverless_variant_scales(
    scaling: Scaling, unique: Callable[[str], str]
) -> None:
    plan = {"MemorySizeInMB": 1024, "MaxConcurrency": 4, "ProvisionedConcurrency": 1}
    name, model = unique("config"), scaling.hosting.model(None, Image=scaling.image)
    variant = {"VariantName": "v1", "ModelName": model, "ServerlessConfig": plan}
    scaling.hosting.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    endpoint = scaling.hosting.serve(name)
    named = scaling.named(endpoint) | {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    scaling.api.register_scalable_target(**named, MinCapacity=2, MaxCapacity=3)
    (activity,) = scaling.done(endpoint)
    assert activity["Description"] == "Setting desired provisioned concurrency to 2."
    assert activity["StatusCode"] == "Successful", activity
    (found,) = scaling.hosting.describe(endpoint)["ProductionVariants"]
    assert found["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2


def check_update_is_refused(scaling: Scaling, name: str) -> None:
    """A variant that is scaled keeps its name and its instance type."""
    update = scaling.hosting.sagemaker.update_endpoint
    for config in (scaling.config(VariantName="other"), scaling.config(InstanceType="ml.m5.large")):
        code, words = refused(update, EndpointName=name, EndpointConfigName=config)
        assert code == "ValidationException"
        assert words.startswith('The variant(s) "v1" must be deregistered as scalable target with AutoScaling')


def check_delete_needs_rights(scaling: Scaling, name: str, who: str) -> None:
    cloud = scaling.hosting.cloud
    session = user(cloud, who, "sagemaker:*")
    client = session.client("sagemaker", endpoint_url=cloud.url)
    code, words = refused(client.delete_endpoint, EndpointName=name)
    assert code == "AccessDeniedException"
    assert "does not have application-autoscaling:DeregisterScalableTarget permission" in words
