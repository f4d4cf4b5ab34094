"""What IAM and KMS take as a policy: as long as AWS has it, and readable, as it is read with every request.

Each check is given the arguments of a method of moto's, by name (checks.py). White space does not count.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.iam.exceptions import LimitExceededException, MalformedPolicyDocument, NotFoundException
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from sagelab.cloud.gateway.auth.policies import statements
from sagelab.cloud.gateway.moto import iam
from sagelab.cloud.gateway.moto.bucket_policy_form import find_fault, is_principal

Asked = dict[str, Any]

MANAGED, TRUST, OF_A_KEY = 6144, 2048, 32 << 10
INLINE = {"user": 2048, "group": 5120, "role": 10240}  # characters of all of one together

# A trust may be of the older version, as those are that `aws emr create-default-roles` gives.
IAMTrustPolicyDocumentValidator._validate_version = lambda _: None


def check_managed(asked: Asked) -> None:
    """LimitExceededException: a managed policy is too long. MalformedPolicyDocument: it says for whom it is."""
    _check_nobody(asked["policy_document"])
    if _length(asked["policy_document"]) > MANAGED:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {MANAGED}")


def check_trust(asked: Asked) -> None:
    """A role's trust policy, of a stack an object. moto's LimitExceededException, MalformedPolicyDocument."""
    name = next(name for name in ("assume_role_policy_document", "policy_document") if name in asked)
    if not isinstance(asked[name], str):
        asked[name] = json.dumps(asked[name])
    if _length(asked[name]) > TRUST:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {TRUST}")
    IAMTrustPolicyDocumentValidator(asked[name]).validate()
    for one in statements(json.loads(asked[name])):
        if "Principal" not in one and "NotPrincipal" not in one:
            raise MalformedPolicyDocument("Missing required field Principal")
        if not is_principal(one.get("Principal", one.get("NotPrincipal"))):
            raise MalformedPolicyDocument("Invalid principal in policy.")


def check_inline(asked: Asked) -> None:
    """LimitExceededException: the inline policies of a user, group or role are too long together.

    MalformedPolicyDocument: one says for whom it is.
    """
    _check_nobody(asked["policy_json"])
    kind = next(kind for kind in INLINE if f"{kind}_name" in asked)
    name = asked[f"{kind}_name"]
    holder = getattr(asked["self"], f"get_{kind}")(name)
    kept = dict(holder.policies) | {asked["policy_name"]: asked["policy_json"]}
    if sum(map(_length, kept.values())) > INLINE[kind]:
        raise LimitExceededException(f"Maximum policy size of {INLINE[kind]} bytes exceeded for {kind} {name}")


def attach_managed(asked: Asked) -> Callable[[Any], None]:
    """A role of a stack has the managed policies that its template names, of which moto takes no notice.

    NotFoundException: there is none such.
    """
    properties = asked["cloudformation_json"]["Properties"]
    arns = [str(arn) for arn in properties.get("ManagedPolicyArns") or []]
    account = asked["account_id"]
    for arn in arns:
        if not iam.is_managed(f"arn:aws:iam::{account}:role/any", arn):
            raise NotFoundException(f"Policy {arn} does not exist or is not attachable.")

    def attach(role: Any) -> None:
        backend = get_backend("iam")[account]["aws"]
        for arn in arns:
            backend.attach_role_policy(arn, role.name)
        _detach(backend, role, keep=arns)
        role.of_template = arns

    return attach


def detach_managed(asked: Asked) -> None:
    """A role of a stack that goes is rid of what its template attached."""
    backend = get_backend("iam")[asked["account_id"]]["aws"]
    for role in backend.get_roles():
        if role.name == asked["resource_name"]:
            _detach(backend, role, keep=[])


def _detach(backend: Any, role: Any, keep: list[str]) -> None:
    for arn in getattr(role, "of_template", []):
        if arn not in keep and arn in role.managed_policies:
            backend.detach_role_policy(arn, role.name)


def bound_user(asked: Asked) -> Callable[[Any], None]:
    """A new user has the boundary that CreateUser asks for, of which moto takes no notice.

    NotFoundException: there is no such policy.
    """
    request = asked["self"]
    arn, name = request._get_param("PermissionsBoundary"), request._get_param("UserName")
    users = request.backend.users
    if arn and not iam.is_managed(f"arn:aws:iam::{request.current_account}:user/any", arn):
        raise NotFoundException(f"Scope ARN: {arn} does not exist or is not attachable.")

    def bound(_: Any) -> None:
        if arn:
            users[name].permissions_boundary_arn = arn
            kind = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn}
            users[name].permissions_boundary = kind

    return bound


def check_key(asked: Asked) -> None:
    """A key's policy: moto's MalformedPolicyDocumentException, LimitExceededException."""
    policy = asked["policy"]
    text = policy if isinstance(policy, str) else json.dumps(policy)
    if _length(text) > OF_A_KEY:
        raise JsonRESTError("LimitExceededException", f"The policy is longer than {OF_A_KEY} bytes.")
    if fault := find_fault(text.encode(), OF_A_KEY):
        raise JsonRESTError("MalformedPolicyDocumentException", fault)
    asked["policy"] = text


def _check_nobody(policy: Any) -> None:
    """MalformedPolicyDocument: a policy of an identity names a principal. What cannot be read is left to moto."""
    try:
        found = statements(json.loads(policy) if isinstance(policy, str) else policy)
        named = any({"Principal", "NotPrincipal"} & one.keys() for one in found)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return
    if named:
        raise MalformedPolicyDocument("Policy document should not specify a principal.")


def _length(policy: Any) -> int:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    return len("".join(text.split()))
