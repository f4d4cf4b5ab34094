"""What is reached from a subnet, by EC2's records: routes, gateways, endpoints, firewalls in; the ways out.

Nothing is asked here and nothing is changed. A service of AWS's is reached, as on AWS,

1. by a gateway endpoint, where the subnet's route table is one of the endpoint's (S3 and DynamoDB);
2. by an interface endpoint whose private DNS takes the service's name, in the whole VPC;
3. through the internet, by a NAT gateway whose own subnet has a route to an internet gateway. What runs here has
   no public address, so that an internet gateway alone leads it nowhere.

The security groups and the network ACLs on the way must let it through.
https://docs.aws.amazon.com/vpc/latest/privatelink/concepts.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from sagelab.cloud.engine.vpc.firewalls import (
    ANYWHERE,
    HTTPS,
    Networks,
    Prefixes,
    Record,
    acl_admits,
    acl_allows,
    groups_allow,
    network,
)

GATEWAY, INTERFACE, NAT = "Gateway", "Interface", "NAT"
EVERYTHING = "0.0.0.0/0"
_RULE = {"Protocol": "-1", "CidrBlock": EVERYTHING, "RuleAction": "allow", "RuleNumber": 100}
OPEN = {"Entries": [_RULE | {"Egress": True}, _RULE | {"Egress": False}]}  # an ACL as a VPC has it at first
IMPLIED = "the internet gateway of the default VPC"  # which EC2's records leave out


class NoWay(Exception):
    """Something is not reached; why, in words."""


@dataclass(frozen=True)
class Way:
    """By what something is reached. kind: GATEWAY, INTERFACE or NAT. id: of it. policy: of an endpoint, as JSON.

    address: from which the other side sees it come, where that is one of the internet.
    """

    kind: str
    id: str
    policy: str = ""
    address: str = ""


@dataclass(frozen=True)
class Records:
    """EC2's, of one region, as its Describe calls have them. prefixes: id of a list -> its networks.

    lists: name of a list of AWS's ("com.amazonaws.us-east-1.s3") -> its id.
    """

    region: str
    vpcs: Sequence[Record] = ()
    subnets: Sequence[Record] = ()
    tables: Sequence[Record] = ()
    endpoints: Sequence[Record] = ()
    nats: Sequence[Record] = ()
    gateways: Sequence[Record] = ()
    acls: Sequence[Record] = ()
    groups: Sequence[Record] = ()
    prefixes: Prefixes = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)


class Reach:
    """What an interface in a subnet with some security groups and an address reaches."""

    def __init__(self, records: Records, subnet: str, groups: Sequence[str], address: str) -> None:
        self._records, self._subnet, self._groups, self._address = records, subnet, groups, network(address)

    def way(self, service: str, region: str = "") -> Way:
        """To a service, as the names of endpoints have it: "s3", "sagemaker.api". NoWay: it is not reached.

        region: the service's, by default the subnet's; endpoints are of that alone.
        """
        name = f"com.amazonaws.{region or self._records.region}.{service}"
        found = [one for one in self._records.endpoints if one["ServiceName"] == name and self._is_open(one)]
        table = self._table(self._subnet)["RouteTableId"]
        for one in found:
            if one["VpcEndpointType"] == GATEWAY and table in one.get("RouteTableIds", []):
                self._leave(self._networks(name), HTTPS)
                return Way(GATEWAY, one["VpcEndpointId"], one.get("PolicyDocument", ""))
        for one in found:
            if one["VpcEndpointType"] == INTERFACE and one.get("PrivateDnsEnabled"):
                self._connect(one)
                return Way(INTERFACE, one["VpcEndpointId"], one.get("PolicyDocument", ""))
        try:
            return self.internet(self._networks(name))
        except NoWay as why:
            raise NoWay(f"{why}, and {_lacking(service, found, table)}") from None

    def internet(self, to: Networks = ANYWHERE, port: int = HTTPS) -> Way:
        """To some networks of the internet. NoWay: it is not reached."""
        route = self._default(self._subnet)
        nat = self._nat(route["NatGatewayId"]) if route.get("NatGatewayId") else None
        if nat is None:
            raise NoWay(self._why(route))
        onward = self._default(nat["SubnetId"]).get("GatewayId", "")
        attached = {one["InternetGatewayId"] for one in self._records.gateways if self._is_attached(one)}
        if onward not in (*attached, IMPLIED):
            where = f"{nat['NatGatewayId']} is in {nat['SubnetId']}"
            raise NoWay(f"{where}, which has no route to an internet gateway")
        self._leave(to, port)
        address = next((one.get("PublicIp", "") for one in nat.get("NatGatewayAddresses", [])), "")
        return Way(NAT, nat["NatGatewayId"], address=address)

    @property
    def leads_anywhere(self) -> bool:
        """Whether any service is reached."""
        start = f"com.amazonaws.{self._records.region}."
        names = [one["ServiceName"].removeprefix(start) for one in self._records.endpoints if self._is_open(one)]
        return any(self._has_way(name) for name in (*names, "sts"))

    def _has_way(self, service: str) -> bool:
        try:
            self.way(service)
        except NoWay:
            return False
        return True

    # Routes

    @property
    def _vpc(self) -> str:
        return str(self._find(self._subnet)["VpcId"])

    def _find(self, subnet: str) -> Record:
        for one in self._records.subnets:
            if one["SubnetId"] == subnet:
                return one
        raise NoWay(f"{subnet} is not there any more")

    def _table(self, subnet: str) -> Record:
        """The route table of a subnet: its own, or the main one of its VPC."""
        vpc = self._find(subnet)["VpcId"]
        tables = [one for one in self._records.tables if one["VpcId"] == vpc]
        links = [(one, link) for one in tables for link in one.get("Associations", [])]
        own = [one for one, link in links if link.get("SubnetId") == subnet]
        main = [one for one, link in links if link.get("Main")]
        if not own and not main:
            raise NoWay(f"{subnet} has no route table")
        return [*own, *main][0]

    def _default(self, subnet: str) -> Record:
        """The route of a subnet to what is nowhere else; {} where there is none."""
        table = self._table(subnet)
        for route in table.get("Routes", []):
            if route.get("DestinationCidrBlock") == EVERYTHING and route.get("State", "active") == "active":
                return route  # type: ignore[no-any-return]
        default = any(one["VpcId"] == table["VpcId"] and one.get("IsDefault") for one in self._records.vpcs)
        main = any(link.get("Main") for link in table.get("Associations", []))
        return {"GatewayId": IMPLIED} if default and main else {}

    def _nat(self, name: str) -> Record | None:
        for one in self._records.nats:
            if one["NatGatewayId"] == name and one["State"] == "available":
                return None if one.get("ConnectivityType") == "private" else one
        return None

    def _is_attached(self, gateway: Record) -> bool:
        return any(one["VpcId"] == self._vpc for one in gateway.get("Attachments", []))

    def _why(self, route: Record) -> str:
        table = f"the route table {self._table(self._subnet)['RouteTableId']} of {self._subnet}"
        if not route:
            return f"{table} has no route to the internet"
        if nat := route.get("NatGatewayId"):
            return f"{table} leads to {nat}, which is no public NAT gateway that is there"
        gateway = route.get("GatewayId", "")
        if gateway.startswith("igw-") or gateway == IMPLIED:
            return f"{table} leads to {gateway}, by which nothing goes that has no public address"
        return f"{table} leads to {gateway or 'an appliance'}, which is not here"

    # Endpoints

    def _is_open(self, endpoint: Record) -> bool:
        return bool(endpoint["VpcId"] == self._vpc and endpoint.get("State", "").lower() == "available")

    def _connect(self, endpoint: Record) -> None:
        """NoWay: the firewalls let no connection to an interface endpoint through."""
        name, own = endpoint["VpcEndpointId"], [each["GroupId"] for each in endpoint.get("Groups", [])]
        self.check_interfaces(name, endpoint.get("SubnetIds", []), own, HTTPS)

    def check_interfaces(self, name: str, subnets: Sequence[str], groups: Sequence[str], port: int) -> None:
        """NoWay: no interface of something in the VPC, one in each of some subnets, is reached at a port."""
        if any(self._find(subnet)["VpcId"] != self._vpc for subnet in subnets):
            raise NoWay(f"{name} is in another VPC than {self._subnet}")
        inbound = [rule for one in self._named(groups) for rule in one.get("IpPermissions", [])]
        if not groups_allow(inbound, port, [self._address], self._groups, self._records.prefixes):
            raise NoWay(f"the security groups of {name} let nothing in on port {port} from {self._subnet}")
        whys = [self._blocked(subnet, groups, port) for subnet in subnets]
        if all(whys):
            raise NoWay(next(iter(whys), "") or f"{name} is in no subnet")

    def _blocked(self, subnet: str, groups: Sequence[str], port: int) -> str:
        """Why an interface in a subnet is not reached; "" if it is."""
        there = [network(self._find(subnet)["CidrBlock"])]
        outbound = self._outbound()
        if not groups_allow(outbound, port, there, groups, self._records.prefixes):
            return f"{self._who} let nothing out to {subnet} on port {port}"
        if subnet != self._subnet:  # within a subnet no ACL is asked
            if not acl_allows(self._acl(self._subnet), port, there):
                return f"the network ACL of {self._subnet} lets nothing through to {subnet} on port {port}"
            if not acl_admits(self._acl(subnet), port, self._address):
                return f"the network ACL of {subnet} lets nothing in from {self._subnet} on port {port}"
        return ""

    # Firewalls

    def _networks(self, name: str) -> Networks:
        """Those of a service that has a list of them, else any."""
        return self._records.prefixes.get(self._records.lists.get(name, "")) or ANYWHERE

    def _leave(self, to: Networks, port: int) -> None:
        """NoWay: the firewalls let nothing out to some networks."""
        where = "" if to is ANYWHERE else f" to {', '.join(map(str, to[:3]))}{' ...' if len(to) > 3 else ''}"
        if not groups_allow(self._outbound(), port, to, (), self._records.prefixes):
            raise NoWay(f"{self._who} let nothing out on port {port}{where}")
        if not acl_allows(self._acl(self._subnet), port, to):
            raise NoWay(f"the network ACL of {self._subnet} lets nothing through on port {port}{where}")

    @property
    def _who(self) -> str:
        return f"the security groups {', '.join(self._groups)}"

    def _named(self, groups: Sequence[str]) -> list[Record]:
        return [one for one in self._records.groups if one["GroupId"] in groups]

    def _outbound(self) -> list[Record]:
        return [rule for one in self._named(self._groups) for rule in one.get("IpPermissionsEgress", [])]

    def _acl(self, subnet: str) -> Record:
        vpc = self._find(subnet)["VpcId"]
        acls = [one for one in self._records.acls if one["VpcId"] == vpc]
        own = [one for one in acls if any(link["SubnetId"] == subnet for link in one.get("Associations", []))]
        return [*own, *(one for one in acls if one.get("IsDefault")), OPEN][0]


def _lacking(service: str, found: Sequence[Record], table: str) -> str:
    """Why no endpoint is the way to a service."""
    if not found:
        return f"the VPC has no endpoint of {service}"
    kinds = {one["VpcEndpointType"]: one["VpcEndpointId"] for one in found}
    if GATEWAY in kinds:
        return f"{kinds[GATEWAY]} has no route in {table}"
    return f"{kinds.get(INTERFACE, 'its endpoint')} has no private DNS name"


def address(block: str, number: int) -> str:
    """The address of a subnet that its host of a number, from 1 on, has: AWS keeps the first four and the last.

    ValueError: it has not so many.
    """
    addresses = IPv4Network(block)
    if not 1 <= number <= addresses.num_addresses - 5:
        raise ValueError(f"{block} has no address for a host number {number}")
    return str(addresses[3 + number])
