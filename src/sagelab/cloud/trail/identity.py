"""Who called, as CloudTrail tells it: userIdentity of a record.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagelab.cloud.trail.event import stamp


@dataclass(frozen=True)
class Identity:
    """user: by which LookupEvents finds it. element: userIdentity."""

    user: str
    element: dict[str, Any]


@dataclass(frozen=True)
class Who:
    """What is known of a caller. user_id: AIDA..., or AROA...:session. issued: epoch seconds, of a session."""

    arn: str
    user_id: str
    account: str
    access_key: str
    is_session: bool = False
    issued: float | None = None
    mfa: bool = False


def of_service(name: str) -> Identity:
    """A service of AWS's."""
    return Identity("", {"type": "AWSService", "invokedBy": name})


def of_caller(who: Who) -> Identity:
    """A user, the root user, or a session of a role."""
    plain = {"principalId": who.user_id, "arn": who.arn, "accountId": who.account, "accessKeyId": who.access_key}
    kind, _, name = who.arn.rpartition(":")[2].partition("/")
    attributes = {"mfaAuthenticated": str(who.mfa).lower()}
    attributes |= {"creationDate": stamp(who.issued)} if who.issued is not None else {}
    if kind == "assumed-role":
        role, _, session = name.partition("/")
        return Identity(
            session, {"type": "AssumedRole", **plain, "sessionContext": _context(who, role, attributes)}
        )
    context = {"sessionContext": {"attributes": attributes}} if who.is_session else {}
    if kind == "root":
        return Identity("root", {"type": "Root", **plain, **context})
    user = name.rpartition("/")[2]
    return Identity(user, {"type": "IAMUser", **plain, "userName": user, **context})


def _context(who: Who, role: str, attributes: dict[str, str]) -> dict[str, Any]:
    issuer = {
        "type": "Role",
        "principalId": who.user_id.partition(":")[0],
        "arn": f"arn:aws:iam::{who.account}:role/{role}",
        "accountId": who.account,
        "userName": role,
    }
    return {"sessionIssuer": issuer, "attributes": attributes}
