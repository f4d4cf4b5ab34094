"""Whether a caller may do what it asks, in AWS's words where it may not.

The home's own key may do everything that no resource's policy denies, or as KMS keys and roles have it, everything
that it allows. A user, or a session of a role, is held to the policies of that user or role, and may do what a
resource's policy allows it; where the user or role is gone, made anew or nobody's, nothing allows anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.auth import beside, principals, s3_actions, verdict
from sagelab.cloud.gateway.auth.actions import Tags, of_others, of_sagemaker
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront

# No policy keeps the root user of a bucket's account from these.
_ROOTS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
_GUARDED = ("s3", "kms", "sts")  # where a resource's policy has a say in what the owner may do


class Permissions:
    """The policies that moto holds, evaluated.

    tags: of a resource of the store, by its ARN.
    """

    def __init__(self, moto: MotoFront, tags: Tags) -> None:
        self._moto, self._tags = moto, tags

    def check(self, context: Context) -> None:
        """AccessDenied: the caller may not do what it asks for."""
        key = context.caller.key
        if key.owner and context.service not in _GUARDED:
            return
        self.hold(context, self._needed(context))

    def hold(self, context: Context, needed: Iterable[Needed]) -> None:
        """AccessDenied: the caller may not do all that is needed."""
        key = context.caller.key
        rights, known = self._moto.rights(key), dict(principals.values(context.caller, context.request))
        known |= self._moto.tags(key)
        for one in map(self._moto.settled, needed):
            found = verdict.reach(key, rights, self._moto.guarded(one, key), one, known | one.context)
            if found.effect == "allowed" or (key.owner and one.action in _ROOTS):
                continue
            raise AccessDenied(verdict.denial(key.service or key.arn, one, found))

    def _needed(self, context: Context) -> Iterable[Needed]:
        if context.found and context.call and context.found.service in beside.NAMES:
            return beside.needs(context.found.service, context.operation, context.call.params, context.where)
        if context.call is not None:
            return of_sagemaker(context.operation, context.call.params, context.where, self._tags)
        if context.service == "s3" and not context.is_control:
            return s3_actions.needs(context.request, context.operation, self._moto)
        return of_others(context.request, context.service, context.operation, context.where)
