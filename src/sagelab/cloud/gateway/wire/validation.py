"""A request against its model's shape, answered in AWS's words.

botocore's clients check only required members, types and lower bounds; AWS also checks upper bounds,
patterns and enumerations, and reports everything it finds at once. So does this module.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagelab.cloud.errors import ValidationException

_NUMBERS = frozenset({"integer", "long", "float", "double"})
_SCALARS = _NUMBERS | {"string", "blob"}
# A pattern of the model is Java's and may backtrack; no request is worth more than this many seconds.
_PATTERN_SECONDS = 1.0

# What DMS takes in capital letters too: "GZIP", "SSE_KMS".
_LOOSE = frozenset({"CompressionTypeValue", "DataFormatValue", "EncryptionModeValue", "EncodingTypeValue"})
_LOOSE |= {"ParquetVersionValue", "DatePartitionSequenceValue", "DatePartitionDelimiterValue"}
_LOOSE |= {"CannedAclForObjectsValue"}

_log = logging.getLogger("sagelab")

Check = Callable[[Any], bool]


def validate(shape: Shape, value: dict[str, Any]) -> None:
    """Raise ValidationException with every violation of `shape` in `value`, as AWS lists them."""
    found: list[str] = []
    _structure(shape, value, "", found)
    if found:
        errors = "error" if len(found) == 1 else "errors"
        raise ValidationException(f"{len(found)} validation {errors} detected: {'; '.join(found)}")


@cache
def constraints(shape: Shape) -> tuple[tuple[str, Check], ...]:
    """AWS's sentence and the check of each constraint on a scalar, a list or a map, in AWS's order."""
    limits = shape.metadata
    unit = "value" if shape.type_name in _NUMBERS else "length"
    measure: Callable[[Any], Any] = len if unit == "length" else lambda number: number
    most, least = limits.get("max"), limits.get("min")
    pattern, values = limits.get("pattern"), limits.get("enum")
    found: list[tuple[str, Check]] = []
    if most is not None:
        found.append((f"Member must have {unit} less than or equal to {most}", lambda v: measure(v) <= most))
    if least is not None:
        sentence = f"Member must have {unit} greater than or equal to {least}"
        found.append((sentence, lambda v: measure(v) >= least))
    if pattern is not None and (matches := _matcher(pattern)) is not None:
        found.append((f"Member must satisfy regular expression pattern: {pattern}", matches))
    if values and shape.name in _LOOSE:
        known = frozenset(map(_loosely, values))
        found.append(
            (f"Member must satisfy enum value set: [{', '.join(values)}]", lambda v: _loosely(v) in known)
        )
    elif values:
        sentence = f"Member must satisfy enum value set: [{', '.join(values)}]"
        found.append((sentence, frozenset(values).__contains__))
    return tuple(found)


def _loosely(text: str) -> str:
    return text.lower().replace("_", "-")


def _matcher(pattern: str) -> Check | None:
    """Java's `matches`, or None for a pattern that Python cannot compile."""
    try:
        compiled = regex.compile(pattern)
    except regex.error as cause:
        _log.debug("pattern skipped, %s: %s", cause, pattern)
        return None

    def matches(text: str) -> bool:
        try:
            return compiled.fullmatch(text, timeout=_PATTERN_SECONDS) is not None
        except TimeoutError:
            return False

    return matches


def _walk(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    if value is None:
        found.append(f"Value null at '{path}' failed to satisfy constraint: Member must not be null")
        return
    kind = shape.type_name
    if kind == "structure":
        _structure(shape, value, path, found)
        return
    for sentence, holds in constraints(shape):
        if not holds(value):
            found.append(f"{_failed(shape, value, path)}: {sentence}")
    if kind == "list":
        _list(shape, value, path, found)
    elif kind == "map":
        _map(shape, value, path, found)


def _structure(shape: Shape, value: dict[str, Any], path: str, found: list[str]) -> None:
    assert isinstance(shape, StructureShape)
    if getattr(shape, "is_document_type", False):
        return
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            where = prefix + lower_first(name)
            found.append(f"Value null at '{where}' failed to satisfy constraint: Member must not be null")
    members = shape.members
    for name, inner in value.items():
        if inner is not None:
            _walk(members[name], inner, prefix + lower_first(name), found)


def _list(shape: Shape, value: list[Any], path: str, found: list[str]) -> None:
    assert isinstance(shape, ListShape)
    member = shape.member
    if member.type_name in _SCALARS:
        if (broken := _any_broken(member, value)) is not None:
            found.append(f"{_failed(shape, value, path)}: Member must satisfy constraint: {broken}")
        return
    for number, inner in enumerate(value, 1):
        _walk(member, inner, f"{path}.{number}.member", found)


def _map(shape: Shape, value: dict[str, Any], path: str, found: list[str]) -> None:
    assert isinstance(shape, MapShape)
    if (broken := _any_broken(shape.key, list(value))) is not None:
        found.append(f"{_failed(shape, value, path)}: Map keys must satisfy constraint: {broken}")
    if shape.value.type_name in _SCALARS:
        if (broken := _any_broken(shape.value, list(value.values()))) is not None:
            found.append(f"{_failed(shape, value, path)}: Map value must satisfy constraint: {broken}")
        return
    for key, inner in value.items():
        _walk(shape.value, inner, f"{path}.{key}.member", found)


def _any_broken(shape: Shape, values: list[Any]) -> str | None:
    """All constraints of the elements, as AWS lists them when one element breaks one; None if none does."""
    checks = constraints(shape)
    if all(value is not None and all(holds(value) for _, holds in checks) for value in values):
        return None
    sentences = [sentence for sentence, _ in checks]
    if None in values:
        sentences.append("Member must not be null")
    return f"[{', '.join(sentences)}]"


def _failed(shape: Shape, value: Any, path: str) -> str:
    return f"{_shown(shape, value)} at '{path}' failed to satisfy constraint"


def lower_first(name: str) -> str:
    """A member's name as AWS's messages spell it."""
    return name[0].lower() + name[1:]


def _shown(shape: Shape, value: Any) -> str:
    """AWS leaves out what the model calls sensitive."""
    return "Value" if shape.metadata.get("sensitive") else f"Value '{_java(value)}'"


def _java(value: Any) -> str:
    """A value as Java prints it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(_java(inner) for inner in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)
