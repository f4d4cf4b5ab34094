"""Event patterns: whether one is valid, and whether it matches an event. Values in an array are alternatives.

The event's arrays are looked into: one of the values, or one of the objects, has to match.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from sagelab.cloud.gateway.auth.conditions import ANY, like

DEPTH = 50  # objects in objects that a pattern may have
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_TEXTS = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_STAR = re.compile(r"(\\\*|\\\\|\*)")


def check(pattern: Any, depth: int = 0) -> None:
    """ValueError: it is none; the error says why, as EventBridge does."""
    if not isinstance(pattern, dict):
        raise ValueError("Filter is not an object")
    if not pattern or depth > DEPTH:
        raise ValueError("Empty objects are not allowed" if not pattern else "The pattern is nested too deeply")
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list) and len(wanted) > 1:
            for each in wanted:
                check(each, depth + 1)
        elif isinstance(wanted, dict):
            check(wanted, depth + 1)
        elif not isinstance(wanted, list):
            raise ValueError(f'"{name}" must be an object or an array')
        elif not wanted:
            raise ValueError("Empty arrays are not allowed")
        else:
            for each in wanted:
                _check_value(each)


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """Whether an event fits a pattern that `check` lets pass."""
    found = event if isinstance(event, dict) else {}
    for name, wanted in pattern.items():
        if name == "$or" and all(isinstance(each, dict) for each in wanted):
            fits = any(matches(each, found) for each in wanted)
        elif isinstance(wanted, dict):
            inner = found.get(name)
            fits = any(matches(wanted, each) for each in (inner if isinstance(inner, list) and inner else [inner]))
        else:
            values = list(_values(found[name])) if name in found else []
            fits = any(_fits(each, values) for each in wanted)
        if not fits:
            return False
    return True


def _check_value(wanted: Any) -> None:
    if isinstance(wanted, list):
        raise ValueError("Nested arrays are not allowed")
    if not isinstance(wanted, dict):
        return
    if len(wanted) != 1:
        raise ValueError("Only one key allowed in match expression")
    kind, value = next(iter(wanted.items()))
    if kind == "exists":
        valid = isinstance(value, bool)
    elif kind == "numeric":
        valid = _is_comparison(value)
    elif kind == "cidr":
        valid = isinstance(value, str) and _network(value) is not None
    elif kind == "anything-but":
        valid = _is_excluded(value)
    elif kind in _TEXTS:
        valid = isinstance(value, str) or (kind in _TEXTS[:2] and _is_any_case(value))
    else:
        raise ValueError(f"Unrecognized match type {kind}")
    if not valid:
        raise ValueError(f"Value of {kind} is not valid")


def _is_any_case(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == [_TEXTS[2]] and isinstance(value[_TEXTS[2]], str)


def _is_comparison(value: Any) -> bool:
    if not isinstance(value, list) or len(value) not in (2, 4):
        return False
    return all(
        isinstance(sign, str) and sign in _COMPARE and _is_number(number)
        for sign, number in zip(value[::2], value[1::2], strict=True)
    )


def _is_excluded(value: Any) -> bool:
    """What anything-but takes: a value, values, or one kind of text with one or several."""
    if isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in _TEXTS:
            return False
        value = next(iter(value.values()))
        return all(isinstance(each, str) for each in (value if isinstance(value, list) else [value]))
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(each, str) or _is_number(each) for each in values)


def _values(found: Any) -> Iterator[Any]:
    """The values of a field: itself, or all that is in its arrays; an object is none."""
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
        elif not isinstance(one, dict):
            yield one


def _fits(wanted: Any, values: list[Any]) -> bool:
    if not isinstance(wanted, dict):
        return any(_same(wanted, each) for each in values)
    kind, value = next(iter(wanted.items()))
    if kind == "exists":
        return bool(values) is value
    return any(_is(kind, value, each) for each in values)


def _is(kind: str, wanted: Any, value: Any) -> bool:
    """Whether one value of an event is what a match expression says."""
    if kind == "anything-but":
        if isinstance(wanted, dict):
            ((kind, texts),) = wanted.items()
            return not any(_is(kind, text, value) for text in (texts if isinstance(texts, list) else [texts]))
        return not any(_same(each, value) for each in (wanted if isinstance(wanted, list) else [wanted]))
    if kind == "numeric":
        pairs = zip(wanted[::2], wanted[1::2], strict=True)
        return _is_number(value) and all(_COMPARE[sign](value, number) for sign, number in pairs)
    if not isinstance(value, str):
        return False
    if kind == "cidr":
        return _is_within(wanted, value)
    if isinstance(wanted, dict):
        wanted, value = wanted[_TEXTS[2]].lower(), value.lower()
    return _has_text(kind, wanted, value)


def _has_text(kind: str, wanted: str, value: str) -> bool:
    if kind == "prefix":
        return value.startswith(wanted)
    if kind == "suffix":
        return value.endswith(wanted)
    return value.lower() == wanted.lower() if kind == "equals-ignore-case" else fits_wildcard(wanted, value)


def fits_wildcard(wanted: str, value: str) -> bool:
    """Whether a text fits a pattern with `*` for any text, in linear time: a regular expression would not be."""
    parts = [part for part in _STAR.split(wanted) if part]
    letters = [ANY if part == "*" else part[1:] if part in (r"\*", r"\\") else part for part in parts]
    return like([one for part in letters for one in ([part] if part == ANY else part)], value)


def _same(wanted: Any, value: Any) -> bool:
    if _is_number(wanted):
        return _is_number(value) and bool(wanted == value)
    return type(wanted) is type(value) and bool(wanted == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _network(text: str) -> Any:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_within(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in _network(network)
    except (TypeError, ValueError):
        return False
