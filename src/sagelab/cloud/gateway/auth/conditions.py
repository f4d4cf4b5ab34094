"""The Condition of an IAM statement: does it hold for these values?

Operators: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
An operator that is not known here never holds, so that nothing is allowed by mistake.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

Context = Mapping[str, Sequence[str]]
Test = Callable[[str, str], bool]  # (what the policy says, what the request has)


def keys(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The condition keys that a Condition looks at."""
    for tests in condition.values():
        yield from tests


def hold(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether all of a Condition holds. context: lower-case keys -> values."""
    return all(
        _holds(operator, [str(one) for one in _listed(wanted)], context.get(key.lower()))
        for operator, tests in condition.items()
        for key, wanted in tests.items()
    )


def like(pattern: str, text: str, *, any_case: bool = False) -> bool:
    """IAM's wildcards: * for any text, ? for one character.

    Only the last * is ever taken back, so that it takes at most len(pattern) * len(text) steps: a regular
    expression with many stars would take longer than anybody waits.
    """
    if any_case:
        pattern, text = pattern.lower(), text.lower()
    at = place = 0
    star, resumed = -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resumed = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resumed += 1
            at, place = star + 1, resumed
        else:
            return False
    return not pattern[at:].strip("*")


def _holds(operator: str, wanted: list[str], values: Sequence[str] | None) -> bool:
    quantifier, _, name = operator.rpartition(":")
    optional, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    if name == "Null":
        return (values is None) == (wanted[0].lower() == "true")
    negated = "Not" in name
    test = _TESTS.get(name.replace("Not", ""))
    if test is None:
        return False
    if values is None:
        return optional or negated or quantifier == "ForAllValues"
    fits = [any(_try(test, one, value) for one in wanted) != negated for value in values]
    return any(fits) if quantifier == "ForAnyValue" or not (quantifier or negated) else all(fits)


def _try(test: Test, wanted: str, value: str) -> bool:
    try:
        return test(wanted, value)
    except ValueError:
        return False


def _compared(kind: Callable[[str], Any]) -> dict[str, Test]:
    return {
        "Equals": lambda wanted, value: bool(kind(value) == kind(wanted)),
        "LessThan": lambda wanted, value: bool(kind(value) < kind(wanted)),
        "LessThanEquals": lambda wanted, value: bool(kind(value) <= kind(wanted)),
        "GreaterThan": lambda wanted, value: bool(kind(value) > kind(wanted)),
        "GreaterThanEquals": lambda wanted, value: bool(kind(value) >= kind(wanted)),
    }


_TESTS: dict[str, Test] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "IpAddress": lambda wanted, value: ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False),
}
_TESTS |= {f"Numeric{name}": test for name, test in _compared(float).items()}
_TESTS |= {f"Date{name}": test for name, test in _compared(datetime.fromisoformat).items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
