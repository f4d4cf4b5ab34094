"""IAM's evaluation of identity policies: may this action be done on this resource?

An explicit Deny wins, else an Allow is needed:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
Keys of a condition that nobody gave a value for are reported as missing, as IAM's simulator does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from sagelab.cloud.gateway.auth import conditions

Policy = dict[str, Any]

_WITH_VARIABLES = "2012-10-17"


@dataclass(frozen=True)
class Decision:
    """allowed, explicitDeny or implicitDeny; and the condition keys that would be needed to know better."""

    effect: str
    missing: tuple[str, ...] = ()


def evaluate(
    policies: Iterable[Policy], action: str, resource: str | None, context: conditions.Context | None = None
) -> Decision:
    """The decision of IAM over all statements of all policies.

    resource: an ARN, "*", or None where it is not known: then any Allow of the action counts, and a Deny of all.
    context: lower-case condition keys -> their values.
    """
    effects, missing, known = set(), [], context or {}
    for policy in policies:
        variables = policy.get("Version") == _WITH_VARIABLES
        for statement in statements(policy):
            if not (_names_action(statement, action) and _applies(statement, resource, known, variables)):
                continue
            condition = statement.get("Condition") or {}
            missing += [key for key in conditions.keys(condition) if key.lower() not in known]
            denies = statement["Effect"] == "Deny"
            if conditions.hold(condition, known, variables=variables, unknown=denies):
                effects.add(statement["Effect"])
    if "Deny" in effects:
        return Decision("explicitDeny", tuple(dict.fromkeys(missing)))
    return Decision("allowed" if "Allow" in effects else "implicitDeny", tuple(dict.fromkeys(missing)))


def statements(policy: Policy) -> list[Policy]:
    """The statements of a policy, which may have one alone."""
    return listed(policy.get("Statement", []))


def _applies(statement: Policy, resource: str | None, known: conditions.Context, variables: bool) -> bool:
    if resource is None:
        return statement["Effect"] == "Allow" or _names_resource(statement, "*", known, variables)
    return _names_resource(statement, resource, known, variables)


@lru_cache(maxsize=1024)
def read(document: str) -> Policy:
    """A policy document. It is shared: leave it as it is. ValueError: it is no JSON."""
    found: Policy = json.loads(unquote(document) if document.startswith("%") else document)
    return found


def _names_action(statement: Policy, action: str) -> bool:
    if "NotAction" in statement:
        return not any(conditions.like(item, action, any_case=True) for item in listed(statement["NotAction"]))
    return any(conditions.like(item, action, any_case=True) for item in listed(statement.get("Action", [])))


def _names_resource(statement: Policy, resource: str, known: conditions.Context, variables: bool) -> bool:
    """Trust policies name none: they are about the role that has them."""
    left_out = "NotResource" in statement
    for item in listed(statement.get("NotResource" if left_out else "Resource", [])):
        pattern = conditions.expand(str(item), known, variables=variables)
        if pattern is None:
            if left_out and statement["Effect"] == "Allow":
                return False  # what it leaves out is not known
        elif conditions.like(pattern, resource):
            return not left_out
    return left_out


def listed(value: Any) -> list[Any]:
    """What a policy may give as one or as a list."""
    return value if isinstance(value, list) else [value]
