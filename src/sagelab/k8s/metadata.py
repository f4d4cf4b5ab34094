"""What every object has: a name that is one, and metadata of which the server writes a part."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sagelab.k8s import schemas, statuses
from sagelab.k8s.kinds import Kind
from sagelab.k8s.statuses import Cause, Document

LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of generated names: no words come of them
LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
NO_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    f" with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
NO_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
    f" and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
NO_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start"
    " and end with an alphanumeric character"
)
ANNOTATIONS = 256 * 1024  # bytes of all of an object's
# What only the server writes, and a client's update cannot change.
SERVERS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")

TEXTS: Document = {"type": "object", "additionalProperties": {"type": "string"}, "nullable": True}
OWNER: Document = {
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        **{name: {"type": "string"} for name in ("apiVersion", "kind", "name", "uid")},
        **{name: {"type": "boolean"} for name in ("controller", "blockOwnerDeletion")},
    },
}
SCHEMA: Document = {
    "type": "object",
    "properties": {
        **{name: {"type": "string", "nullable": True} for name in ("name", "namespace", "generateName", "uid")},
        **{name: {"type": "string", "nullable": True} for name in ("resourceVersion", "creationTimestamp")},
        **{name: {"type": "string", "nullable": True} for name in ("deletionTimestamp", "selfLink")},
        "generation": {"type": "integer", "nullable": True},
        "deletionGracePeriodSeconds": {"type": "integer", "nullable": True},
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": {"type": "array", "nullable": True, "items": {"type": "string"}},
        "ownerReferences": {"type": "array", "nullable": True, "items": OWNER},
        "managedFields": {"type": "array", "nullable": True, "items": {"type": "object"}},
    },
}


def now() -> str:
    """A time as metadata has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(document: Document) -> Document:
    """The metadata of a client's object, with what it holds sound in type. StatusError 400: it is not."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        raise statuses.bad_request("the object has no metadata")
    fault = next(schemas.faults(SCHEMA, metadata, "metadata"), None)
    if fault:
        raise statuses.bad_request(f"the object could not be read: {fault.said()}")
    return {name: value for name, value in metadata.items() if value is not None and name in SCHEMA["properties"]}


def begin(metadata: Document, status: bool) -> Document:
    """The metadata of a new object. status: whether its kind counts generations."""
    name = metadata.get("name") or metadata["generateName"] + "".join(secrets.choice(LETTERS) for _ in range(5))
    kept = {name: metadata[name] for name in _clients(metadata)}
    times = {"uid": str(uuid.uuid4()), "creationTimestamp": now()} | ({"generation": 1} if status else {})
    return kept | {"name": name} | times


def go_on(metadata: Document, existing: Document) -> Document:
    """The metadata of an update: what the client wrote of it, and what the server had."""
    kept = {name: metadata[name] for name in _clients(metadata)}
    servers = {name: existing[name] for name in (*SERVERS, "resourceVersion") if name in existing}
    return kept | servers | {name: existing[name] for name in ("name", "namespace") if name in existing}


def _clients(metadata: Document) -> Iterator[str]:
    written = ("generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences")
    return (name for name in written if metadata.get(name))


def faults(kind: Kind, metadata: Document) -> Iterator[Cause]:
    """What is wrong with an object's metadata."""
    name = metadata["name"]
    pattern, words = (LABEL, NO_LABEL) if kind.resource == "namespaces" else (SUBDOMAIN, NO_SUBDOMAIN)
    limit = 63 if pattern is LABEL else 253
    if not re.fullmatch(pattern, name) or len(name) > limit:
        said = words if len(name) <= limit else f"must be no more than {limit} characters"
        yield _wrong("metadata.name", name, said)
    for key, value in metadata.get("labels", {}).items():
        if not _is_key(key):
            yield _wrong("metadata.labels", key, "name part must be a qualified name")
        if len(value) > 63 or (value and not re.fullmatch(QUALIFIED, value)):
            yield _wrong(
                "metadata.labels", value, NO_VALUE if len(value) <= 63 else "must be no more than 63 characters"
            )
    annotations = metadata.get("annotations", {})
    for key in annotations:
        if not _is_key(key):
            yield _wrong("metadata.annotations", key, "name part must be a qualified name")
    if sum(len(key) + len(value) for key, value in annotations.items()) > ANNOTATIONS:
        yield Cause(
            "FieldValueTooLong", "metadata.annotations", f"Too long: may not be more than {ANNOTATIONS} bytes"
        )
    for n, finalizer in enumerate(metadata.get("finalizers", ())):
        if not _is_key(finalizer):
            yield _wrong(f"metadata.finalizers[{n}]", finalizer, "name part must be a qualified name")


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    right = not slash or (re.fullmatch(SUBDOMAIN, prefix) is not None and len(prefix) <= 253)
    return right and len(name) <= 63 and re.fullmatch(QUALIFIED, name) is not None


def _wrong(field: str, value: Any, words: str) -> Cause:
    return Cause("FieldValueInvalid", field, f'Invalid value: "{value}": {words}')
