"""Whether a caller may do what it asks: its own policies and a bucket's, in AWS's words where they say no.

The home's own key may do everything that no bucket policy denies. A user, or a session of a role, is held to the
policies of that user or role, and may do what a bucket's policy allows it; where the user or role is gone, or
nobody made it, there is no policy that would allow anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.auth import bucket_policies, policies
from sagelab.cloud.gateway.auth.actions import Needed, Tags, of_others, of_sagemaker
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront

# No policy keeps the root user of a bucket's account from these.
_ROOTS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
_ARTICLES = {"identity": "an", "resource": "a"}


class Permissions:
    """The identity policies that moto's IAM holds, evaluated.

    tags: of a resource of the store, by its ARN.
    """

    def __init__(self, moto: MotoFront, tags: Tags) -> None:
        self._moto, self._tags = moto, tags

    def check(self, context: Context) -> None:
        """AccessDenied: the caller may not do what it asks for."""
        key = context.caller.key
        if key.owner and context.service != "s3":
            return
        found = None if key.owner else self._moto.policies(key.arn) or []
        for one in self._needed(context):
            said = self._bucket_says(context, one)
            if said == "explicitDeny" and not (key.owner and one.action in _ROOTS):
                raise AccessDenied(_words(key.arn, one, "explicitDeny", "resource"))
            if found is None:
                continue
            decision = policies.evaluate(found, one.action, one.resource, one.context)
            if decision.effect != "allowed" and (decision.effect, said) != ("implicitDeny", "allowed"):
                raise AccessDenied(_words(key.arn, one, decision.effect))

    def _bucket_says(self, context: Context, needed: Needed) -> str:
        """What the policy of the bucket that is asked for says: allowed, explicitDeny or implicitDeny."""
        bucket = bucket_policies.bucket_of(needed)
        policy = self._moto.bucket_policy(bucket) if bucket else None
        if policy is None:
            return "implicitDeny"
        return bucket_policies.decide(policy, context.caller, needed, context.request).effect

    def _needed(self, context: Context) -> Iterable[Needed]:
        if context.call is not None:
            return of_sagemaker(context.operation, context.call.params, context.where, self._tags)
        return of_others(context.request, context.service, context.operation, context.where, self._moto)


def _words(who: str, needed: Needed, effect: str, based: str = "identity") -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    what = f"User: {who} is not authorized to perform: {needed.action}"
    where = f" on resource: {needed.resource}" if needed.resource else ""
    if effect == "explicitDeny":
        return f"{what}{where} with an explicit deny in {_ARTICLES[based]} {based}-based policy"
    return f"{what}{where} because no identity-based policy allows the {needed.action} action"
