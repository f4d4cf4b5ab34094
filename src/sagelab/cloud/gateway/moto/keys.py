"""KMS's keys as moto holds them: found by whatever names them, and held to the state that they are in.

https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.kms.models import kms_backends

from sagelab.cloud.gateway.moto.persistence.change_tracking import noted

ENCRYPTS = "ENCRYPT_DECRYPT"
# State of a key -> the code and the end of the sentence by which it is refused.
REFUSALS = {
    "Disabled": ("DisabledException", "is disabled."),
    "PendingDeletion": ("KMSInvalidStateException", "is pending deletion."),
    "PendingImport": ("KMSInvalidStateException", "is pending import."),
}


def find_key(account: str, key: str, region: str) -> Any:
    """moto's KMS key of an id, an ARN or an alias, or None. A key whose waiting period is over is gone."""
    arn = key.split(":", 5) if key.startswith("arn:") else []
    if arn and len(arn) < 6:
        return None
    backend = kms_backends[account][arn[3] if arn else ("us-east-1" if region == "aws" else region)]
    name = arn[5].removeprefix("key/") if arn else key
    found = backend.keys.get(backend.get_key_id_from_alias(name) if name.startswith("alias/") else name)
    if found is None or not is_over(found):
        return found
    backend.delete_key(found.id)
    noted().reached.add("kms")
    return None


def is_over(key: Any) -> bool:
    """Whether the time that a key waited for its deletion is over."""
    until = key.deletion_date if key.key_state == "PendingDeletion" else None
    return until is not None and until.replace(tzinfo=UTC) <= datetime.now(UTC)


def managed_key(account: str, region: str) -> Any:
    """The key of an account and a region that AWS manages for S3, made when it is first needed."""
    found = find_key(account, "alias/aws/s3", region)
    if found.key_manager != "AWS":
        found.key_manager = "AWS"
        found.description = "Default key that protects my S3 objects when no other key is defined"
        noted().reached.add("kms")
    return found


def usage(key: Any) -> str:
    """What a key is for; one that was made without a word of it encrypts."""
    return key.key_usage or ENCRYPTS


def is_symmetric(key: Any) -> bool:
    """Whether a key encrypts data keys."""
    return usage(key) == ENCRYPTS and key.key_spec == "SYMMETRIC_DEFAULT"


def refusal(key: Any) -> tuple[str, str] | None:
    """The code and the message by which the use of a key is refused for its state, or None."""
    if key.key_state == "Enabled":
        return None
    code, words = REFUSALS.get(key.key_state, ("KMSInvalidStateException", f"is {key.key_state}."))
    return code, f"{key.arn} {words}"
