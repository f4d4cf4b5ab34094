"""A private network of a lab: a VPC without a way out, what may lead out of it, and its removal.

Shows the calls that it makes. Everything carries the lab's tag, by which `remove` finds it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelab.lab.calls import write_call

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

RANGE = "10.6.0.0/16"
PARTS, PUBLIC = ("10.6.1.0/24", "10.6.2.0/24"), "10.6.9.0/24"  # its subnets
ANYWHERE = "0.0.0.0/0"
TRIES, PAUSE = 150, 2.0  # until the interfaces of jobs and endpoints have gone


def make(lab: Lab) -> dict[str, Any]:
    """A VPC with two subnets in two zones and no way out, as a job's VpcConfig; shows the calls."""
    ec2 = lab.client("ec2")
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    vpc = _make(lab, "create_vpc", "vpc", CidrBlock=RANGE)["Vpc"]["VpcId"]
    for setting in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{setting: {"Value": True}})
    subnets = [
        _make(lab, "create_subnet", "subnet", VpcId=vpc, CidrBlock=part, AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for part, zone in zip(PARTS, zones, strict=False)
    ]
    named = {"VpcId": vpc, "GroupName": lab.name, "Description": "jobs"}
    group = _make(lab, "create_security_group", "security-group", **named)["GroupId"]
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=itself)
    return {"Subnets": subnets, "SecurityGroupIds": [group]}


def of(lab: Lab, config: Mapping[str, Any]) -> str:
    """The VPC of a job's VpcConfig."""
    found = lab.client("ec2").describe_subnets(SubnetIds=config["Subnets"][:1])
    return str(found["Subnets"][0]["VpcId"])


def tagged(lab: Lab, kind: str) -> list[dict[str, Any]]:
    """The lab's tag as EC2 takes it with a request. kind: "vpc-endpoint", "natgateway", ..."""
    return [{"ResourceType": kind, "Tags": [*lab.tags, {"Key": "Name", "Value": lab.name}]}]


def endpoint(lab: Lab, config: Mapping[str, Any], service: str) -> str:
    """An interface endpoint for a service in the subnets of a VpcConfig; returns its id and shows the call."""
    request = {
        "VpcId": of(lab, config),
        "ServiceName": f"com.amazonaws.{lab.region}.{service}",
        "VpcEndpointType": "Interface",
        "SubnetIds": config["Subnets"],
        "SecurityGroupIds": config["SecurityGroupIds"],
        "PrivateDnsEnabled": True,
    }
    return str(_make(lab, "create_vpc_endpoint", "vpc-endpoint", **request)["VpcEndpoint"]["VpcEndpointId"])


@contextmanager
def nat_gateway(lab: Lab, config: Mapping[str, Any]) -> Iterator[str]:
    """A NAT gateway in a public subnet of its own, to which the main route table leads; it goes at the end."""
    ec2, vpc = lab.client("ec2"), of(lab, config)
    door = _make(lab, "create_internet_gateway", "internet-gateway")["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=door, VpcId=vpc)
    subnet = _make(lab, "create_subnet", "subnet", VpcId=vpc, CidrBlock=PUBLIC)["Subnet"]["SubnetId"]
    table = _make(lab, "create_route_table", "route-table", VpcId=vpc)["RouteTable"]["RouteTableId"]
    _lead(lab, table, GatewayId=door)
    joined = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = _make(lab, "create_nat_gateway", "natgateway", SubnetId=subnet, AllocationId=address)
    name = str(nat["NatGateway"]["NatGatewayId"])
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[name])
    main = main_table(lab, config)
    _lead(lab, main, NatGatewayId=name)
    try:
        yield name
    finally:
        ec2.delete_route(RouteTableId=main, DestinationCidrBlock=ANYWHERE)
        ec2.delete_nat_gateway(NatGatewayId=name)
        ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[name])
        ec2.release_address(AllocationId=address)
        ec2.disassociate_route_table(AssociationId=joined)
        ec2.delete_route_table(RouteTableId=table)
        ec2.detach_internet_gateway(InternetGatewayId=door, VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=door)


def main_table(lab: Lab, config: Mapping[str, Any]) -> str:
    """The main route table of the VPC, which every subnet follows that has none of its own."""
    wanted = [{"Name": "vpc-id", "Values": [of(lab, config)]}, {"Name": "association.main", "Values": ["true"]}]
    return str(lab.client("ec2").describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"])


def remove(lab: Lab) -> Iterator[str]:
    """Endpoints first, then what they stand in; EC2 needs a while until their interfaces are gone."""
    ec2 = lab.client("ec2")
    endpoints = _ids(lab, "vpc_endpoints", "VpcEndpoints", "VpcEndpointId")
    if endpoints:
        ec2.delete_vpc_endpoints(VpcEndpointIds=endpoints)
        yield f"deleted {len(endpoints)} endpoints of a VPC"
    parts = (
        ("security_groups", "SecurityGroups", "GroupId", lambda each: ec2.delete_security_group(GroupId=each)),
        ("subnets", "Subnets", "SubnetId", lambda each: ec2.delete_subnet(SubnetId=each)),
        ("vpcs", "Vpcs", "VpcId", lambda each: ec2.delete_vpc(VpcId=each)),
    )
    for what, listed, name, delete in parts:
        for each in _ids(lab, what, listed, name):
            _until_free(delete, each)
            yield f"deleted {each}"


def left(lab: Lab) -> list[str]:
    """The VPCs of the lab's that are there."""
    return _ids(lab, "vpcs", "Vpcs", "VpcId")


def _lead(lab: Lab, table: str, **target: str) -> None:
    """A default route."""
    request = {"RouteTableId": table, "DestinationCidrBlock": ANYWHERE, **target}
    print(write_call('lab.client("ec2").create_route', request))
    lab.client("ec2").create_route(**request)


def _make(lab: Lab, call: str, kind: str, **request: Any) -> dict[str, Any]:
    """Something of EC2's with the lab's tag; shows the call without that."""
    print(write_call(f'lab.client("ec2").{call}', request))
    made: dict[str, Any] = getattr(lab.client("ec2"), call)(**request, TagSpecifications=tagged(lab, kind))
    return made


def _ids(lab: Lab, what: str, listed: str, name: str) -> list[str]:
    """The ids of the lab's own of one kind of EC2's things."""
    tag = lab.tags[0]
    asked = {"Filters": [{"Name": f"tag:{tag['Key']}", "Values": [tag["Value"]]}]}
    found = getattr(lab.client("ec2"), f"describe_{what}")(**asked)[listed]
    return [str(each[name]) for each in found if each.get("State") != "deleted"]


def _until_free(delete: Callable[[str], Any], each: str) -> None:
    for left in reversed(range(TRIES)):
        try:
            delete(each)
            return
        except ClientError as error:
            if not left or error.response["Error"]["Code"] != "DependencyViolation":
                raise
            time.sleep(PAUSE)
