"""Whether a caller may do what it asks, in AWS's words where it may not.

The home's own key may do everything that no resource's policy denies, or as KMS keys and roles have it, everything
that it allows. A user, or a session of a role, is held to the policies of that user or role, and may do what a
resource's policy allows it; where the user or role is gone, made anew or nobody's, nothing allows anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from sagelab.cloud.engine.scaling import records
from sagelab.cloud.errors import AccessDenied, ValidationException
from sagelab.cloud.gateway.auth import (
    athena,
    beside,
    emr,
    endpoints,
    fsx,
    glue,
    principals,
    quicksight,
    s3_actions,
    streams,
    verdict,
)
from sagelab.cloud.gateway.auth.actions import of_others, of_sagemaker
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto import iam
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.resources.call import Call
from sagelab.cloud.store import Store

# No policy keeps the root user of a bucket's account from these.
_ROOTS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
_SCALED = (
    "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity used to"
    " invoke DeleteEndpoint does not have application-autoscaling:{0} permission to {1}."
)
_OF_DELETION = {
    "DeregisterScalableTarget": "deregister the scalable target",
    "DeleteScalingPolicy": "delete its scaling policies",
}
# What CloudTrail encrypts with a KMS key is bound to its trail, and its key's policy may ask which one that is.
_SEALED_FOR = "kms:encryptioncontext:aws:cloudtrail:arn"
# Characters of a thing's name, and of all that a policy may ask of it. AWS's longest ARN has 2,048; a pattern of a
# policy is matched step by step, so that a name of megabytes would take a minute of everybody's time.
_LONGEST, _MOST = 1 << 13, 1 << 16
_TOO_LONG = "1 validation error detected: Value at '{}' failed to satisfy constraint: Member is too long."
_GUARDED = ("s3", "kms", "sts")  # where a resource's policy has a say in what the owner may do


class Permissions:
    """The policies that moto holds, evaluated."""

    def __init__(self, moto: MotoFront, store: Store) -> None:
        self._moto, self._store = moto, store

    def check(self, context: Context) -> None:
        """AccessDenied: the caller may not do what it asks for."""
        key = context.caller.key
        if key.owner and context.service not in _GUARDED and context.origin is None:
            return
        self.hold(context, self._needed(context))
        if context.call and context.operation == "DeleteEndpoint":
            self._check_targets(context, context.call)

    def hold(self, context: Context, needed: Iterable[Needed]) -> None:
        """AccessDenied: the caller may not do all that is needed. ValidationException: nothing has such a name."""
        key, rights = context.caller.key, self._moto.rights(context.caller.key)
        bounded = (_bounded(one) for one in needed)
        asked = [(one, self._moto.guarded(one, key)) for one in map(self._moto.settled, bounded)]
        if context.origin is None and all(verdict.is_unlimited(rights, resource) for _, resource in asked):
            return
        known = dict(principals.values(context.caller, context.request)) | self._moto.tags(key)
        if context.by and context.by.source and key.service:
            known |= {"aws:sourcearn": [context.by.source], _SEALED_FOR: [context.by.source]}
        if context.origin:
            known = endpoints.place(known, context.origin)
        for one, resource in asked:
            about = known | one.context
            if context.origin and (refusal := endpoints.refusal(context.origin, key, context.service, one, about)):
                raise AccessDenied(verdict.denial(key.service or key.arn, one, refusal))
            found = verdict.reach(key, rights, resource, one, about)
            if found.effect == "allowed" or (key.owner and one.action in _ROOTS):
                continue
            raise AccessDenied(verdict.denial(key.service or key.arn, one, found))

    def _needed(self, context: Context) -> Iterable[Needed]:
        if context.found and context.call and context.found.service in beside.NAMES:
            return self._beside(context, context.found.service, context.call)
        if context.call is not None:
            key_arn = partial(self._moto.kms_key, where=context.where)
            return of_sagemaker(context.operation, context.call.params, context.where, self._store.tags, key_arn)
        if context.service == "s3" and not context.is_control:
            found = s3_actions.needs(context.request, context.operation, self._moto)
            # A service of AWS's gives the bucket's owner what it writes, and needs no more than to write it.
            return (one for one in found if not (context.caller.key.service and one.action == "s3:PutObjectAcl"))
        return of_others(context.request, context.service, context.operation, context.where)

    def _beside(self, context: Context, service: str, call: Call) -> Iterator[Needed]:
        name, params, where = call.operation, call.params, context.where
        match service:
            case "athena":
                yield from athena.needs(name, params, where, self._store)
            case "elasticmapreduce":
                yield from emr.needs(name, params, where, iam.roles_of_profile)
            case "emr-serverless":
                yield from emr.needs_of_serverless(name, params, where)
            case "fsx":
                yield from fsx.needs(name, params, where, self._store)
            case "glue":
                yield from glue.needs(name, params, where)
                yield from beside.needs_of_glue(params, call.account)
            case "redshift-data":
                yield from beside.needs_of_warehouse(params, name, where)
            case "quicksight":
                yield from quicksight.needs(name, params, where)
            case "firehose" | "kinesis":
                yield from streams.needs(service, name, params, where)
            case _:
                yield from beside.needs(service, name, params, where)
        if name == "RegisterScalableTarget" and not self._moto.role_id(call.account, records.ROLE):
            yield beside.needs_of_role(call.account)

    def _check_targets(self, context: Context, call: Call) -> None:
        """AccessDenied: who deletes an endpoint may not deregister what scales it, as that goes with it."""
        arn = call.arn("endpoint", str(call.params.get("EndpointName")))
        for target in records.targets_of_endpoint(self._store, arn):
            for action, what in _OF_DELETION.items():
                needed = Needed(f"application-autoscaling:{action}", target["ScalableTargetARN"])
                try:
                    self.hold(context, [needed])
                except AccessDenied:
                    raise AccessDenied(_SCALED.format(action, what)) from None


def _bounded(needed: Needed) -> Needed:
    """ValidationException: what is needed has a name, or values, that are longer than any can be."""
    if len(needed.resource or "") > _LONGEST:
        raise ValidationException(_TOO_LONG.format("resource"))
    if sum(len(value) for values in needed.context.values() for value in values) > _MOST:
        raise ValidationException(_TOO_LONG.format("condition"))
    return needed
