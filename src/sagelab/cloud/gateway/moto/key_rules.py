"""Before moto does anything with a key of KMS: one gate for every operation, by the key's state and its use.

https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sagelab.cloud.errors import NotImplementedHere, ServiceError
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto import keys
from sagelab.cloud.gateway.wire import shapes

_KEY_ID = 36  # bytes at the beginning of what moto has encrypted
# What a key is for, where an operation needs that.
_USES = {
    **dict.fromkeys(("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "ReEncrypt"), keys.ENCRYPTS),
    **dict.fromkeys(("GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext"), keys.ENCRYPTS),
    **dict.fromkeys(("Sign", "Verify"), "SIGN_VERIFY"),
    **dict.fromkeys(("GenerateMac", "VerifyMac"), "GENERATE_VERIFY_MAC"),
    "DeriveSharedSecret": "KEY_AGREEMENT",
}
_DATA_KEYS = "GenerateDataKey"
_ENABLED = frozenset({"Enabled"})
_NOT_DOOMED = frozenset({"Enabled", "Disabled", "PendingImport"})
# The states of a key in which an operation is done; those that are not listed are done in any.
_STATES = {
    **dict.fromkeys(_USES, _ENABLED),
    **dict.fromkeys(
        (
            *("CreateGrant", "DisableKeyRotation", "EnableKeyRotation", "GetPublicKey", "ReplicateKey"),
            "RotateKeyOnDemand",
        ),
        _ENABLED,
    ),
    **dict.fromkeys(("DisableKey", "EnableKey"), frozenset({"Enabled", "Disabled"})),
    **dict.fromkeys(
        (
            *("CreateAlias", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateAlias"),
            "UpdateKeyDescription",
        ),
        _NOT_DOOMED,
    ),
    "CancelKeyDeletion": frozenset({"PendingDeletion"}),
}
_MANAGED = frozenset("DisableKey EnableKey PutKeyPolicy ScheduleKeyDeletion UpdateKeyDescription".split())
_FOR_ENCLAVES = "Recipient is for Nitro enclaves, which the local cloud has not: leave it out."
_DRY_RUN = "The request would have succeeded, but the DryRun option is set."
_DAYS = range(7, 31)
_MATERIAL = (
    "A key whose material is kept outside of KMS ({}) is not something the local cloud can do. AWS_KMS makes it"
    " here; EXTERNAL leaves a key without one."
)


class KeyRefused(ServiceError):
    """KMS does not do this with this key."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check(context: Context) -> None:
    """KeyRefused: a key that a request names is not one, or not in a state, for what it asks.
    NotImplementedHere: what the answer is to be sealed for is not here.

    A key that is not there passes: moto says so.
    """
    sent = shapes.read_object(context.request.content() or b"{}")
    if sent.get("Recipient"):
        raise NotImplementedHere(_FOR_ENCLAVES)
    operation, where = context.operation, (context.caller.key.account, context.region)
    for key in _named(sent, *where):
        _check_state(key, operation)
        if operation in _USES:
            _check_use(key, operation)
        if key.key_manager == "AWS" and operation in _MANAGED:
            words = f"You can not perform this operation on an AWS managed key: {key.arn}"
            raise KeyRefused("UnsupportedOperationException", words)
    days = sent.get("PendingWindowInDays")
    if operation == "ScheduleKeyDeletion" and days is not None and days not in _DAYS:
        raise KeyRefused("ValidationException", f"PendingWindowInDays must be between 7 and 30, and is {days}.")
    if sent.get("DryRun") is True:
        raise KeyRefused("DryRunOperationException", _DRY_RUN)


def complete(asked: dict[str, Any]) -> Any:
    """A new key encrypts where nothing else is said, and can do nothing without its material (checks.py)."""
    asked["key_usage"] = asked.get("key_usage") or keys.ENCRYPTS
    origin = asked.get("origin") or "AWS_KMS"
    if origin not in ("AWS_KMS", "EXTERNAL"):
        raise NotImplementedHere(_MATERIAL.format(origin))
    return _await_import if origin == "EXTERNAL" else None


def name(asked: dict[str, Any]) -> None:
    """A key that is named by its ARN goes by its id, as moto knows no other here (checks.py)."""
    asked["key_id"] = asked["self"].get_key_id(asked["key_id"])


def _await_import(key: Any) -> None:
    key.key_state, key.enabled = "PendingImport", False


def _named(sent: dict[str, Any], account: str, region: str) -> Iterator[Any]:
    """moto's keys that a request names, or that what it is to decrypt is under."""
    found = [sent.get(one) for one in ("KeyId", "TargetKeyId", "DestinationKeyId", "SourceKeyId")]
    if isinstance(text := sent.get("CiphertextBlob"), str):
        with suppress(binascii.Error, ValueError):  # moto says that it is none
            found.append(base64.b64decode(text)[:_KEY_ID].decode("ascii", "replace"))
    for one in found:
        key = keys.find_key(account, one, region) if isinstance(one, str) and one else None
        if key is not None:
            yield key


def _check_state(key: Any, operation: str) -> None:
    if key.key_state in _STATES.get(operation, (key.key_state,)):
        return
    if operation == "CancelKeyDeletion":
        raise KeyRefused("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
    raise KeyRefused(*(keys.refusal(key) or ("KMSInvalidStateException", f"{key.arn} is {key.key_state}.")))


def _check_use(key: Any, operation: str) -> None:
    usage = keys.usage(key)
    fits = usage == _USES[operation] and (not operation.startswith(_DATA_KEYS) or keys.is_symmetric(key))
    if not fits:
        words = f"{key.arn} key usage is {usage} which is not valid for {operation}."
        raise KeyRefused("InvalidKeyUsageException", words)
