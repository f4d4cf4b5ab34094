"""What requests to services beside SageMaker need to be allowed."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.scaling import records
from sagelab.cloud.gateway.auth import beside

WHERE = "us-east-1:123456789012"
NAMED = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TARGET = records.target_arn(WHERE, NAMED)
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        (
            "RegisterScalableTarget",
            {
                ("sagemaker:DescribeEndpoint", ENDPOINT),
                ("sagemaker:DescribeEndpointConfig", None),
                ("sagemaker:UpdateEndpointWeightsAndCapacities", ENDPOINT),
            },
        ),
        ("PutScalingPolicy", {("cloudwatch:PutMetricAlarm", None), ("cloudwatch:DescribeAlarms", None)}),
        ("DeleteScalingPolicy", {("cloudwatch:DeleteAlarms", None)}),
        ("PutScheduledAction", set()),
    ],
)
def test_who_scales_must_be_allowed_what_is_scaled_and_its_alarms(operation: str, more: set[Any]) -> None:
    found = list(beside.needs("application-autoscaling", operation, NAMED, WHERE))
    own = (f"application-autoscaling:{operation}", TARGET)
    assert {(one.action, one.resource) for one in found} == {own} | more
    assert found[0].context["application-autoscaling:service-namespace"] == ["sagemaker"]


def test_tags_are_about_their_target_and_lists_about_everything() -> None:
    (tag,) = beside.needs("application-autoscaling", "TagResource", {"ResourceARN": TARGET}, WHERE)
    assert tag.resource == TARGET
    (listed,) = beside.needs(
        "application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"}, WHERE
    )
    assert listed.resource == "*"


def test_a_role_that_is_given_is_passed_on() -> None:
    asked = NAMED | {"RoleARN": "arn:aws:iam::123456789012:role/mine"}
    found = list(beside.needs("application-autoscaling", "RegisterScalableTarget", asked, WHERE))
    assert ("iam:PassRole", asked["RoleARN"]) in {(one.action, one.resource) for one in found}


def test_an_endpoint_of_dms_passes_its_role_on_and_a_task_names_its_endpoints() -> None:
    role = "arn:aws:iam::123456789012:role/mine"
    found = list(beside.needs("dms", "CreateEndpoint", {"S3Settings": {"ServiceAccessRoleArn": role}}, WHERE))
    assert [(one.action, one.resource) for one in found] == [("dms:CreateEndpoint", "*"), ("iam:PassRole", role)]
    assert found[1].context == {"iam:passedtoservice": ["dms.amazonaws.com"]}
    start = f"arn:aws:dms:{WHERE}"
    named = {"SourceEndpointArn": f"{start}:endpoint:S", "ReplicationInstanceArn": f"{start}:rep:I"}
    found = list(beside.needs("dms", "CreateReplicationTask", named, WHERE))
    assert {one.resource for one in found} == set(named.values())


def test_the_first_target_makes_a_role() -> None:
    found = beside.needs_of_role("123456789012")
    assert found.action == "iam:CreateServiceLinkedRole"
    assert found.context == {"iam:awsservicename": ["sagemaker.application-autoscaling.amazonaws.com"]}
