"""Grants of KMS's keys: whom they let do what, without a policy.

https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

from __future__ import annotations

from typing import Any

from moto.kms.models import kms_backends

from sagelab.cloud.gateway.auth.keys import GRANT
from sagelab.cloud.gateway.auth.needed import Needed

# The operations that a grant's constraints are about: those that have an encryption context.
_CONSTRAINED = frozenset(
    "Decrypt Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext"
    " GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo".split()
)


def key_of(account: str, region: str, token: str) -> Any:
    """moto's key that has the grant of a token, or None."""
    keys = list(kms_backends[account][region].keys.values())
    return next((key for key in keys if any(one.token == token for one in list(key.grants.values()))), None)


def lets(grant: Any, names: set[str], needed: Needed) -> bool:
    """Whether a grant of moto's lets somebody do what is needed. names: the ARNs that he goes by."""
    action = needed.action.removeprefix("kms:")
    grantee = grant.grantee_principal in names and action in grant.operations
    if action == "RetireGrant":
        named = set(needed.context.get(GRANT, ())) & {grant.id, grant.token}
        return bool(named) and (grantee or grant.retiring_principal in names)
    if not grantee:
        return False
    if action == "CreateGrant":  # no more than it was given itself
        asked = set(needed.context.get("kms:grantoperations", ()))
        return not grant.constraints and asked <= set(grant.operations)
    return action not in _CONSTRAINED or _fits(grant.constraints or {}, needed)


def _fits(constraints: dict[str, Any], needed: Needed) -> bool:
    """Whether an encryption context is one that constraints let through; of a kind that is unknown, none does."""
    for kind, wanted in constraints.items():
        whole = kind == "EncryptionContextEquals" and dict(needed.pairs) == wanted
        part = kind == "EncryptionContextSubset" and wanted.items() <= needed.pairs.items()
        if not (whole or part):
            return False
    return True
