"""What moto takes no notice of in AssumeRole: which role it was by its id, and the session's policies.

Policies are bounded, looked up and kept with the session.

A session may do what its role and they allow; of several, one that allows is enough. Managed ones are evaluated in
the version that counts when they are asked: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from math import ceil
from typing import Any

from moto.core.utils import utcnow
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from sagelab.cloud.errors import NotImplementedHere, PackedPolicyTooLarge, ValidationError
from sagelab.cloud.gateway.moto import iam
from sagelab.cloud.gateway.moto.persistence.change_tracking import noted
from sagelab.cloud.gateway.moto.persistence.sessions import forget

MOST, LONGEST = 10, 2048  # ARNs; characters of the policy, and of it with the ARNs
SHORTEST, _TWELVE_HOURS = 900, 12 * 3600  # seconds of a session
_ASKED_FOR = timedelta(hours=1)  # after its end: it is told that it has expired
_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_PATTERN = (
    "1 validation error detected: Value '{}' at 'roleSessionName' failed to satisfy constraint:"
    " Member must satisfy regular expression pattern: {}"
)
_TAGS = "Tags of a session are not evaluated here: leave Tags and TransitiveTagKeys out."
_BOUND = (
    "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint:"
    " Member must have length less than or equal to {}"
)


def keep_session(asked: dict[str, Any]) -> Callable[[Any], None]:
    """Check a request to AssumeRole; what is returned keeps with the session whose it is and what limits it."""
    request = asked["self"]
    if request._get_param("Tags") or request._get_param("TransitiveTagKeys"):
        raise NotImplementedHere(_TAGS)
    _check_session(request)
    policy, arns = request._get_param("Policy") or "", _arns(request._get_param("PolicyArns") or [])
    if len(policy) > LONGEST:
        raise ValidationError(_BOUND.format(policy[:100], "policy", LONGEST))
    if len(arns) > MOST:
        raise ValidationError(_BOUND.format(", ".join(arns)[:100], "policyArns", MOST))
    packed = ceil(100 * (len(policy) + sum(map(len, arns))) / LONGEST)
    if packed > 100:
        raise PackedPolicyTooLarge(
            f"Packed policy consumes {packed}% of allotted space, please use smaller policy."
        )
    if policy:
        IAMPolicyDocumentValidator(policy).validate()
    for arn in arns:
        if not iam.is_managed(request._get_param("RoleArn"), arn):
            raise ValidationError(f"Policy {arn} does not exist or is not attachable.")

    def keep(made: Any) -> None:
        session = made.result["Credentials"]
        session.session_policies = arns
        session.issued = time.time()
        session.holder_id = iam.session_id(session.role_arn, session.session_name)
        _forget(request.backend)
        if arns:
            noted().reached.add("iam")  # where policies that AWS manages are known from now on
        if packed:
            made.result["PackedPolicySize"] = packed

    return keep


def _forget(backend: Any) -> None:
    """Sessions that are over, and nobody asks for any more; others may be added meanwhile."""
    long_over = utcnow() - _ASKED_FOR
    for one in [one for one in backend.assumed_roles if one.expiration < long_over]:
        with suppress(ValueError):
            forget(backend, one)


def _check_session(request: Any) -> None:
    """ValidationError: the session's name or its time is none that it can have."""
    name, asked = str(request._get_param("RoleSessionName")), request._get_param("DurationSeconds")
    if not _NAME.fullmatch(name):
        raise ValidationError(_PATTERN.format(name[:100], _NAME.pattern))
    if asked is None:
        return
    if not SHORTEST <= int(asked) <= _TWELVE_HOURS:
        raise ValidationError(f"DurationSeconds must be between {SHORTEST} and {_TWELVE_HOURS}.")
    if int(asked) > iam.longest_session(request._get_param("RoleArn")):
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def _arns(given: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(str(one.get("arn") or "") for one in given)
