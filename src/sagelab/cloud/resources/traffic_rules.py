"""What EnableInterContainerTrafficEncryption asks of a request and of this machine.

https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html
"""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params

FLAG = "EnableInterContainerTrafficEncryption"
IKE, ESP, ALL = 500, "50", "-1"  # a port of UDP, and protocols' numbers


def check(given: Params, hosts: int, region: str | None, cloud: Cloud) -> None:
    """ValidationException: what goes from host to host is to be encrypted, and cannot be. given: what has FLAG."""
    if not given.get(FLAG) or hosts < 2:
        return
    if reason := cloud.launcher.encryption_unavailable():
        raise ValidationException(f"{FLAG}: the local cloud cannot encrypt what goes between hosts: {reason}.")
    groups = given.get("VpcConfig", {}).get("SecurityGroupIds", [])
    if groups and not _let_each_other_in(groups, region, cloud):
        raise ValidationException(
            f"{FLAG}: the security groups must allow UDP 500 and IP protocol 50 (ESP) from and to themselves."
        )


def notes(given: Params, hosts: int) -> list[str]:
    """What a job's log says of it."""
    if not given.get(FLAG) or hosts < 2:
        return []
    return [f"{FLAG}: what goes between the hosts goes through WireGuard, in place of AWS's IPsec"]


def _let_each_other_in(groups: list[str], region: str | None, cloud: Cloud) -> bool:
    """Whether members of the groups reach one another as IPsec must; what is not there, others refuse."""
    try:
        found = cloud.client("ec2", region).describe_security_groups(GroupIds=groups)["SecurityGroups"]
    except botocore.exceptions.ClientError:
        return True
    for way in ("IpPermissions", "IpPermissionsEgress"):
        rules = [rule for group in found for rule in group[way]]
        if not (_allows(rules, groups, "udp", IKE) and _allows(rules, groups, ESP)):
            return False
    return True


def _allows(rules: list[dict[str, Any]], groups: list[str], protocol: str, port: int | None = None) -> bool:
    for rule in rules:
        if rule["IpProtocol"] not in (protocol, ALL):
            continue
        if port is not None and rule["IpProtocol"] != ALL and not rule["FromPort"] <= port <= rule["ToPort"]:
            continue
        others = {pair["GroupId"] for pair in rule["UserIdGroupPairs"]}
        anywhere = any(each["CidrIp"] == "0.0.0.0/0" for each in rule["IpRanges"])
        if anywhere or others & set(groups):
            return True
    return False
