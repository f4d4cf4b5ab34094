"""SageMaker's REST planes on the wire: labels of the path, query, headers and a body that is JSON or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, OperationModel, Shape, StructureShape

from sagelab.cloud.errors import PayloadTooLarge, SerializationException
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.wire import eventstream, shapes
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.planes import Operation
from sagelab.cloud.gateway.wire.shapes import Params
from sagelab.cloud.gateway.wire.validation import lower_first


@dataclass(frozen=True)
class _Outside:
    """A member that travels outside the body, under the name `wire`."""

    name: str
    wire: str
    location: str
    shape: Shape


@dataclass(frozen=True)
class _Layout:
    """A structure of a REST message: its members outside the body, and the one that is the body, if one is."""

    outside: tuple[_Outside, ...]
    payload: str | None


@cache
def _layout(shape: StructureShape) -> _Layout:
    outside = (
        _Outside(name, member.serialization.get("name", name), place, member)
        for name, member in shape.members.items()
        if (place := shapes.location(member))
    )
    return _Layout(tuple(outside), shape.serialization.get("payload"))


def parse(operation: Operation, shape: Shape, request: Request) -> Params:
    """The input of an operation. Serialization- or ValidationException: it is not in the model's form."""
    assert isinstance(shape, StructureShape)
    query = parse_qsl(request.query, keep_blank_values=True) if request.query else []
    layout, found = _layout(shape), Params()
    for member in layout.outside:
        match member.location:
            case "uri":
                found[member.name] = _from_text(member.shape, operation.labels.get(member.wire), "")
            case "querystring":
                found[member.name] = _from_query(
                    member.shape, [value for key, value in query if key == member.wire]
                )
            case "header" if (text := request.header(member.wire)) is not None:
                found[member.name] = _from_text(member.shape, text, "rfc822")
    found |= _body(shape, layout.payload, request)
    return {name: value for name, value in found.items() if value is not None}


def _body(shape: StructureShape, payload: str | None, request: Request) -> Params:
    if payload is None:
        parsed: Params = shapes.parse_structure(shape, shapes.read(request.content()), "")
        return parsed
    member = shape.members[payload]
    if member.type_name == "structure":
        return {payload: shapes.parse(member, shapes.read(request.content()), lower_first(payload))}
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
    return shapes.parse(shape, number, "")


def _time_from(text: str, form: str) -> datetime:
    if form == "unixTimestamp":
        return datetime.fromtimestamp(float(text), UTC)
    return shapes.aware(parsedate_to_datetime(text) if form == "rfc822" else datetime.fromisoformat(text))


def answer(model: OperationModel, output: Params) -> Answer:
    """The answer that carries `output`."""
    shape, blank = model.output_shape, Answer(model.http.get("responseCode", 200), [])
    headers, status, body = [("x-amzn-RequestId", blank.request_id)], blank.status, b"{}"
    if isinstance(shape, StructureShape):
        layout = _layout(shape)
        for member in layout.outside:
            value = output.get(member.name)
            if member.location == "header" and value is not None:
                headers.append((member.wire, _text(value)))
            elif member.location == "statusCode" and value is not None:
                status = int(value)
        if layout.payload and shape.members[layout.payload].serialization.get("eventstream"):
            headers.append(("Content-Type", eventstream.CONTENT_TYPE))
            return Answer(status, headers, b"", blank.request_id, eventstream.encode(output[layout.payload]))
        body = _payload(shape, layout, output)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return Answer(status, headers, body, blank.request_id)


def _payload(shape: StructureShape, layout: _Layout, output: Params) -> bytes:
    if layout.payload is None:
        outside = {member.name for member in layout.outside}
        return json.dumps(shapes.form(shape, {k: v for k, v in output.items() if k not in outside})).encode()
    value = output.get(layout.payload)
    if isinstance(value, bytes):
        return value
    return b"" if value is None else json.dumps(shapes.form(shape.members[layout.payload], value)).encode()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return format_datetime(shapes.aware(value).astimezone(UTC), usegmt=True)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\r", " ").replace("\n", " ")
