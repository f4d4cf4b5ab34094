"""Objects held against an openAPIV3Schema: defaults, unknown fields, and faults in Kubernetes' words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import regex

from sagelab.k8s.statuses import Cause, Document

PATIENCE = 0.5  # seconds that one pattern may take
METADATA = {"apiVersion", "kind", "metadata"}
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and isinstance(value, int | float) and value % 1 == 0,
    "number": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
}


def fill(schema: Document, value: Any) -> None:
    """Give an object the defaults of its schema, in place."""
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name not in value and "default" in inner:
                value[name] = deepcopy(inner["default"])
            if name in value:
                fill(inner, value[name])
        more = schema.get("additionalProperties")
        for name, inner in value.items():
            if isinstance(more, dict) and name not in schema.get("properties", {}):
                fill(more, inner)
    elif isinstance(value, list):
        for one in value:
            fill(schema.get("items", {}), one)


def prune(schema: Document, value: Any, path: str = "") -> list[str]:
    """Drop what a schema does not name, in place; the paths of what was dropped, as spec.a.b."""
    if isinstance(value, list):
        items = schema.get("items", {})
        return [one for n, item in enumerate(value) for one in prune(items, item, f"{path}[{n}]")]
    if not isinstance(value, dict):
        return []
    dropped, properties = list[str](), schema.get("properties", {})
    more = schema.get("additionalProperties")
    for name in list(value):
        where = f"{path}.{name}" if path else name
        inner = properties.get(name, more if isinstance(more, dict) else None)
        if not path and name in METADATA:
            continue
        if inner is not None:
            dropped += prune(inner, value[name], where)
        elif more is not True and not schema.get("x-kubernetes-preserve-unknown-fields"):
            del value[name]
            dropped.append(where)
    return dropped


def faults(schema: Document, value: Any, path: str = "") -> Iterator[Cause]:
    """Every fault of a value. The metadata of an object is not looked at here."""
    if value is None and schema.get("nullable"):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if not (TYPES["integer"](value) or isinstance(value, str)):
            yield _wrong_type(path, value, "integer,string")
        return
    asked = schema.get("type")
    if asked in TYPES and not TYPES[asked](value):
        yield _wrong_type(path, value, asked)
        return
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(map(json.dumps, schema["enum"]))
        yield Cause(
            "FieldValueNotSupported", path, f"Unsupported value: {_shown(value)}: supported values: {known}"
        )
    if isinstance(value, dict):
        yield from _object_faults(schema, value, path)
    elif isinstance(value, list):
        yield from _list_faults(schema, value, path)
    elif isinstance(value, str):
        yield from _string_faults(schema, value, path)
    elif TYPES["number"](value):
        yield from _number_faults(schema, value, path)


def _object_faults(schema: Document, value: Document, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()):
        if name not in value:
            yield Cause("FieldValueRequired", f"{path}.{name}".lstrip("."), "Required value")
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield _many(path, len(value), schema["maxProperties"])
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name, one in value.items():
        inner = properties.get(name, more if isinstance(more, dict) else None)
        if inner is not None and not (not path and name in METADATA):
            yield from faults(inner, one, f"{path}.{name}".lstrip("."))


def _list_faults(schema: Document, value: list[Any], path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxItems", len(value)):
        yield _many(path, len(value), schema["maxItems"])
    if len(value) < schema.get("minItems", 0):
        yield _odd(path, value, f"should have at least {schema['minItems']} items")
    for n, one in enumerate(value):
        yield from faults(schema.get("items", {}), one, f"{path}[{n}]")


def _string_faults(schema: Document, value: str, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxLength", len(value)):
        limit = schema["maxLength"]
        yield Cause("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")
    if len(value) < schema.get("minLength", 0):
        yield _odd(path, value, f"should be at least {schema['minLength']} chars long")
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield _odd(path, value, f"should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not _matches(DATE_TIME, value):
        yield _odd(path, value, "must be of type date-time", ending=f": {_shown(value)}")


DATE_TIME = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"


def _number_faults(schema: Document, value: float, path: str) -> Iterator[Cause]:
    if value < schema.get("minimum", value) or (schema.get("exclusiveMinimum") and value == schema["minimum"]):
        words = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield _odd(path, value, f"should be {words} {schema['minimum']}")
    if value > schema.get("maximum", value) or (schema.get("exclusiveMaximum") and value == schema["maximum"]):
        words = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield _odd(path, value, f"should be {words} {schema['maximum']}")


def _matches(pattern: str, value: str) -> bool:
    """A pattern that takes too long does not match."""
    try:
        return regex.search(pattern, value, timeout=PATIENCE) is not None
    except TimeoutError:
        return False


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str | int | float | bool) else f'"{_type_of(value)}"'


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name, is_one in TYPES.items() if is_one(value))


def _wrong_type(path: str, value: Any, asked: str) -> Cause:
    found = _type_of(value)
    message = f'Invalid value: "{found}": {path} in body must be of type {asked}: "{found}"'
    return Cause("FieldValueTypeInvalid", path or "<nil>", message)


def _odd(path: str, value: Any, words: str, ending: str = "") -> Cause:
    return Cause("FieldValueInvalid", path, f"Invalid value: {_shown(value)}: {path} in body {words}{ending}")


def _many(path: str, found: int, limit: int) -> Cause:
    return Cause("FieldValueTooMany", path, f"Too many: {found}: must have at most {limit} items")


def _all(type_: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, type_)


# The fields of a schema that this server understands, and what each must be.
KNOWN = {
    **_all("string", "type", "description", "title", "format", "pattern"),
    **_all("string", "x-kubernetes-list-type", "x-kubernetes-map-type"),
    **_all("object", "properties", "items", "externalDocs"),
    **_all("array", "required", "enum", "x-kubernetes-list-map-keys"),
    **_all("integer", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
    **_all("number", "minimum", "maximum"),
    **_all("boolean", "nullable", "exclusiveMinimum", "exclusiveMaximum", "x-kubernetes-embedded-resource"),
    **_all("boolean", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"),
    **_all("", "default", "example", "additionalProperties"),
}


def unsound(schema: Any, path: str) -> Iterator[Cause]:
    """Why a schema is none that a CustomResourceDefinition can have here."""
    if not isinstance(schema, dict):
        yield _wrong_type(path, schema, "object")
        return
    for name, value in schema.items():
        if name not in KNOWN:
            yield Cause("FieldValueForbidden", f"{path}.{name}", "Forbidden: this server holds no object to it")
        elif KNOWN[name] and not TYPES[KNOWN[name]](value):
            yield _wrong_type(f"{path}.{name}", value, KNOWN[name])
            return
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") not in TYPES and not (free and "type" not in schema):
        yield Cause(
            "FieldValueRequired", f"{path}.type", "Required value: must not be empty for specified object fields"
        )
    if "pattern" in schema:
        try:
            regex.compile(schema["pattern"])
        except regex.error as error:
            yield Cause("FieldValueInvalid", f"{path}.pattern", f"must be a valid regular expression: {error}")
    for name, one in schema.get("properties", {}).items():
        yield from unsound(one, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict) or (name == "items" and schema.get("type") == "array"):
            yield from unsound(schema.get(name), f"{path}.{name}")
