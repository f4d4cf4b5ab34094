"""Who may do what: a caller's policies, what limits them, and the policy of the resource, put together.

In one account an explicit Deny of any of them wins; else the caller's own policies allow, as far as a boundary and
a session's policies let them, or the resource's policy does. A KMS key and a role's trust are asked in any case:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sagelab.cloud.gateway.auth import conditions, policies, principals
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Context, Needed
from sagelab.cloud.gateway.auth.policies import Policy


@dataclass(frozen=True)
class Rights:
    """own: identity policies; None: everything, as the owner of the account has it. limits: (kind, policies), each
    of which must allow as well: a permissions boundary, a session policy. gone: there is no such user or role any
    more, though there may be another by its name; nobody's policy lets it do anything."""

    own: Sequence[Policy] | None = ()
    limits: tuple[tuple[str, Sequence[Policy]], ...] = ()
    gone: bool = False


@dataclass(frozen=True)
class Guarded:
    """The policy of a resource. decides: nothing is allowed that it does not allow. granted: actions that the
    caller was given by a grant."""

    policy: Policy | None = None
    decides: bool = False
    granted: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Verdict:
    """effect: allowed, explicitDeny, implicitDeny. kind: of the policy that says so, in AWS's words."""

    effect: str
    kind: str = "identity-based policy"


def is_unlimited(rights: Rights, resource: Guarded) -> bool:
    """Whether `reach` allows whatever is asked: the owner of the account asks, and the resource has no policy."""
    return rights.own is None and not rights.limits and resource.policy is None and not resource.decides


def reach(key: Key, rights: Rights, resource: Guarded, needed: Needed, context: Context) -> Verdict:
    """Whether the holder of a key may do one thing. context: condition keys -> values."""

    def said(found: Sequence[Policy]) -> str:
        return policies.evaluate(found, needed.action, needed.resource, context).effect

    if rights.gone:
        return Verdict("implicitDeny")
    policy = resource.policy or {}
    if said([about(policy, "denies", key)]) == "explicitDeny":
        return Verdict("explicitDeny", "resource-based policy")
    own = "allowed" if rights.own is None else said(rights.own)
    found = [(own, "identity-based policy"), *((said(each), kind) for kind, each in rights.limits)]
    for effect, kind in found:
        if effect == "explicitDeny":
            return Verdict(effect, kind)
    limit = next((kind for effect, kind in found[1:] if effect != "allowed"), None)
    named = said([about(policy, "names", key)]) == "allowed" or needed.action in resource.granted
    if said([about(policy, "exactly", key)]) == "allowed" or (named and limit is None):
        return Verdict("allowed")
    if resource.decides and said([about(policy, "account", key)]) != "allowed":
        return Verdict("implicitDeny", "resource-based policy")
    return Verdict("implicitDeny", limit) if own == "allowed" and limit else Verdict(own)


def denial(who: str, needed: Needed, found: Verdict) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    what = f"User: {who} is not authorized to perform: {needed.action}"
    where = f" on resource: {needed.resource}" if needed.resource else ""
    if found.effect == "explicitDeny":
        article = "an" if found.kind.startswith("i") else "a"
        return f"{what}{where} with an explicit deny in {article} {found.kind}"
    return f"{what}{where} because no {found.kind} allows the {needed.action} action"


def may_all(rights: Rights, service: str) -> bool:
    """Whether every action of a service is allowed on everything, and none is denied, whatever the conditions."""
    return rights.own is None or all(
        _is_whole(each, service) for each in (rights.own, *dict(rights.limits).values())
    )


def _is_whole(found: Sequence[Policy], service: str) -> bool:
    statements = [one for policy in found for one in policies.statements(policy)]
    allows = [one for one in statements if one["Effect"] == "Allow" and not one.get("Condition")]
    denies = [one for one in statements if one["Effect"] == "Deny"]
    whole = {"*", f"{service}:*"}
    allowed = any(whole & _of_all(one, "Action") and "*" in _of_all(one, "Resource") for one in allows)
    return allowed and not any(_touches(one, service) for one in denies)


def _of_all(statement: Policy, member: str) -> set[str]:
    return {str(item) for item in policies.listed(statement.get(member, []))}


def _touches(statement: Policy, service: str) -> bool:
    """Whether a statement may be about an action of a service."""
    named = {action.partition(":")[0] for action in _of_all(statement, "Action")}
    return "NotAction" in statement or any(conditions.like(name, service, any_case=True) for name in named)


def about(policy: Policy, kind: str, key: Key) -> Policy:
    """A policy with those of its statements alone that are about a caller in a way; they name their resource."""
    found = []
    for one in policies.statements(policy):
        itself, account = principals.is_itself(one, key), principals.is_of_account(one, key)
        fits = {
            "denies": one["Effect"] == "Deny" and (itself or account),
            "names": one["Effect"] == "Allow" and itself,
            "exactly": one["Effect"] == "Allow" and principals.is_exact(one, key),
            "account": one["Effect"] == "Allow" and account,
        }[kind]
        if fits:
            found.append(one if {"Resource", "NotResource"} & one.keys() else one | {"Resource": "*"})
    return {"Version": policy.get("Version"), "Statement": found}
