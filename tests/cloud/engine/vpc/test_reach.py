"""What EC2's records come to: each way out, and what is in its way. The records are moto's, a little changed."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sagelab.cloud.engine.vpc import reach
from sagelab.cloud.engine.vpc.reach import GATEWAY, INTERFACE, NAT, NoWay, Reach, Records
from sagelab.cloud.engine.vpc.records import EC2
from tests.cloud.engine.vpc.networks import REGION, Network
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow

HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
ANY = "0.0.0.0/0"


@dataclass
class Told:
    """EC2's records of a network that has every way: endpoints of S3 and of sts, and a NAT gateway."""

    network: Network
    records: Records
    s3: str
    sts: str
    nat: str

    def reach(self, subnet: int = 0) -> Reach:
        return Reach(self.records, self.network.subnets[subnet], [self.network.group], "10.7.0.4")

    def why(self, service: str = "s3", region: str = "", subnet: int = 0) -> str:
        with pytest.raises(NoWay) as refused:
            self.reach(subnet).way(service, region)
        return str(refused.value)

    def drop(self, member: str, key: str, *names: str) -> None:
        """Leave records out."""
        kept: Any = {member: [one for one in getattr(self.records, member) if one[key] not in names]}
        self.records = replace(self.records, **kept)

    def change(self, member: str, key: str, name: str, **changes: Any) -> None:
        """Give a record other members."""
        records = getattr(self.records, member)
        found: Any = {member: [one | changes if one[key] == name else one for one in records]}
        self.records = replace(self.records, **found)

    def route(self, table: str, **target: str) -> None:
        """Give a route table one route out, or none."""
        routes = [{"DestinationCidrBlock": ANY, "State": "active"} | target] if target else []
        self.change("tables", "RouteTableId", table, Routes=routes)

    def let_out(self, *rules: dict[str, Any]) -> None:
        """What the security group lets out."""
        self.change("groups", "GroupId", self.network.group, IpPermissionsEgress=list(rules))

    def find(self, member: str, **wanted: Any) -> Any:
        records = getattr(self.records, member)
        return next(one for one in records if all(one.get(name) == value for name, value in wanted.items()))

    @property
    def acl(self) -> Any:
        subnet = self.network.subnets[0]
        acls = self.records.acls
        return next(one for one in acls if any(link["SubnetId"] == subnet for link in one["Associations"]))


@pytest.fixture(scope="module")
def everything(cloud: LocalCloud) -> Told:
    network = Network(cloud.client("ec2"))
    ways = network.add_gateway_endpoint(), network.add_interface_endpoint("sts"), network.add_nat()
    return Told(network, EC2(lambda _: network.ec2).records(REGION), *ways)


@pytest.fixture
def told(everything: Told) -> Told:
    return replace(everything, records=copy.deepcopy(everything.records))


@pytest.fixture
def private(told: Told) -> Told:
    """Without any way."""
    told.drop("endpoints", "VpcEndpointId", told.s3, told.sts)
    told.route(told.network.table)
    return told


def test_a_private_subnet_reaches_nothing(private: Told) -> None:
    table, subnet = private.network.table, private.network.subnets[0]
    said = private.why()
    assert f"the route table {table} of {subnet} has no route to the internet" in said
    assert "the VPC has no endpoint of s3" in said
    assert not private.reach().leads_anywhere


def test_a_gateway_endpoint_leads_to_its_service_in_its_region_alone(told: Told) -> None:
    told.route(told.network.table)
    told.drop("endpoints", "VpcEndpointId", told.sts)
    way = told.reach().way("s3")
    assert (way.kind, way.id) == (GATEWAY, told.s3)
    assert '"Principal": "*"' in way.policy
    assert "no endpoint of sts" in told.why("sts")
    assert "no route to the internet" in told.why("s3", "eu-west-1")
    assert told.reach().leads_anywhere


def test_a_gateway_endpoint_without_the_route_table_of_the_subnet_leads_nowhere(told: Told) -> None:
    table = told.network.table
    told.route(table)
    told.change("endpoints", "VpcEndpointId", told.s3, RouteTableIds=["rtb-other"])
    assert f"{told.s3} has no route in {table}" in told.why()


