"""EnableInterContainerTrafficEncryption: where it is refused, and what a job's log says of it."""

from __future__ import annotations

from typing import Any

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import traffic_rules
from sagelab.cloud.resources.traffic_rules import FLAG


class Launcher:
    def __init__(self, reason: str | None) -> None:
        self._reason = reason

    def encryption_unavailable(self) -> str | None:
        return self._reason


class Cloud:
    """reason: why nothing can be encrypted."""

    def __init__(self, reason: str | None = None) -> None:
        self.launcher = Launcher(reason)


def check(given: dict[str, Any], hosts: int, cloud: Cloud) -> str:
    """What it is refused with, or ""."""
    try:
        traffic_rules.check(given, hosts, cloud)  # type: ignore[arg-type]
    except ValidationException as error:
        return str(error)
    return ""


def test_it_is_refused_where_nothing_can_be_encrypted() -> None:
    missing = Cloud("wireguard-go is not installed here")
    assert "cannot encrypt what goes between hosts: wireguard-go is not" in check({FLAG: True}, 2, missing)
    for given, hosts in (({FLAG: True}, 1), ({FLAG: False}, 2), ({}, 2)):
        assert check(given, hosts, missing) == ""
    assert check({FLAG: True}, 2, Cloud()) == ""


def test_log_says_by_what() -> None:
    assert "WireGuard, in place of AWS's IPsec" in traffic_rules.notes({FLAG: True}, 2)[0]
    assert traffic_rules.notes({FLAG: True}, 1) == traffic_rules.notes({}, 2) == []
