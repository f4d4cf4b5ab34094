"""Kubernetes' own kinds as protocol buffers, as `kubectl create namespace` and its like send them; only read here.

The messages are those of generated.proto of k8s.io/api/core/v1 and k8s.io/apimachinery.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagelab.k8s import statuses
from sagelab.k8s.statuses import Document

MEDIA = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
VARINT, LONG, BYTES, SHORT = 0, 1, 2, 5


@dataclass(frozen=True)
class Field:
    """A field of a message. form: text, bytes, bool, or what a message has; map: a map of texts to that; many."""

    name: str
    form: str | dict[int, Field] = "text"
    map: bool = False
    many: bool = False


OWNER = {1: Field("kind"), 3: Field("name"), 4: Field("uid"), 5: Field("apiVersion")}
OWNER |= {6: Field("controller", "bool"), 7: Field("blockOwnerDeletion", "bool")}
META = {
    1: Field("name"),
    2: Field("generateName"),
    3: Field("namespace"),
    5: Field("uid"),
    6: Field("resourceVersion"),
}
META |= {11: Field("labels", map=True), 12: Field("annotations", map=True)}
META |= {13: Field("ownerReferences", OWNER, many=True), 14: Field("finalizers", many=True)}
HEAD = {1: Field("metadata", META)}
MESSAGES: dict[tuple[str, str], dict[int, Field]] = {
    ("v1", "Namespace"): HEAD,
    ("v1", "ConfigMap"): HEAD
    | {2: Field("data", map=True), 3: Field("binaryData", "bytes", map=True), 4: Field("immutable", "bool")},
    ("v1", "Secret"): HEAD
    | {2: Field("data", "bytes", map=True), 3: Field("type"), 4: Field("stringData", map=True)}
    | {5: Field("immutable", "bool")},
}
UNKNOWN = {1: Field("about", {1: Field("apiVersion"), 2: Field("kind")}), 2: Field("raw", "raw")}


def read(body: bytes) -> Document:
    """The object of a body. StatusError: it is none, or of a kind that is read as JSON alone."""
    try:
        if not body.startswith(MAGIC):
            raise ValueError("it does not begin with k8s")
        envelope = _message(body[len(MAGIC) :], UNKNOWN)
        about = envelope.get("about", {})
        fields = MESSAGES.get((about.get("apiVersion", ""), about.get("kind", "")))
        if fields is None:
            raise statuses.not_taken(f"{about.get('kind', 'this kind')} is taken as application/json alone")
        return {**about, **_message(envelope.get("raw", b""), fields)}
    except (ValueError, IndexError) as error:
        raise statuses.bad_request(f"the body of the request is no message of {MEDIA}: {error}") from error


def _message(data: bytes, fields: dict[int, Field]) -> Document:
    found: Document = {}
    for number, value in _parts(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.map:
            entry = _message(_bytes(value), {1: Field("key"), 2: Field("value", field.form)})
            found.setdefault(field.name, {})[entry.get("key", "")] = entry.get("value", "")
        elif field.many:
            found.setdefault(field.name, []).append(_value(value, field))
        elif value not in (b"", 0):
            found[field.name] = _value(value, field)
    return found


def _value(value: bytes | int, field: Field) -> Any:
    if field.form == "bool":
        return bool(value)
    data = _bytes(value)
    if isinstance(field.form, dict):
        return _message(data, field.form)
    if field.form == "bytes":
        return base64.b64encode(data).decode()
    return data if field.form == "raw" else data.decode()


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands for a text")
    return value


def _parts(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Every field's number and value; numbers of fixed length, which these kinds have not, are left out."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, place = _varint(data, place)
            yield number, value
        elif wire == BYTES:
            size, place = _varint(data, place)
            if size > len(data) - place:
                raise ValueError("it ends early")
            yield number, data[place : place + size]
            place += size
        elif wire in (LONG, SHORT):
            place += 8 if wire == LONG else 4
        else:
            raise ValueError(f"it has a field of the unknown form {wire}")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    found = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, place
    raise ValueError("it has a number that does not end")
