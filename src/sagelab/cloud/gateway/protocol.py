"""Wire to Python and back, by botocore's shapes: JSON 1.1 and rest-json.

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
from email.utils import format_datetime, parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from sagelab.cloud.errors import PayloadTooLarge, SerializationException, ValidationException
from sagelab.cloud.gateway import eventstream
from sagelab.cloud.gateway.faults import Answer
from sagelab.cloud.gateway.planes import Operation
from sagelab.cloud.gateway.request import Request
from sagelab.cloud.gateway.validation import lower_first

Params = dict[str, Any]
_BITS = {"integer": 31, "long": 63}
_NUMBERS = {"integer": "an Integer", "long": "a Long", "float": "a Float", "double": "a Double"}


def parse(operation: Operation, request: Request) -> Params:
    """The input of an operation. Serialization- or ValidationException: it is not in the model's form."""
    shape = operation.model.input_shape
    if shape is None:
        return {}
    try:
        if not operation.rest:
            parsed: Params = _parse_structure(shape, _json(request.content()), "")
            return parsed
        return _parse_rest(operation, shape, request)
    except RecursionError:
        raise SerializationException("The request is nested too deeply.") from None


def read_object(body: bytes) -> Params:
    """A JSON object, with no model to hold it to."""
    value = _json(body)
    if not isinstance(value, dict):
        raise _mismatch(value, "structure")
    return value


def _json(body: bytes) -> Any:
    """A JSON text. Absent is an empty structure, as AWS takes it."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant) if body.strip() else {}
    except (ValueError, RecursionError):
        raise SerializationException("The request body is not valid JSON.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse(shape: Shape, value: Any, path: str) -> Any:
    return None if value is None else _PARSERS[shape.type_name](shape, value, path)


@cache
def _members(shape: Shape) -> dict[str, tuple[str, Shape]]:
    """Name on the wire -> name and shape, of those that travel in the JSON body."""
    assert isinstance(shape, StructureShape)
    return {
        member.serialization.get("name", name): (name, member)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }


def _parse_structure(shape: Shape, value: Any, path: str) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    if not isinstance(value, dict):
        raise _mismatch(value, "structure")
    members, prefix, found = _members(shape), f"{path}." if path else "", {}
    for wire, inner in value.items():
        if wire not in members:
            raise ValidationException(
                f"Unknown parameter in input: '{prefix}{wire}', must be one of: {', '.join(members)}"
            )
        if inner is not None:
            name, member = members[wire]
            found[name] = _parse(member, inner, prefix + lower_first(name))
    return found


def _parse_list(shape: Shape, value: Any, path: str) -> list[Any]:
    assert isinstance(shape, ListShape)
    if not isinstance(value, list):
        raise _mismatch(value, "list")
    return [_parse(shape.member, inner, f"{path}.{number}.member") for number, inner in enumerate(value, 1)]


def _parse_map(shape: Shape, value: Any, path: str) -> Params:
    assert isinstance(shape, MapShape)
    if not isinstance(value, dict):
        raise _mismatch(value, "map")
    return {
        _parse_string(shape.key, key, path): _parse(shape.value, inner, f"{path}.{key}.member")
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
            return _aware(datetime.fromisoformat(value))
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
    "structure": _parse_structure,
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


def _parse_rest(operation: Operation, shape: Shape, request: Request) -> Params:
    """Labels of the path, query, headers, and the body as payload or as JSON."""
    assert isinstance(shape, StructureShape)
    query = parse_qsl(request.query, keep_blank_values=True)
    found: Params = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                found[name] = _from_text(member, operation.labels.get(wire), "")
            case "querystring":
                found[name] = _from_query(member, [value for key, value in query if key == wire])
            case "header":
                found[name] = _from_text(member, request.header(wire), "rfc822")
    found |= _rest_body(shape, request)
    return {name: value for name, value in found.items() if value is not None}


def _rest_body(shape: StructureShape, request: Request) -> Params:
    payload = shape.serialization.get("payload")
    if payload is None:
        parsed: Params = _parse_structure(shape, _json(request.content()), "")
        return parsed
    member = shape.members[payload]
    if member.type_name == "structure":
        return {payload: _parse(member, _json(request.content()), lower_first(payload))}
    body = request.content()
    limit = member.metadata.get("max")
    if limit and len(body) > limit:
        raise PayloadTooLarge(f"Request body of {len(body):,} bytes is larger than {limit:,} bytes.")
    return {payload: body if member.type_name == "blob" else body.decode("utf-8", "replace")}


def _from_query(shape: Shape, values: list[str]) -> Any:
    if not values:
        return None
    if isinstance(shape, ListShape):
        return [_from_text(shape.member, value, "iso8601") for value in values]
    return _from_text(shape, values[-1], "iso8601")


def _from_text(shape: Shape, text: str | None, times: str) -> Any:
    """A value that travels as text; `times`: the form of a timestamp there unless the model names one."""
    if text is None or shape.type_name in ("string", "blob"):
        return text
    try:
        if shape.type_name == "boolean":
            return {"true": True, "false": False}[text]
        if shape.type_name == "timestamp":
            return _time_from(text, shape.serialization.get("timestampFormat", times))
        number = float(text) if shape.type_name in ("float", "double") else int(text)
    except (ValueError, KeyError, OverflowError):
        raise SerializationException(f"'{text}' can not be converted to {shape.type_name}") from None
    return _parse(shape, number, "")


def _time_from(text: str, form: str) -> datetime:
    if form == "unixTimestamp":
        return datetime.fromtimestamp(float(text), UTC)
    return _aware(parsedate_to_datetime(text) if form == "rfc822" else datetime.fromisoformat(text))


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def answer(operation: Operation, output: Params) -> Answer:
    """The answer that carries `output`, in the output shape's form: None members are left out."""
    if not operation.rest:
        return _json_answer(operation.model, output)
    return _rest_answer(operation.model, output)


