"""The expressions in the prefixes of a delivery stream's objects, checked when they are given and evaluated later.

https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

LONGEST = 512  # characters of an evaluated prefix
LONGEST_KEY = 1024  # of a partition key's value
TIME, KEYS = "timestamp", ("partitionKeyFromQuery", "partitionKeyFromLambda")
ERROR_TYPE, RANDOM = "error-output-type", "random-string"
USUAL = "yyyy/MM/dd/HH/"
_EXPRESSION = re.compile(r"!\{([^{}]*)\}")
_RUN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_NAME = re.compile(r"[A-Za-z0-9_\-]+", re.ASCII)
_FORMATS = {
    **dict.fromkeys(("y", "yyy", "yyyy", "u", "uuu", "uuuu"), "%Y"),
    "yy": "%y",
    "uu": "%y",
    "MM": "%m",
    "LL": "%m",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "MMM": "%b",
    "MMMM": "%B",
    "LLL": "%b",
    "LLLL": "%B",
    "DDD": "%j",
    "a": "%p",
    **dict.fromkeys(("E", "EE", "EEE"), "%a"),
    "EEEE": "%A",
    "YYYY": "%G",
    "ww": "%V",
    "xx": "%z",
    "Z": "%z",
    "z": "%Z",
    "VV": "%Z",
}
_PLAIN = {"M": "month", "L": "month", "d": "day", "H": "hour", "m": "minute", "s": "second"}


class BadPrefix(ValueError):
    """A prefix that cannot be; `str()` says why."""


class NotEvaluated(Exception):
    """A record has no value for an expression of the prefix."""


@dataclass(frozen=True)
class Values:
    """What a prefix is evaluated with. keys: namespace -> name -> value."""

    time: float
    zone: str = ""
    error: str = ""
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def expressions(prefix: str) -> list[tuple[str, str]]:
    """(namespace, value) of each. BadPrefix: one is none."""
    if prefix.count("!{") != len(_EXPRESSION.findall(prefix)):
        raise BadPrefix(f"The sequence !{{ can only appear in !{{namespace:value}} expressions: {prefix}")
    return [_expression(text) for text in _EXPRESSION.findall(prefix)]


def _expression(text: str) -> tuple[str, str]:
    namespace, colon, value = text.partition(":")
    if not colon or namespace not in (TIME, "firehose", *KEYS):
        raise BadPrefix(f"!{{{text}}} is not a valid expression: the namespace {namespace} is not supported.")
    if namespace == TIME:
        list(_format(value))
    elif namespace == "firehose" and value not in (ERROR_TYPE, RANDOM):
        raise BadPrefix(
            f"!{{{text}}} is not a valid expression: firehose has error-output-type and random-string."
        )
    elif namespace in KEYS and not _NAME.fullmatch(value):
        raise BadPrefix(f"!{{{text}}} is not a valid expression: {value!r} is no partition key.")
    return namespace, value


def check(prefix: str, error_prefix: str | None) -> None:
    """BadPrefix: the two break a rule of Firehose's."""
    found = expressions(prefix)
    if ("firehose", ERROR_TYPE) in found:
        raise BadPrefix("Prefix cannot contain !{firehose:error-output-type}.")
    if found and not error_prefix:
        raise BadPrefix("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions.")
    others = expressions(error_prefix or "")
    if any(namespace in KEYS for namespace, _ in others):
        raise BadPrefix("ErrorOutputPrefix cannot contain partition keys.")
    if others and ("firehose", ERROR_TYPE) not in others:
        words = "ErrorOutputPrefix must contain !{firehose:error-output-type} when it contains expressions."
        raise BadPrefix(words)


def wanted_keys(prefix: str) -> dict[str, set[str]]:
    """Namespace -> the partition keys that a prefix needs."""
    found: dict[str, set[str]] = {}
    for namespace, value in expressions(prefix):
        if namespace in KEYS:
            found.setdefault(namespace, set()).add(value)
    return found


def of_data(prefix: str, values: Values) -> str:
    """The prefix of an object of data. NotEvaluated: a key is missing, or it would be too long."""
    told = expressions(prefix)
    if not any(namespace in (TIME, *KEYS) for namespace, _ in told):
        prefix += f"!{{{TIME}:{USUAL}}}"
    return _evaluate(prefix, values)


def of_failures(prefix: str, error_prefix: str | None, values: Values) -> str:
    """The prefix of an object of what failed."""
    chosen = error_prefix or prefix
    if not expressions(chosen):
        chosen += f"!{{firehose:{ERROR_TYPE}}}/!{{{TIME}:{USUAL}}}"
    return _evaluate(chosen, values)


def _evaluate(prefix: str, values: Values) -> str:
    when = datetime.fromtimestamp(values.time, ZoneInfo(values.zone) if values.zone else UTC)
    text = _EXPRESSION.sub(lambda found: _value(found[1], values, when), prefix)
    if len(text) > LONGEST:
        raise NotEvaluated(f"The evaluated prefix has more than {LONGEST} characters.")
    return text


def _value(text: str, values: Values, when: datetime) -> str:
    namespace, _, value = text.partition(":")
    if namespace == TIME:
        return "".join(_formatted(value, when))
    if namespace == "firehose":
        return values.error if value == ERROR_TYPE else f"{secrets.token_hex(4)}-{secrets.token_hex(1)}"
    found = values.keys.get(namespace, {}).get(value)
    if not found:
        raise NotEvaluated(f"partitionKeys values must not be null or empty: {value}")
    return found


def _format(pattern: str) -> Iterator[tuple[str, bool]]:
    """(text, whether it stands for itself). BadPrefix: no pattern of Java's that is known here."""
    at = 0
    while at < len(pattern):
        found = _RUN.match(pattern, at)
        if not found:
            raise BadPrefix(f"{pattern!r} is not a valid DateTimeFormatter pattern: a quote is open.")
        text, at = found[0], found.end()
        if found[1] is not None:
            yield (found[1].replace("''", "'") if found[1] else "'"), True
        elif not found[2]:
            if set(text) & set("{}[]#"):
                raise BadPrefix(f"{pattern!r} is not a valid DateTimeFormatter pattern.")
            yield text, True
        elif text in _FORMATS or text in _PLAIN or set(text) == {"S"}:
            yield text, False
        else:
            raise BadPrefix(f"{pattern!r} has letters that the local cloud cannot evaluate: {text}")


def _formatted(pattern: str, when: datetime) -> Iterator[str]:
    for text, literal in _format(pattern):
        if literal:
            yield text
        elif text in _PLAIN:
            yield str(getattr(when, _PLAIN[text]))
        elif text[0] == "S":
            yield f"{when.microsecond:06d}".ljust(len(text), "0")[: len(text)]
        else:
            yield when.strftime(_FORMATS[text])


def name_of(stream: str, version: str, time: float, zone: str, ending: str, unique: Any) -> str:
    """What follows the prefix."""
    when = datetime.fromtimestamp(time, ZoneInfo(zone) if zone else UTC)
    return f"{stream}-{version}-{when:%Y-%m-%d-%H-%M-%S}-{unique}{ending}"
