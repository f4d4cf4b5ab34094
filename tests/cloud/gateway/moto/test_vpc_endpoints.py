"""What EC2 takes as an endpoint of a VPC."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest

from tests.conftest import LocalCloud


def test_gateway_endpoint_needs_no_route_table(cloud: LocalCloud) -> None:
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Endpoint": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "ServiceName": "com.amazonaws.us-east-1.s3"},
        },
    }
    stacks, ec2 = cloud.client("cloudformation"), cloud.client("ec2")
    stacks.create_stack(StackName="gateways", TemplateBody=json.dumps({"Resources": resources}))
    (made,) = stacks.describe_stack_resources(StackName="gateways", LogicalResourceId="Endpoint")["StackResources"]
    (endpoint,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made["PhysicalResourceId"]])["VpcEndpoints"]
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


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("no policy", "valid JSON"),
        ('{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}', "Missing required field Principal"),
    ],
)
def test_a_policy_of_an_endpoint_is_one(gateway: Any, policy: str, said: str) -> None:
    ec2 = gateway.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    wanted = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3"}
    with pytest.raises(botocore.exceptions.ClientError, match=f"InvalidPolicyDocument.*{said}"):
        ec2.create_vpc_endpoint(PolicyDocument=policy, **wanted)
    made = ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]
    with pytest.raises(botocore.exceptions.ClientError, match=f"InvalidPolicyDocument.*{said}"):
        ec2.modify_vpc_endpoint(VpcEndpointId=made, PolicyDocument=policy)
