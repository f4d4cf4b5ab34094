"""The policy of a form upload to S3: until when, and which form, its signature is good for.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.errors import AccessDenied, EntityTooLarge, EntityTooSmall, InvalidPolicyDocument

_UNCOVERED = frozenset({"policy", "x-amz-signature", "signature", "awsaccesskeyid"})
_RANGE = "content-length-range"


def check(fields: Mapping[str, str], bucket: str, size: int) -> None:
    """Refuse a form that its policy does not allow: AccessDenied, EntityTooLarge, EntityTooSmall.

    InvalidPolicyDocument: the policy cannot be read. fields: by lower-case name. size: bytes of the file.
    """
    expiration, conditions = _read(fields["policy"])
    if expiration < datetime.now(UTC):
        raise AccessDenied("Invalid according to Policy: Policy expired.")
    values = {**fields, "bucket": bucket}
    covered = {name for condition in conditions for name in _hold(condition, values, size)}
    for name in values:
        if name not in covered | _UNCOVERED and not name.startswith("x-ignore-"):
            raise AccessDenied(f"Invalid according to Policy: Extra input fields: {name}")


def _read(policy: str) -> tuple[datetime, list[Any]]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
        expiration, conditions = document["expiration"], document["conditions"]
        until = datetime.fromisoformat(expiration)
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise InvalidPolicyDocument("Invalid Policy: Invalid JSON.") from None
    if not isinstance(conditions, list) or until.tzinfo is None:
        raise InvalidPolicyDocument("Invalid Policy: Invalid JSON.")
    return until, conditions


def _hold(condition: Any, values: Mapping[str, str], size: int) -> list[str]:
    """The names of the fields that a condition is about. AccessDenied: it does not hold."""
    if isinstance(condition, dict):
        return [
            name for field, value in condition.items() for name in _hold(["eq", f"${field}", value], values, size)
        ]
    match condition:
        case [str(how), int(least), int(most)] if how.lower() == _RANGE:
            if size < least:
                raise EntityTooSmall("Your proposed upload is smaller than the minimum allowed size")
            if size > most:
                raise EntityTooLarge("Your proposed upload exceeds the maximum allowed size")
            return []
        case [str(how), str(field), str(wanted)] if field.startswith("$") and how.lower() in ("eq", "starts-with"):
            name = field[1:].lower()
            if name in values and _fits(how.lower(), name, values[name], wanted):
                return [name]
    raise AccessDenied(f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}")


def _fits(how: str, name: str, value: str, wanted: str) -> bool:
    if how == "eq":
        return value == wanted
    each = value.split(",") if name == "content-type" else [value]
    return all(
        one.strip().startswith(wanted) if name == "content-type" else one.startswith(wanted) for one in each
    )
