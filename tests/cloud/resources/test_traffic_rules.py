"""EnableInterContainerTrafficEncryption: where it is refused, and what a job's log says of it."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import traffic_rules
from sagelab.cloud.resources.traffic_rules import FLAG


class Launcher:
    def __init__(self, reason: str | None) -> None:
        self._reason = reason

    def encryption_unavailable(self) -> str | None:
        return self._reason


class Cloud:
    """reason: why nothing can be encrypted. rules: of the one security group, both ways."""

    def __init__(self, reason: str | None = None, rules: list[dict[str, Any]] | None = None) -> None:
        self.launcher, self._rules = Launcher(reason), rules

    def client(self, _service: str, _region: str | None) -> Cloud:
        return self

    def describe_security_groups(self, GroupIds: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if self._rules is None:
            raise botocore.exceptions.ClientError({"Error": {"Code": "InvalidGroup.NotFound"}}, "Describe")
        assert GroupIds == ["sg-1"]
        return {"SecurityGroups": [{"IpPermissions": self._rules, "IpPermissionsEgress": self._rules}]}


def rule(protocol: str, first: int = -1, last: int = -1, group: str | None = "sg-1") -> dict[str, Any]:
    pairs = [{"GroupId": group}] if group else []
    ranges = [] if group else [{"CidrIp": "0.0.0.0/0"}]
    ports = {} if first < 0 else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, "UserIdGroupPairs": pairs, "IpRanges": ranges, **ports}


def check(given: dict[str, Any], hosts: int, cloud: Cloud) -> str:
    """What it is refused with, or ""."""
    try:
        traffic_rules.check(given, hosts, "us-east-1", cloud)  # type: ignore[arg-type]
    except ValidationException as error:
        return str(error)
    return ""


def test_it_is_refused_where_nothing_can_be_encrypted() -> None:
    missing = Cloud("wireguard-go is not installed here")
    assert "cannot encrypt what goes between hosts: wireguard-go is not" in check({FLAG: True}, 2, missing)
    for given, hosts in (({FLAG: True}, 1), ({FLAG: False}, 2), ({}, 2)):
        assert check(given, hosts, missing) == ""


@pytest.mark.parametrize(
    ("rules", "good"),
    [
        ([rule("udp", 500, 500), rule("50")], True),
        ([rule("udp", 0, 1000, None), rule("50", group=None)], True),
        ([rule("-1")], True),
        ([rule("udp", 500, 500)], False),
        ([rule("50")], False),
        ([rule("tcp", 0, 65535), rule("50")], False),
        ([rule("udp", 501, 600), rule("50")], False),
        ([rule("udp", 500, 500, "sg-other"), rule("50")], False),
        ([], False),
        (None, True),  # it is not there, which others say
    ],
)
def test_security_groups_must_let_ipsec_pass(rules: list[dict[str, Any]] | None, good: bool) -> None:
    given = {FLAG: True, "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}
    said = check(given, 2, Cloud(rules=rules))
    assert (said == "") is good
    assert good or "must allow UDP 500 and IP protocol 50 (ESP)" in said


def test_log_says_by_what() -> None:
    assert "WireGuard, in place of AWS's IPsec" in traffic_rules.notes({FLAG: True}, 2)[0]
    assert traffic_rules.notes({FLAG: True}, 1) == traffic_rules.notes({}, 2) == []
