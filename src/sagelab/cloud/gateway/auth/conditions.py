"""The Condition of an IAM statement: does it hold for these values?

Operators: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
An operator that is not known here holds where it denies and nowhere else, so that nothing is allowed by mistake.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Context = Mapping[str, Sequence[str]]
Pattern = Sequence[str]  # of characters; these two of a pattern stand for more than themselves
ANY, ONE = "any text", "one character"
Test = Callable[[Pattern, str], bool]  # (what the policy says, what the request has)

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_LITERALS = ("*", "?", "$")


def keys(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The condition keys that a Condition looks at."""
    for tests in condition.values():
        yield from tests


def is_operator(name: str) -> bool:
    """Whether IAM has a condition operator of this name."""
    quantifier, _, plain = name.rpartition(":")
    if quantifier not in ("", "ForAllValues", "ForAnyValue"):
        return False
    kind = plain.removesuffix("IfExists")
    return kind in _TESTS or kind in _NEGATED or kind == "BinaryEquals" or plain == "Null"


def variables(text: str) -> Iterator[str]:
    """The condition keys whose values a policy's variables stand for."""
    names = (one[1].partition(",")[0].strip() for one in _VARIABLE.finditer(text))
    yield from (name for name in names if name not in _LITERALS)


def hold(
    condition: Mapping[str, Mapping[str, Any]], context: Context, *, variables: bool = False, unknown: bool = False
) -> bool:
    """Whether all of a Condition holds. context: lower-case keys -> values. variables: whether it may have any.

    unknown: what an operator that is not known here comes to.
    """
    return all(
        _holds(operator, _expanded(wanted, context, variables), context.get(key.lower()), unknown)
        for operator, tests in condition.items()
        for key, wanted in tests.items()
    )


def expand(pattern: str, context: Context, *, variables: bool) -> Pattern | None:
    """A pattern with the values of its variables, ${aws:username}; None where one of them has no value.

    A value is taken literally, whatever is in it. variables: False leaves them as they are, as policies before
    Version 2012-10-17 have none.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    found: list[str] = []
    at = 0
    for one in _VARIABLE.finditer(pattern) if variables else ():
        value = _value(one[1], context)
        if value is None:
            return None
        found += [*_wild(pattern[at : one.start()]), *value]
        at = one.end()
    return found + _wild(pattern[at:])


def like(pattern: str | Pattern, text: str, *, any_case: bool = False) -> bool:
    """IAM's wildcards: * for any text, ? for one character.

    Only the last * is ever taken back, so that it takes at most len(pattern) * len(text) steps: a regular
    expression with many stars would take longer than anybody waits.
    """
    if any_case and isinstance(pattern, str):
        pattern, text = pattern.lower(), text.lower()
    wanted = _wild(pattern) if isinstance(pattern, str) else pattern
    at = place = 0
    star, resumed = -1, 0
    while place < len(text):
        if 0 <= star == len(wanted) - 1:  # whatever is left will do
            return True
        if at < len(wanted) and wanted[at] == ANY:
            star, resumed = at, place
            at += 1
        elif at < len(wanted) and wanted[at] in (ONE, text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resumed += 1
            at, place = star + 1, resumed
        else:
            return False
    return all(one == ANY for one in wanted[at:])


def _wild(text: str) -> list[str]:
    return [{"*": ANY, "?": ONE}.get(one, one) for one in text]


def _value(variable: str, context: Context) -> str | None:
    """Of ${variable}, or of ${variable, 'text where it has none'}."""
    if variable in _LITERALS:
        return variable
    name, comma, rest = variable.partition(",")
    values = context.get(name.strip().lower(), ())
    if len(values) == 1:
        return values[0]
    return rest.strip().strip("'") if comma else None


def _expanded(wanted: Any, context: Context, variables: bool) -> list[Pattern]:
    found = (expand(_text(one), context, variables=variables) for one in _listed(wanted))
    return [one for one in found if one is not None]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(pattern: Pattern) -> str:
    return "".join({ANY: "*", ONE: "?"}.get(one, one) for one in pattern)


def _holds(operator: str, wanted: list[Pattern], values: Sequence[str] | None, unknown: bool) -> bool:
    quantifier, _, name = operator.rpartition(":")
    optional, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    if name == "Null":
        return bool(wanted) and (values is None) == (_plain(wanted[0]).lower() == "true")
    negated = "Not" in name
    test = _TESTS.get(name.replace("Not", ""))
    if test is None:
        return unknown
    if values is None:
        return optional or quantifier == "ForAllValues" or (negated and not quantifier)
    fits = [any(_try(test, one, value) for one in wanted) != negated for value in values]
    return any(fits) if quantifier == "ForAnyValue" or not (quantifier or negated) else all(fits)


def _try(test: Test, wanted: Pattern, value: str) -> bool:
    try:
        return test(wanted, value)
    except ValueError:
        return False


def _of_text(test: Callable[[str, str], bool]) -> Test:
    """A test that knows no wildcards."""
    return lambda wanted, value: test(_plain(wanted), value)


def _compared(kind: Callable[[str], Any]) -> dict[str, Test]:
    return {
        "Equals": _of_text(lambda wanted, value: bool(kind(value) == kind(wanted))),
        "LessThan": _of_text(lambda wanted, value: bool(kind(value) < kind(wanted))),
        "LessThanEquals": _of_text(lambda wanted, value: bool(kind(value) <= kind(wanted))),
        "GreaterThan": _of_text(lambda wanted, value: bool(kind(value) > kind(wanted))),
        "GreaterThanEquals": _of_text(lambda wanted, value: bool(kind(value) >= kind(wanted))),
    }


def _moment(text: str) -> datetime:
    """Of a date, or a date and time, in a form of ISO 8601's, or in seconds since 1970; in UTC, unless it says."""
    if text.isdecimal() and len(text) > len("20260101"):
        return datetime.fromtimestamp(int(text[:12]), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _within(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _arn_like(wanted: Pattern, arn: str) -> bool:
    """Part by part, as wildcards of an ARN do not reach over its first five colons."""
    parts, found = _split(wanted, ":", 5), arn.split(":", 5)
    if len(parts) < 6:
        return like(wanted, arn)
    return len(found) == 6 and all(map(like, parts, found))


def _split(pattern: Pattern, mark: str, most: int) -> list[Pattern]:
    """As str.split does with a text."""
    places = [place for place, one in enumerate(pattern) if one == mark][:most]
    starts, ends = [0, *(place + 1 for place in places)], [*places, len(pattern)]
    return [pattern[start:end] for start, end in zip(starts, ends, strict=True)]


_TESTS: dict[str, Test] = {
    "StringEquals": _of_text(str.__eq__),
    "StringEqualsIgnoreCase": _of_text(lambda wanted, value: wanted.lower() == value.lower()),
    "StringLike": like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _of_text(lambda wanted, value: wanted.lower() == value.lower()),
    "IpAddress": _of_text(_within),
}
_TESTS |= {f"Numeric{name}": test for name, test in _compared(float).items()}
_TESTS |= {f"Date{name}": test for name, test in _compared(_moment).items()}
_NEGATED = frozenset(
    "StringNotEquals StringNotEqualsIgnoreCase StringNotLike NumericNotEquals DateNotEquals ArnNotEquals"
    " ArnNotLike NotIpAddress".split()
)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