def _json_answer(model: OperationModel, output: Params) -> Answer:
    blank = Answer(200, [("Content-Type", "application/x-amz-json-1.1")])
    body = b"" if model.output_shape is None else json.dumps(_form(model.output_shape, output)).encode()
    return Answer(200, [*blank.headers, ("x-amzn-RequestId", blank.request_id)], body, blank.request_id)


def _rest_answer(model: OperationModel, output: Params) -> Answer:
    shape, blank = model.output_shape, Answer(model.http.get("responseCode", 200), [])
    headers, status, body = [("x-amzn-RequestId", blank.request_id)], blank.status, b"{}"
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            match member.serialization.get("location"):
                case "header" if output.get(name) is not None:
                    headers.append((member.serialization.get("name", name), _text(output[name])))
                case "statusCode" if output.get(name) is not None:
                    status = int(output[name])
        if (payload := shape.serialization.get("payload")) and _is_stream(shape.members[payload]):
            headers.append(("Content-Type", eventstream.CONTENT_TYPE))
            return Answer(status, headers, b"", blank.request_id, eventstream.encode(output[payload]))
        body = _rest_payload(shape, output)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return Answer(status, headers, body, blank.request_id)


def _is_stream(shape: Shape) -> bool:
    return bool(shape.serialization.get("eventstream"))


def _rest_payload(shape: StructureShape, output: Params) -> bytes:
    payload = shape.serialization.get("payload")
    if payload is None:
        in_body = {name for name, _ in _members(shape).values()}
        outside = set(shape.members) - in_body
        return json.dumps(_form(shape, {k: v for k, v in output.items() if k not in outside})).encode()
    value = output.get(payload)
    if isinstance(value, bytes):
        return value
    return b"" if value is None else json.dumps(_form(shape.members[payload], value)).encode()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return format_datetime(_aware(value).astimezone(UTC), usegmt=True)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\r", " ").replace("\n", " ")


def _form(shape: Shape, value: Any) -> Any:
    """A value in JSON's types. KeyError: a member that the output shape does not have."""
    if isinstance(shape, StructureShape):
        if getattr(shape, "is_document_type", False):
            return value
        shapes = shape.members
        return {
            shapes[name].serialization.get("name", name): _form(shapes[name], inner)
            for name, inner in value.items()
            if inner is not None
        }
    if isinstance(shape, ListShape):
        return [_form(shape.member, inner) for inner in value]
    if isinstance(shape, MapShape):
        return {key: _form(shape.value, inner) for key, inner in value.items()}
    return _SCALARS.get(shape.type_name, lambda plain: plain)(value)


def _epoch(value: Any) -> float:
    return _aware(value).timestamp() if isinstance(value, datetime) else float(value)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "timestamp": _epoch,
    "blob": lambda data: base64.b64encode(data).decode(),
}