@pytest.mark.parametrize("state", ["deleted", "pending"])
def test_an_endpoint_that_is_not_available_leads_nowhere(told: Told, state: str) -> None:
    told.route(told.network.table)
    told.change("endpoints", "VpcEndpointId", told.s3, State=state)
    assert "no endpoint of s3" in told.why()


def test_an_internet_gateway_alone_leads_nowhere(private: Told) -> None:
    gateway = private.find("gateways", Attachments=[{"State": "available", "VpcId": private.network.vpc}])
    name = gateway["InternetGatewayId"]
    private.route(private.network.table, GatewayId=name)
    assert f"leads to {name}, by which nothing goes that has no public address" in private.why()


def test_a_nat_gateway_in_a_public_subnet_leads_everywhere_that_no_endpoint_does(told: Told) -> None:
    way = told.reach().way("sagemaker.api")
    assert (way.kind, way.id, bool(way.address)) == (NAT, told.nat, True)
    assert told.reach().internet().id == told.nat
    assert told.reach().way("s3", "eu-west-1").id == told.nat
    assert told.reach().way("s3").id == told.s3  # the more exact route
    told.change("nats", "NatGatewayId", told.nat, State="deleted")
    assert f"leads to {told.nat}, which is no public NAT gateway that is there" in told.why("logs")


@pytest.mark.parametrize("change", [{"ConnectivityType": "private"}, {"State": "pending"}])
def test_a_nat_gateway_that_is_not_public_leads_nowhere(told: Told, change: dict[str, str]) -> None:
    told.change("nats", "NatGatewayId", told.nat, **change)
    assert "no public NAT gateway" in told.why("logs")


def test_a_nat_gateway_leads_nowhere_from_a_private_subnet_or_without_the_internet_gateway(told: Told) -> None:
    subnet = told.network.subnets[1]
    before = told.records
    told.change("nats", "NatGatewayId", told.nat, SubnetId=subnet)
    assert f"{told.nat} is in {subnet}, which has no route to an internet gateway" in told.why("logs")
    told.records = replace(before, gateways=[])
    assert "no route to an internet gateway" in told.why("logs")


def test_the_default_vpc_has_its_internet_gateway(told: Told) -> None:
    """moto has no record of it: a NAT gateway in a default subnet leads out, the subnet itself does not."""
    vpc = told.find("vpcs", IsDefault=True)["VpcId"]
    subnet, group = (told.find(member, VpcId=vpc) for member in ("subnets", "groups"))
    with pytest.raises(NoWay, match=reach.IMPLIED):
        Reach(told.records, subnet["SubnetId"], [group["GroupId"]], "172.31.0.4").internet()


def test_an_interface_endpoint_leads_to_its_service_from_the_whole_vpc(told: Told) -> None:
    told.route(told.network.table)
    for subnet in (0, 1):
        way = told.reach(subnet).way("sts")
        assert (way.kind, way.id) == (INTERFACE, told.sts)
    assert "no endpoint of sagemaker.runtime" in told.why("sagemaker.runtime")


def test_an_interface_endpoint_takes_the_name_from_a_nat_gateway_even_where_it_does_not_let_in(told: Told) -> None:
    group = told.find("endpoints", VpcEndpointId=told.sts)["Groups"][0]["GroupId"]
    told.change("groups", "GroupId", group, IpPermissions=[])
    assert f"the security groups of {told.sts} let nothing in on port 443" in told.why("sts")
    rule = HTTPS | {"UserIdGroupPairs": [{"GroupId": told.network.group}]}
    told.change("groups", "GroupId", group, IpPermissions=[rule])
    assert told.reach().way("sts").kind == INTERFACE
    told.let_out(HTTPS | {"IpRanges": [{"CidrIp": "10.7.1.0/24"}]})
    assert f"let nothing out to {told.network.subnets[0]}" in told.why("sts")
    told.let_out(HTTPS | {"UserIdGroupPairs": [{"GroupId": group}]})
    assert told.reach().way("sts").kind == INTERFACE


