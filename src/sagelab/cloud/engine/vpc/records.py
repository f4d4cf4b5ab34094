"""EC2's records, read through the front door, and again when something has changed them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sagelab.cloud.engine.vpc.firewalls import Networks, network
from sagelab.cloud.engine.vpc.reach import Records

MAKERS = ("ec2", "cloudformation")  # the services whose requests change them
OF_GATEWAYS = ("s3", "dynamodb")  # the services that have a gateway endpoint, and so a list of their networks
# What Records has -> the call that tells it, the member of its answer.
CALLS = {
    "vpcs": ("describe_vpcs", "Vpcs"),
    "subnets": ("describe_subnets", "Subnets"),
    "tables": ("describe_route_tables", "RouteTables"),
    "endpoints": ("describe_vpc_endpoints", "VpcEndpoints"),
    "nats": ("describe_nat_gateways", "NatGateways"),
    "gateways": ("describe_internet_gateways", "InternetGateways"),
    "acls": ("describe_network_acls", "NetworkAcls"),
    "groups": ("describe_security_groups", "SecurityGroups"),
}


class EC2:
    """client: a boto3 client of EC2 for a region."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client, self._lock = client, threading.Lock()
        self._known: dict[str, Records] = {}
        self._interfaces: dict[str, dict[str, dict[str, Any]]] = {}
        self._changes = 0

    def on_change(self, service: str, _name: str) -> None:
        """A request has changed something of a service's."""
        if service in MAKERS:
            with self._lock:
                self._changes += 1
                self._known.clear()
                self._interfaces.clear()

    def records(self, region: str) -> Records:
        """Those of now. botocore's ClientError: EC2 does not tell them."""
        with self._lock:
            known, changes = self._known.get(region), self._changes
        if known is None:
            known = _read(self._client(region), region)
            with self._lock:
                if changes == self._changes:
                    self._known[region] = known
        return known

    def interface(self, region: str, name: str) -> dict[str, Any] | None:
        """A network interface as of now; None: it is gone. botocore's ClientError: EC2 does not tell."""
        with self._lock:
            known, changes = self._interfaces.get(region), self._changes
        if known is None:
            found = self._client(region).describe_network_interfaces()["NetworkInterfaces"]
            known = {one["NetworkInterfaceId"]: one for one in found}
            with self._lock:
                if changes == self._changes:
                    self._interfaces[region] = known
        return known.get(name)


def _read(ec2: Any, region: str) -> Records:
    found = {name: getattr(ec2, call)()[member] for name, (call, member) in CALLS.items()}
    told = ec2.describe_managed_prefix_lists()["PrefixLists"]
    lists = {one["PrefixListName"]: one["PrefixListId"] for one in told if one.get("OwnerId", "").upper() == "AWS"}
    named = {lists[name] for name in lists if name.rpartition(".")[2] in OF_GATEWAYS}
    for group in found["groups"]:
        for rule in (*group.get("IpPermissions", []), *group.get("IpPermissionsEgress", [])):
            named |= {each["PrefixListId"] for each in rule.get("PrefixListIds", [])}
    known = [one["PrefixListId"] for one in told if one.get("AddressFamily") == "IPv4"]
    prefixes = {name: _networks(ec2, name) for name in known if name in named}
    return Records(region, **found, prefixes=prefixes, lists=lists)


def _networks(ec2: Any, name: str) -> Networks:
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=name)["Entries"]
    return tuple(network(entry["Cidr"]) for entry in entries)
