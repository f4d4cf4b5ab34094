"""S3's bucket policies: what the statements about a caller say of one action.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-resource-based.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.gateway.auth import policies
from sagelab.cloud.gateway.auth.actions import Needed
from sagelab.cloud.gateway.auth.guard import Caller, Key
from sagelab.cloud.gateway.auth.policies import Decision, Policy
from sagelab.cloud.gateway.http.request import Request

PREFIX = "arn:aws:s3:::"
_HEADERS = (
    *("acl", "copy-source", "metadata-directive", "storage-class"),
    *("server-side-encryption", "server-side-encryption-aws-kms-key-id"),
)


def bucket_of(needed: Needed) -> str:
    """The bucket whose policy has a say; "" where it is none's."""
    resource = needed.resource or ""
    return resource.removeprefix(PREFIX).partition("/")[0] if resource.startswith(PREFIX) else ""


def decide(policy: Policy, caller: Caller, needed: Needed, request: Request) -> Decision:
    """allowed, explicitDeny, or implicitDeny where no statement is about the caller and the action."""
    statements = [one for one in policies.statements(policy) if _concerns(one, caller.key)]
    context = dict(_context(caller, request)) | needed.context
    return policies.evaluate([{"Statement": statements}], needed.action, needed.resource, context)


def _concerns(statement: dict[str, Any], key: Key) -> bool:
    """Whether a statement is about a caller. One that allows something to an account leaves it to its policies."""
    names = {key.arn, _holder(key.arn)}
    account = {key.account, f"arn:aws:iam::{key.account}:root"}
    if "NotPrincipal" in statement:
        return not names & set(_named(statement["NotPrincipal"]))
    found = set(_named(statement.get("Principal")))
    return bool("*" in found or names & found or (statement.get("Effect") == "Deny" and account & found))


def _named(principal: Any) -> Iterator[str]:
    if principal == "*":
        yield "*"
    elif isinstance(principal, dict):
        named = principal.get("AWS", [])
        for one in named if isinstance(named, list) else [named]:
            yield _without_path(str(one))


def _holder(arn: str) -> str:
    """The ARN, without a path, of the user or role that a caller is or has a session of."""
    head, _, kind = arn.rpartition(":")
    if kind.startswith("assumed-role/"):
        return f"{head.replace(':sts:', ':iam:')}:role/{kind.split('/')[1]}"
    return _without_path(arn)


def _without_path(arn: str) -> str:
    kind, slash, name = arn.rpartition(":")[2].partition("/")
    if not slash or kind not in ("user", "role"):
        return arn
    return f"{arn.rpartition(':')[0]}:{kind}/{name.rpartition('/')[2]}"


def _context(caller: Caller, request: Request) -> Iterator[tuple[str, list[str]]]:
    """The values of the condition keys that a bucket policy has use for. The loopback is as closed as TLS."""
    key = caller.key
    session = ":assumed-role/" in key.arn
    yield "aws:securetransport", ["true"]
    yield "aws:sourceip", ["127.0.0.1"]
    yield "aws:currenttime", [datetime.now(UTC).isoformat()]
    yield "aws:requestedregion", [caller.region]
    yield "aws:principalarn", [_holder(key.arn)]
    yield "aws:principalaccount", [key.account]
    yield "aws:principaltype", ["AssumedRole" if session else "User"]
    yield "aws:userid", [key.user_id]
    if not session:
        yield "aws:username", [key.arn.rpartition("/")[2]]
    if agent := request.header("user-agent"):
        yield "aws:useragent", [agent]
    for name in _HEADERS:
        if value := request.header(f"x-amz-{name}"):
            yield f"s3:x-amz-{name}", [value]
