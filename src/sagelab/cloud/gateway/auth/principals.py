"""Who a caller is to a policy of a resource, and the condition keys that its requests have values for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.gateway.auth.guard import Caller, Key
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.holders import holder, without_path

_HEADERS = (
    *("acl", "copy-source", "metadata-directive", "storage-class"),
    *("server-side-encryption", "server-side-encryption-aws-kms-key-id"),
)


def is_itself(statement: dict[str, Any], key: Key) -> bool:
    """Whether the Principal of a statement, or its NotPrincipal, means a caller and not its account alone."""
    if "NotPrincipal" in statement:
        return not _names(key) & set(_named(statement["NotPrincipal"]))
    found = set(_named(statement.get("Principal")))
    return "*" in found or bool(_names(key) & found)


def is_of_account(statement: dict[str, Any], key: Key) -> bool:
    """Whether the Principal of a statement means the account of a caller."""
    return not key.service and bool(_account(key) & set(_named(statement.get("Principal"))))


def is_exact(statement: dict[str, Any], key: Key) -> bool:
    """Whether a statement names a user, or a session itself: what else limits them has no say then."""
    return "Principal" in statement and key.arn in set(_named(statement["Principal"]))


def values(caller: Caller, request: Request) -> Iterator[tuple[str, list[str]]]:
    """The condition keys of every request, with their values.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    now = datetime.now(UTC)
    yield "aws:securetransport", [str(request.secure).lower()]
    yield "aws:sourceip", ["127.0.0.1"]
    yield "aws:currenttime", [now.isoformat()]
    yield "aws:epochtime", [str(int(now.timestamp()))]
    yield "aws:requestedregion", [caller.region]
    yield "aws:resourceaccount", [caller.key.account]
    yield "aws:viaawsservice", ["false"]
    yield from _of_service(caller) if caller.key.service else _of_principal(caller.key, now.timestamp())
    if agent := request.header("user-agent"):
        yield "aws:useragent", [agent]
    if referer := request.header("referer"):
        yield "aws:referer", [referer]
    for name in _HEADERS:
        if value := request.header(f"x-amz-{name}"):
            yield f"s3:x-amz-{name}", [value]


def _of_principal(key: Key, now: float) -> Iterator[tuple[str, list[str]]]:
    session = ":assumed-role/" in key.arn
    yield "aws:principalisawsservice", ["false"]
    yield "aws:principalarn", [holder(key.arn)]
    yield "aws:principalaccount", [key.account]
    yield "aws:principaltype", ["AssumedRole" if session else "User"]
    yield "aws:userid", [key.user_id]
    if not session:
        yield "aws:username", [key.arn.rpartition("/")[2]]
    if key.mfa is not None:
        yield "aws:multifactorauthage", [str(int(now - key.mfa))]
    if key.mfa is not None or key.token is not None:
        yield "aws:multifactorauthpresent", ["false" if key.mfa is None else "true"]
    if key.issued is not None:
        yield "aws:tokenissuetime", [datetime.fromtimestamp(key.issued, UTC).isoformat()]


def _of_service(caller: Caller) -> Iterator[tuple[str, list[str]]]:
    """Of a service that acts for the account: for which of its resources is not told, but for which region.

    https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
    """
    name, account = caller.key.service, caller.key.account
    yield "aws:principalisawsservice", ["true"]
    yield "aws:principalservicename", [name]
    yield "aws:sourceaccount", [account]
    yield "aws:sourcearn", [f"arn:aws:{name.partition('.')[0]}:{caller.region}:{account}:*"]


def _names(key: Key) -> set[str]:
    return {key.service} if key.service else {key.arn, holder(key.arn)}


def _account(key: Key) -> set[str]:
    return set() if key.service else {key.account, f"arn:aws:iam::{key.account}:root"}


def _named(principal: Any) -> Iterator[str]:
    if principal == "*":
        yield "*"
    elif isinstance(principal, dict):
        for kind in ("AWS", "Service"):
            named = principal.get(kind, [])
            for one in named if isinstance(named, list) else [named]:
                if kind == "AWS" or one != "*":
                    yield without_path(str(one))
