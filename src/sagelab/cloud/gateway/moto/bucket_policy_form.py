"""The form of the policy of a bucket or of a key: what S3 refuses to keep, in its words.

One that is kept is read with every request to its bucket or with its key, so it must be readable.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
"""

from __future__ import annotations

import json
from typing import Any

from sagelab.cloud.gateway.auth.conditions import is_operator

LIMIT = 20 << 10  # bytes
PRINCIPALS = {"AWS", "CanonicalUser", "Federated", "Service"}
SYNTAX = "Invalid policy syntax."


def find_fault(policy: bytes, limit: int = LIMIT) -> str | None:
    """S3's sentence on why a policy is none; None where it is one. limit: bytes of it."""
    if len(policy) > limit:
        return "Policy exceeds the maximum allowed document size."
    if not policy.startswith(b"{"):
        return "Policies must be valid JSON and the first byte must be '{'"
    try:
        document = json.loads(policy.decode())
    except (ValueError, RecursionError):
        return "This policy contains invalid Json"
    if "Statement" not in document:
        return "Missing required field Statement"
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    if not statements:
        return "Could not parse the policy: Statement is empty!"
    return next((fault for one in statements if (fault := _fault_of(one))), None)


def _fault_of(statement: Any) -> str | None:
    if not isinstance(statement, dict):
        return SYNTAX
    for name in ("Effect", "Principal", "Action", "Resource"):
        if name not in statement and (name == "Effect" or f"Not{name}" not in statement):
            return f"Missing required field {name}"
    if statement["Effect"] not in ("Allow", "Deny"):
        return f"Invalid effect: {statement['Effect']}"
    if not is_principal(statement.get("Principal", statement.get("NotPrincipal"))):
        return "Invalid principal in policy"
    for name in ("Action", "Resource"):
        if not _are_texts(statement.get(name, statement.get(f"Not{name}"))):
            return f"Policy has invalid {name.lower()}"
    condition = statement.get("Condition", {})
    operators = condition if isinstance(condition, dict) else ()
    unknown = next((name for name in operators if not is_operator(name)), None)
    if unknown is not None:
        return f"Invalid Condition type : {unknown[:100]}"
    return None if _is_condition(condition) else SYNTAX


def _are_texts(value: Any) -> bool:
    """A text, or a list of some."""
    return bool(value) and all(isinstance(each, str) for each in (value if isinstance(value, list) else [value]))


def is_principal(value: Any) -> bool:
    """Whether a Principal is one: "*", or names of one of the kinds that there are."""
    if isinstance(value, dict):
        return bool(value) and value.keys() <= PRINCIPALS and all(map(_are_texts, value.values()))
    return bool(value == "*")


def _is_condition(value: Any) -> bool:
    """Operators, each with keys, each with a scalar or some."""
    return isinstance(value, dict) and all(
        isinstance(tests, dict) and all(map(_are_scalars, tests.values())) for tests in value.values()
    )


def _are_scalars(value: Any) -> bool:
    return all(isinstance(each, str | int | float) for each in (value if isinstance(value, list) else [value]))
