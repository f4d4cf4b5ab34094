"""What a request to KMS needs: the actions, on the keys that it names, and what conditions and grants ask of it.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sagelab.cloud.errors import AccessDenied, ServiceError
from sagelab.cloud.gateway.auth.needed import Context, Needed

_KEY_ID = 36  # bytes at the beginning of what moto has encrypted
GRANT = "sagelab:grant"  # which grant is retired: its id or its token


class KeyNotFound(ServiceError):
    """KMS looks for a key in the region that is asked."""

    code = "NotFoundException"


def needs(sent: Mapping[str, Any], operation: str, where: str) -> Iterator[Needed]:
    """sent: the body. where: "REGION:ACCOUNT". AccessDenied, KeyNotFound: it names a key that is not there."""
    if operation == "ReEncrypt":
        source = key_of({"CiphertextBlob": sent.get("CiphertextBlob")}, where)
        yield _needed("ReEncryptFrom", source, sent.get("SourceEncryptionContext"))
        target = key_of({"KeyId": sent.get("DestinationKeyId")}, where)
        yield _needed("ReEncryptTo", target, sent.get("DestinationEncryptionContext"))
        return
    key = key_of(sent, where)
    if key is None and operation == "RetireGrant" and sent.get("GrantToken"):
        key = f"arn:aws:kms:{where}:grant/{sent['GrantToken']}"
    yield _needed(operation, key, sent.get("EncryptionContext"), _asked(sent, operation))


def key_of(sent: Mapping[str, Any], where: str) -> str | None:
    """The key that a request names, or that what it is to decrypt was encrypted with.

    AccessDenied, KeyNotFound: it is named by an ARN of another account or region, of which moto would read the
    last part alone.
    """
    key = sent.get("KeyId") or sent.get("TargetKeyId") or sent.get("AliasName")
    if not isinstance(key, str) and isinstance(sent.get("CiphertextBlob"), str):
        key = _in_text(sent["CiphertextBlob"])
    if not isinstance(key, str) or not key:
        return None
    if not key.startswith("arn:"):
        return f"arn:aws:kms:{where}:{key if key.startswith('alias/') else f'key/{key}'}"
    found = re.fullmatch(r"arn:aws:kms:([\w-]+:\d{12}):(key/[\w-]+|alias/[\w/-]+)", key, re.ASCII)
    if found is None or found[1].partition(":")[2] != where.partition(":")[2]:
        raise AccessDenied(f"Invalid arn {key}")
    if found[1] != where:
        raise KeyNotFound(f"Invalid arn {found[1].partition(':')[0]}")
    return key


def _in_text(text: str) -> str | None:
    try:
        return base64.b64decode(text)[:_KEY_ID].decode("ascii", "replace")
    except (binascii.Error, ValueError):
        return None


def _needed(action: str, key: str | None, pairs: Any, more: Context | None = None) -> Needed:
    """What is needed of a key for what has an encryption context."""
    pairs = {str(name): str(value) for name, value in pairs.items()} if isinstance(pairs, dict) else {}
    context: Context = {f"kms:encryptioncontext:{name.lower()}": [value] for name, value in pairs.items()}
    if pairs:
        context["kms:encryptioncontextkeys"] = sorted(pairs)
    return Needed(f"kms:{action}", key, context | (more or {}), pairs)


def _asked(sent: Mapping[str, Any], operation: str) -> Context:
    """What conditions ask of a request beside its key and its encryption context."""
    if operation == "CreateGrant":
        constraints = sent.get("Constraints")
        found = {
            "kms:grantoperations": sent.get("Operations"),
            "kms:granteeprincipal": [sent.get("GranteePrincipal")],
            "kms:retiringprincipal": [sent.get("RetiringPrincipal")],
            "kms:grantconstrainttype": sorted(constraints) if isinstance(constraints, dict) else None,
        }
        return {
            name: [str(one) for one in values]
            for name, values in found.items()
            if isinstance(values, list) and values and values[0]
        }
    named = sent.get("GrantId") or sent.get("GrantToken")
    return {GRANT: [str(named)]} if operation == "RetireGrant" and named else {}
