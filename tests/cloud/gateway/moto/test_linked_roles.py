"""Service-linked roles: AWS's name, trust and policy where something here acts with one."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

SCALING = "sagemaker.application-autoscaling.amazonaws.com"
NAME = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


def test_the_role_that_scales_endpoints_is_made_as_on_aws(gateway: Any) -> None:
    iam = gateway.client("iam")
    role = iam.create_service_linked_role(AWSServiceName=SCALING)["Role"]
    assert role["Arn"].endswith(f":role/aws-service-role/{SCALING}/{NAME}")
    (statement,) = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": SCALING}
    (policy,) = iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]
    assert policy["PolicyArn"].endswith(
        ":policy/aws-service-role/AWSApplicationAutoscalingSageMakerEndpointPolicy"
    )
    with pytest.raises(ClientError) as error:
        iam.create_service_linked_role(AWSServiceName=SCALING)
    assert error.value.response["Error"]["Code"] == "EntityAlreadyExists"


def test_another_services_role_is_a_record(gateway: Any) -> None:
    role = gateway.client("iam").create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForAutoScaling"
