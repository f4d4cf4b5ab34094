"""What a service does with the role that it is given: moto does it without asking.

https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import JsonRESTError

from sagelab.cloud.gateway.auth import verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.moto import iam

_FIREHOSE = "firehose.amazonaws.com"
_UNTRUSTED = "Firehose is unable to assume role {}. Please check the role provided."


def check_put(asked: dict[str, Any]) -> None:
    """Firehose writes with its role's rights: the role trusts it, and may put objects where they go."""
    place = asked["s3_destination"]
    role, bucket, prefix = str(place.get("RoleARN")), str(place.get("BucketARN")), place.get("Prefix", "")
    if not _trusts(_FIREHOSE, role):
        raise JsonRESTError("InvalidArgumentException", _UNTRUSTED.format(role))
    session, needed = _session(role, "Firehose"), Needed("s3:PutObject", f"{bucket}/{prefix}record")
    if not _may(session, needed):
        words = f"User: {session.arn} is not authorized to perform: s3:PutObject on resource: {bucket}/{prefix}*"
        raise JsonRESTError("AccessDeniedException", words)


def may_as(service: str, role: str, needed: Needed) -> bool:
    """Whether a role trusts a service, and lets it do something then."""
    return _trusts(service, role) and _may(_session(role, "Service"), needed)


def _trusts(service: str, role: str) -> bool:
    key = Key("", "", service, "", _account(role), service=service)
    return _may(key, Needed("sts:AssumeRole", role))


def _session(role: str, name: str) -> Key:
    account = _account(role)
    return Key("", "", f"arn:aws:sts::{account}:assumed-role/{role.rpartition('/')[2]}/{name}", "", account)


def _account(role: str) -> str:
    parts = role.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def _may(key: Key, needed: Needed) -> bool:
    return verdict.reach(key, iam.rights_of(key), iam.guarded(needed, key), needed, {}).effect == "allowed"
