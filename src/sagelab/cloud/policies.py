"""IAM's evaluation of identity policies: may this action be done on this resource?

An explicit Deny wins, else an Allow is needed:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
A statement with a Condition is not evaluated: it neither allows nor denies, and its keys are reported as
missing, as IAM's simulator does for values it was not given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Policy = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """allowed, explicitDeny or implicitDeny; and the condition keys that would be needed to know better."""

    effect: str
    missing: tuple[str, ...] = ()


def evaluate(policies: Iterable[Policy], action: str, resource: str) -> Decision:
    """The decision of IAM over all statements of all policies."""
    effects, missing = set(), []
    for statement in (part for policy in policies for part in _listed(policy.get("Statement", []))):
        if not (_names_action(statement, action) and _names_resource(statement, resource)):
            continue
        if statement.get("Condition"):
            missing += [key for test in statement["Condition"].values() for key in test]
        else:
            effects.add(statement["Effect"])
    if "Deny" in effects:
        return Decision("explicitDeny")
    return Decision("allowed" if "Allow" in effects else "implicitDeny", tuple(dict.fromkeys(missing)))


def role_policies(iam: Any, role: str) -> list[Policy]:
    """Every policy of a role, inline and attached. iam: a boto3 client; its NoSuchEntity is passed on."""
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    found = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found.append(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    return [_read(policy) for policy in found]


def _read(policy: Any) -> Policy:
    read: Policy = json.loads(unquote(policy)) if isinstance(policy, str) else policy
    return read


def _names_action(statement: Policy, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_like(item, action, re.IGNORECASE) for item in _listed(statement["NotAction"]))
    return any(_like(item, action, re.IGNORECASE) for item in _listed(statement.get("Action", [])))


def _names_resource(statement: Policy, resource: str) -> bool:
    if "NotResource" in statement:
        return not any(_like(item, resource) for item in _listed(statement["NotResource"]))
    return any(_like(item, resource) for item in _listed(statement.get("Resource", [])))


def _like(pattern: str, text: str, flags: int = 0) -> bool:
    """IAM's wildcards: * for any text, ? for one character."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, flags | re.DOTALL) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
