"""A VPC as a learner makes it, in the local cloud of a test: private subnets, and what is added to them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b")


@dataclass
class Network:
    """ec2: a boto3 client. Two private subnets in two zones, and a security group that lets everything out."""

    ec2: Any
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    group: str = ""
    table: str = ""

    def __post_init__(self) -> None:
        self.vpc = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.table = self._main(self.vpc)
        for number, zone in enumerate(ZONES):
            block = {"CidrBlock": f"10.7.{number}.0/24", "AvailabilityZone": zone}
            self.subnets.append(self.ec2.create_subnet(VpcId=self.vpc, **block)["Subnet"]["SubnetId"])
        self.group = self.make_group()

    @property
    def config(self) -> dict[str, list[str]]:
        """As a VpcConfig."""
        return {"Subnets": self.subnets, "SecurityGroupIds": [self.group]}

    def make_group(self) -> str:
        name = f"group-{uuid.uuid4().hex[:8]}"
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)
        return str(made["GroupId"])

    def add_gateway_endpoint(self, policy: dict[str, Any] | None = None, service: str = "s3") -> str:
        given = {"PolicyDocument": json.dumps(policy)} if policy else {}
        tables = [self.table]
        return self._endpoint(service, VpcEndpointType="Gateway", RouteTableIds=tables, **given)

    def add_interface_endpoint(self, service: str, **changes: Any) -> str:
        group = changes.pop("group", None) or self.make_group()
        self.admit(group)
        given = {"SubnetIds": self.subnets[:1], "SecurityGroupIds": [group], "PrivateDnsEnabled": True} | changes
        return self._endpoint(service, VpcEndpointType="Interface", **given)

    def admit(self, group: str) -> None:
        """Let HTTPS in from the VPC."""
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.7.0.0/16"}]}
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    def shut(self) -> None:
        """Let nothing out by the security group."""
        rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=[rule])

    def add_internet_gateway(self) -> str:
        made = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=self.vpc)
        return str(made)

    def add_nat(self) -> str:
        """A NAT gateway in a public subnet of its own; the private ones have their route by it."""
        public = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.7.9.0/24")["Subnet"]["SubnetId"]
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=public)
        self.ec2.create_route(
            RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=self.add_internet_gateway()
        )
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = self.ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
        self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
        return str(nat)

    def endpoints(self) -> list[Any]:
        """The records of its endpoints."""
        wanted = [{"Name": "vpc-id", "Values": [self.vpc]}]
        return list(self.ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"])

    def _endpoint(self, service: str, **given: Any) -> str:
        name = f"com.amazonaws.{REGION}.{service}"
        made = self.ec2.create_vpc_endpoint(VpcId=self.vpc, ServiceName=name, **given)
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def _main(self, vpc: str) -> str:
        wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
        return str(self.ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"])
