"""What a VpcConfig, or the subnet of a notebook instance, must satisfy: EC2 has what it names, in one VPC.

Messages are EC2's where it has one for the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.vpc.firewalls import Record
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params

# Of traffic between hosts that is encrypted: https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html
KEYS, ESP = ("udp", 500), "50"
OF_THE_KERNEL = {"udp": "17"}  # the same protocol, as a number


def check(vpc: Params | None, cloud: Cloud, region: str, encrypted: bool = False) -> None:
    """ValidationException: what a VpcConfig names is not there, or not together.

    encrypted: hosts encrypt what goes between them, which the security groups must let through.
    """
    if not vpc:
        return
    groups = check_interface(vpc["Subnets"], vpc["SecurityGroupIds"], cloud.client("ec2", region))
    if encrypted:
        _check_encryption(groups)


def check_interface(subnets: Sequence[str], groups: Sequence[str], ec2: Any) -> list[Record]:
    """The records of the security groups. ValidationException: they, or the subnets, are not there together."""
    try:
        there = ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
        named = ec2.describe_security_groups(GroupIds=list(groups))["SecurityGroups"] if groups else []
    except botocore.exceptions.ClientError as error:
        raise ValidationException(error.response["Error"]["Message"]) from None
    vpcs = {one["SubnetId"]: one["VpcId"] for one in there}
    if len(set(vpcs.values())) > 1:
        raise ValidationException(f"The subnets {', '.join(vpcs)} belong to different VPCs.")
    for group in named:
        if group["VpcId"] not in vpcs.values():
            where = f"Security group {group['GroupId']} and subnet {next(iter(vpcs))}"
            raise ValidationException(f"{where} belong to different networks.")
    return list(named)


def check_zones(vpc: Params, cloud: Cloud, region: str) -> None:
    """ValidationException: its subnets are in one zone, where a model is to be hosted.

    https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
    """
    try:
        there = cloud.client("ec2", region).describe_subnets(SubnetIds=vpc["Subnets"])["Subnets"]
    except botocore.exceptions.ClientError as error:
        raise ValidationException(error.response["Error"]["Message"]) from None
    if len({one["AvailabilityZone"] for one in there}) < 2:
        raise ValidationException(
            "VpcConfig: a model is hosted in at least two subnets in different availability zones, even if it has"
            f" only one instance; {', '.join(vpc['Subnets'])} are in {there[0]['AvailabilityZone']}."
        )


def _check_encryption(groups: Sequence[Record]) -> None:
    names = [group["GroupId"] for group in groups]
    for direction, member in (("inbound", "IpPermissions"), ("outbound", "IpPermissionsEgress")):
        rules = [rule for group in groups for rule in group.get(member, [])]
        for protocol, port, what in ((*KEYS, "UDP 500"), (ESP, None, "IP protocol 50 (ESP)")):
            if not any(_lets(rule, protocol, port, names) for rule in rules):
                raise ValidationException(
                    f"EnableInterContainerTrafficEncryption: the security groups {', '.join(names)} have no"
                    f" {direction} rule that allows {what} between the instances of the job. Please add one whose"
                    " source or destination is the security group itself."
                )


def _lets(rule: Record, protocol: str, port: int | None, groups: Sequence[str]) -> bool:
    """Whether a rule is about a protocol, at a port, and members of the groups, or everybody."""
    named = rule.get("IpProtocol", "-1")
    if named not in ("-1", protocol, OF_THE_KERNEL.get(protocol)):
        return False
    if named != "-1" and port is not None:
        first, last = rule.get("FromPort", -1), rule.get("ToPort", -1)
        if first != -1 and not first <= port <= last:
            return False
    members = {pair.get("GroupId") for pair in rule.get("UserIdGroupPairs", [])}
    return bool(members & set(groups)) or any(each["CidrIp"] == "0.0.0.0/0" for each in rule.get("IpRanges", []))
