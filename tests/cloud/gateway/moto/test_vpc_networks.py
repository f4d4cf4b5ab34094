"""What EC2 takes as a network: one record that cannot be read would stop every host in a VPC."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.vpc.records import EC2

NONE = ("x", "10.0.0.0/99", "::/0", "10.0.0.0/8; drop")


@pytest.fixture
def ec2(gateway: Any) -> Any:
    return gateway.client("ec2")


def refused(call: Callable[..., Any], **params: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"InvalidParameterValue.*not a valid CIDR block"):
        call(**params)


def test_a_rule_of_an_acl_is_about_a_network(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    rule = {"NetworkAclId": acl, "RuleNumber": 7, "Protocol": "-1", "RuleAction": "allow", "Egress": True}
    for block in NONE:
        refused(ec2.create_network_acl_entry, **rule, CidrBlock=block)
    refused(ec2.create_network_acl_entry, **rule, Ipv6CidrBlock="10.0.0.0/8")
    ec2.create_network_acl_entry(**rule, CidrBlock="10.0.0.0/8")
    refused(ec2.replace_network_acl_entry, **rule, CidrBlock="x")
    (found,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert [one["CidrBlock"] for one in found["Entries"] if one["RuleNumber"] == 7] == ["10.0.0.0/8"]
    EC2(lambda _: ec2).records("us-east-1")


def test_a_prefix_list_has_networks_of_its_family(ec2: Any, unique: Callable[[str], str]) -> None:
    four = {"PrefixListName": unique("four"), "MaxEntries": 5, "AddressFamily": "IPv4"}
    for block in NONE:
        refused(ec2.create_managed_prefix_list, **four, Entries=[{"Cidr": block}])
    made = ec2.create_managed_prefix_list(**four, Entries=[{"Cidr": "10.0.0.0/8"}])["PrefixList"]["PrefixListId"]
    for block in NONE:
        refused(ec2.modify_managed_prefix_list, PrefixListId=made, AddEntries=[{"Cidr": block}])
    six = ec2.create_managed_prefix_list(
        **four | {"AddressFamily": "IPv6", "PrefixListName": unique("six")}, Entries=[{"Cidr": "2001:db8::/32"}]
    )["PrefixList"]["PrefixListId"]
    refused(ec2.modify_managed_prefix_list, PrefixListId=six, AddEntries=[{"Cidr": "10.0.0.0/8"}])
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName=unique("group"), Description="d", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": made}, {"PrefixListId": six}]}
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule])
    assert made in EC2(lambda _: ec2).records("us-east-1").prefixes


def test_what_a_change_of_a_network_writes_down_is_small(gateway: Any, ec2: Any) -> None:
    """All of a region is written at each change: Amazon's images, which nothing here starts, are not in it."""
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with closing(sqlite3.connect(gateway.home.path / "services.db")) as db:
        ((size,),) = db.execute("SELECT length(state) FROM backends WHERE service='ec2' AND region='us-east-1'")
    assert size < 200_000
    assert ec2.describe_images()["Images"] == []