def test_an_interface_endpoint_without_private_dns_is_not_found(told: Told) -> None:
    told.route(told.network.table)
    told.change("endpoints", "VpcEndpointId", told.sts, PrivateDnsEnabled=False)
    assert f"{told.sts} has no private DNS name" in told.why("sts")


def test_security_groups_that_let_nothing_out_close_every_way(told: Told) -> None:
    told.let_out()
    for service in ("s3", "sts", "logs"):
        assert f"the security groups {told.network.group} let nothing out" in told.why(service)


@pytest.mark.parametrize(("first", "last", "open_"), [(443, 443, True), (0, 65535, True), (80, 80, False)])
def test_a_prefix_list_lets_out_to_s3_alone(told: Told, first: int, last: int, open_: bool) -> None:
    name = told.records.lists[f"com.amazonaws.{REGION}.s3"]
    ports = {"FromPort": first, "ToPort": last}
    told.let_out(HTTPS | ports | {"PrefixListIds": [{"PrefixListId": name}]})
    assert "let nothing out" in told.why("sts")
    if open_:
        assert told.reach().way("s3").kind == GATEWAY
    else:
        assert "let nothing out" in told.why()


def test_two_halves_of_the_internet_are_all_of_it(told: Told) -> None:
    halves = [{"CidrIp": "0.0.0.0/1"}, {"CidrIp": "128.0.0.0/1"}]
    told.let_out(HTTPS | {"IpRanges": halves[:1]})
    assert "let nothing out" in told.why("logs")
    told.let_out(HTTPS | {"IpRanges": halves})
    assert told.reach().way("logs").kind == NAT


@pytest.mark.parametrize(
    ("entry", "open_"),
    [
        ({"Egress": True, "PortRange": {"From": 443, "To": 443}}, False),
        ({"Egress": True, "PortRange": {"From": 80, "To": 80}}, True),
        ({"Egress": True, "PortRange": {"From": 443, "To": 443}, "RuleNumber": 200}, True),
        ({"Egress": False, "PortRange": {"From": 1024, "To": 65535}}, False),
        ({"Egress": True, "Protocol": "-1", "CidrBlock": "10.0.0.0/8"}, True),
        ({"Egress": True, "Protocol": "-1", "CidrBlock": "52.216.7.0/24"}, False),
        ({"Egress": False, "Protocol": "17"}, True),
    ],
)
def test_a_network_acl_must_let_it_out_and_the_answers_in(told: Told, entry: dict[str, Any], open_: bool) -> None:
    acl, basis = told.acl, {"Protocol": "6", "CidrBlock": ANY, "RuleNumber": 50, "RuleAction": "deny"}
    entries = [*acl["Entries"], basis | entry]
    told.change("acls", "NetworkAclId", acl["NetworkAclId"], Entries=entries)
    if open_:
        assert told.reach().way("s3").kind == GATEWAY
    else:
        assert f"the network ACL of {told.network.subnets[0]} lets nothing through" in told.why()


def test_network_acls_stand_between_subnets_and_not_within_one(told: Told) -> None:
    told.change("acls", "NetworkAclId", told.acl["NetworkAclId"], Entries=[])
    assert told.reach().way("sts").kind == INTERFACE
    assert "lets nothing through" in told.why("sts", subnet=1)


def test_a_subnet_that_is_gone_reaches_nothing(told: Told) -> None:
    with pytest.raises(NoWay, match="is not there any more"):
        Reach(told.records, "subnet-1", [told.network.group], "10.7.0.4").way("s3")


@pytest.mark.parametrize(
    ("block", "number", "address"), [("10.0.0.0/24", 1, "10.0.0.4"), ("10.0.0.0/28", 11, "10.0.0.14")]
)
def test_hosts_have_addresses_of_the_subnet_that_aws_does_not_keep(block: str, number: int, address: str) -> None:
    assert reach.address(block, number) == address


def test_a_subnet_has_so_many_addresses() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/28"):
        reach.address("10.0.0.0/28", 12)
