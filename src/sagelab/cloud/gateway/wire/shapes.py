"""A value of one of botocore's shapes: JSON to Python and back.

Nothing is guessed: a value of another JSON type is a SerializationException as AWS has it, and a member the
model does not know is refused, since dropping it would be a silent lie.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagelab.cloud.errors import SerializationException, ValidationException
from sagelab.cloud.gateway.wire.validation import lower_first

Params = dict[str, Any]
_BITS = {"integer": 31, "long": 63}
_NUMBERS = {"integer": "an Integer", "long": "a Long", "float": "a Float", "double": "a Double"}


def read_object(body: bytes) -> Params:
    """A JSON object, with no model to hold it to."""
    value = read(body)
    if not isinstance(value, dict):
        raise _mismatch(value, "structure")
    return value


def read(body: bytes) -> Any:
    """A JSON text. Absent is an empty structure, as AWS takes it."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant) if body.strip() else {}
    except (ValueError, RecursionError):
        raise SerializationException("The request body is not valid JSON.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse(shape: Shape, value: Any, path: str) -> Any:
    """A value in Python's types. path: where it stands in the request, for the words of an error."""
    return None if value is None else _PARSERS[shape.type_name](shape, value, path)


@cache
def _members(shape: Shape) -> dict[str, tuple[str, Shape]]:
    """Name on the wire -> name and shape, of those that travel in the JSON body."""
    return {wire: (name, member) for name, (wire, member) in _wire(shape).items() if not location(member)}


@cache
def _wire(shape: Shape) -> dict[str, tuple[str, Shape]]:
    """Name -> name on the wire, and shape, of every member: botocore looks each up anew."""
    assert isinstance(shape, StructureShape)
    return {name: (member.serialization.get("name", name), member) for name, member in shape.members.items()}


def location(member: Shape) -> str:
    """Where in a REST message a member travels: "uri", "querystring", "header", ...; "" for its body."""
    return str(member.serialization.get("location", ""))


def parse_structure(shape: Shape, value: Any, path: str) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    if not isinstance(value, dict):
        raise _mismatch(value, "structure")
    known, prefix, found = _members(shape), f"{path}." if path else "", {}
    for wire, inner in value.items():
        if wire not in known:
            raise ValidationException(
                f"Unknown parameter in input: '{prefix}{wire}', must be one of: {', '.join(known)}"
            )
        if inner is not None:
            name, member = known[wire]
            found[name] = parse(member, inner, prefix + lower_first(name))
    return found


def _parse_list(shape: Shape, value: Any, path: str) -> list[Any]:
    assert isinstance(shape, ListShape)
    if not isinstance(value, list):
        raise _mismatch(value, "list")
    return [parse(shape.member, inner, f"{path}.{number}.member") for number, inner in enumerate(value, 1)]


def _parse_map(shape: Shape, value: Any, path: str) -> Params:
    assert isinstance(shape, MapShape)
    if not isinstance(value, dict):
        raise _mismatch(value, "map")
    return {
        _parse_string(shape.key, key, path): parse(shape.value, inner, f"{path}.{key}.member")
        for key, inner in value.items()
    }


def _parse_string(_shape: Shape, value: Any, _path: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, "a String")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SerializationException("A string holds half of a surrogate pair.") from None
    return value


def _parse_integer(shape: Shape, value: Any, _path: str) -> int:
    kind = shape.type_name
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not -(2 ** _BITS[kind]) <= value < 2 ** _BITS[kind]:
        raise _mismatch(value, _NUMBERS[kind])
    return int(value)


def _parse_float(shape: Shape, value: Any, _path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, _NUMBERS[shape.type_name])
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _mismatch(value, _NUMBERS[shape.type_name])
    return number


def _parse_boolean(_shape: Shape, value: Any, _path: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, "a Boolean")
    return value


def _parse_timestamp(shape: Shape, value: Any, _path: str) -> datetime:
    """Epoch seconds in a body, as JSON protocols have it; ISO 8601 where the model says so."""
    try:
        if isinstance(value, str) and shape.serialization.get("timestampFormat") == "iso8601":
            return aware(datetime.fromisoformat(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise _mismatch(value, "milliseconds since epoch")


def _parse_blob(_shape: Shape, value: Any, _path: str) -> bytes:
    if not isinstance(value, str):
        raise _mismatch(value, "a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise SerializationException("A blob is not valid base64.") from None


_PARSERS: dict[str, Callable[[Shape, Any, str], Any]] = {
    "structure": parse_structure,
    "list": _parse_list,
    "map": _parse_map,
    "string": _parse_string,
    "integer": _parse_integer,
    "long": _parse_integer,
    "float": _parse_float,
    "double": _parse_float,
    "boolean": _parse_boolean,
    "timestamp": _parse_timestamp,
    "blob": _parse_blob,
}


def _mismatch(value: Any, wanted: str) -> SerializationException:
    """AWS's words for a value of the wrong JSON type."""
    if isinstance(value, dict):
        return SerializationException("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return SerializationException("Start of list found where not expected")
    if wanted in ("structure", "list", "map"):
        return SerializationException("Unexpected field type")
    truth = "TRUE_VALUE" if value is True else "FALSE_VALUE"
    kind = {str: "STRING_VALUE", bool: truth, float: "DECIMAL_VALUE"}.get(type(value), "NUMBER_VALUE")
    return SerializationException(f"{kind} can not be converted to {wanted}")


def aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def form(shape: Shape, value: Any) -> Any:
    """A value in JSON's types. KeyError: a member that the output shape does not have."""
    if isinstance(shape, StructureShape):
        if getattr(shape, "is_document_type", False):
            return value
        known = _wire(shape)
        return {known[name][0]: form(known[name][1], inner) for name, inner in value.items() if inner is not None}
    if isinstance(shape, ListShape):
        return [form(shape.member, inner) for inner in value]
    if isinstance(shape, MapShape):
        return {key: form(shape.value, inner) for key, inner in value.items()}
    return _SCALARS.get(shape.type_name, lambda plain: plain)(value)


def _epoch(value: Any) -> float:
    return aware(value).timestamp() if isinstance(value, datetime) else float(value)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "timestamp": _epoch,
    "blob": lambda data: base64.b64encode(data).decode(),
}
