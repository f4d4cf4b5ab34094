"""Whether a caller may do what it asks: its own policies, in AWS's words where they say no.

The home's own key may do everything. A user, or a session of a role, is held to the policies of that user or
role; a role that nobody made has none to be held to, and may do everything as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.auth import policies
from sagelab.cloud.gateway.auth.actions import Needed, Tags, of_others, of_sagemaker
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront


class Permissions:
    """The identity policies that moto's IAM holds, evaluated.

    owner: the ARN that may do everything. tags: of a resource of the store, by its ARN.
    """

    def __init__(self, moto: MotoFront, owner: str, tags: Tags) -> None:
        self._moto, self._owner, self._tags = moto, owner, tags

    def check(self, context: Context) -> None:
        """AccessDenied: the caller may not do what it asks for."""
        key = context.caller.key
        if key.owner or key.arn == self._owner:
            return
        found = self._moto.policies(key.arn)
        for one in self._needed(context) if found is not None else ():
            decision = policies.evaluate(found or [], one.action, one.resource, one.context)
            if decision.effect != "allowed":
                raise AccessDenied(_words(key.arn, one, decision.effect))

    def _needed(self, context: Context) -> Iterable[Needed]:
        if context.call is not None:
            return of_sagemaker(context.operation, context.call.params, context.where, self._tags)
        return of_others(context.request, context.service, context.operation, context.where, self._moto)


def _words(who: str, needed: Needed, effect: str) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    what = f"User: {who} is not authorized to perform: {needed.action}"
    where = f" on resource: {needed.resource}" if needed.resource else ""
    if effect == "explicitDeny":
        return f"{what}{where} with an explicit deny in an identity-based policy"
    return f"{what}{where} because no identity-based policy allows the {needed.action} action"
