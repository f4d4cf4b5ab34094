"""Rules of AWS's that moto alone does not hold."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest


def test_gateway_endpoint_needs_no_route_table(gateway: Any) -> None:
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Endpoint": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "ServiceName": "com.amazonaws.us-east-1.s3"},
        },
    }
    stacks = gateway.client("cloudformation")
    stacks.create_stack(StackName="gateways", TemplateBody=json.dumps({"Resources": resources}))
    (endpoint,) = gateway.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert (endpoint["VpcEndpointType"], endpoint.get("RouteTableIds", [])) == ("Gateway", [])
    stacks.delete_stack(StackName="gateways")


def test_private_dns_of_an_endpoint_needs_that_of_its_vpc(gateway: Any) -> None:
    ec2 = gateway.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    wanted = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.sts", "SubnetIds": [subnet]}
    with pytest.raises(botocore.exceptions.ClientError, match=f"Enabling private DNS requires both .* for {vpc}"):
        ec2.create_vpc_endpoint(VpcEndpointType="Interface", **wanted)
    ec2.create_vpc_endpoint(VpcEndpointType="Interface", PrivateDnsEnabled=False, **wanted)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    made = ec2.create_vpc_endpoint(VpcEndpointType="Interface", **wanted)["VpcEndpoint"]
    assert made["PrivateDnsEnabled"]


def test_sign_in_that_is_not_checked_is_refused(gateway: Any) -> None:
    body = b'{"AuthFlow": "USER_SRP_AUTH", "ClientId": "c", "AuthParameters": {"USERNAME": "u"}}'
    headers = {
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
        "Content-Type": "application/x-amz-json-1.1",
    }
    status, _, said = gateway.signed("POST", "/", "cognito-idp", body, headers)
    assert (status, b"USER_PASSWORD_AUTH" in said) == (400, True)


def test_user_is_made_without_an_invitation(gateway: Any) -> None:
    cognito = gateway.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="pool")["UserPool"]["Id"]
    with pytest.raises(botocore.exceptions.ClientError, match="MessageAction SUPPRESS"):
        cognito.admin_create_user(UserPoolId=pool, Username="u")
    assert cognito.list_users(UserPoolId=pool)["Users"] == []
    cognito.admin_create_user(UserPoolId=pool, Username="u", MessageAction="SUPPRESS")
    assert len(cognito.list_users(UserPoolId=pool)["Users"]) == 1


def test_topic_does_not_gather_what_it_has_sent(gateway: Any) -> None:
    from moto.sns.models import sns_backends

    sns = gateway.client("sns")
    arn = sns.create_topic(Name="forgets")["TopicArn"]
    for word in ("one", "two", "three"):
        sns.publish(TopicArn=arn, Message=word)
    kept = sns_backends[arn.split(":")[4]]["us-east-1"].topics[arn].sent_notifications
    assert [message for _, message, *_ in kept] == ["three"]
