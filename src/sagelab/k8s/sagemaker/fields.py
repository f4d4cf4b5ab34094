"""AWS's members as ACK's fields: camelCase with Go's initialisms (RoleArn is roleARN, S3Uri is s3URI), both ways.

A shape of botocore's model becomes an openAPIV3Schema, a spec becomes a request, an answer becomes fields.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

Document = dict[str, Any]
WORD = re.compile(r"[A-Z]+(?![a-z0-9])|[A-Z]+s?\d*(?=[A-Z][a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")
INITIALISMS = {word.capitalize(): word for word in "ARN ID URI URL KMS VPC IP DNS HTTP HTTPS AMI IAM SNS".split()}
INITIALISMS |= {"Ids": "IDs", "Arns": "ARNs", "Uris": "URIs", "Urls": "URLs"}
SCALARS: dict[str, Document] = {
    "integer": {"type": "integer", "format": "int64"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"},
    "blob": {"type": "string", "format": "byte"},
    "string": {"type": "string"},
}
GO = {"type", "range", "func", "map", "default", "import", "interface", "package", "select", "var", "const"}
TAG = re.compile(r"<[^>]+>")
SENTENCE = re.compile(r"(.+?[.!?])(?:\s|$)", re.DOTALL)


@cache
def field(member: str) -> str:
    """TrainingJobName -> trainingJobName, KmsKeyId -> kmsKeyID; a word of Go's own has a _ after it: type_."""
    first, *others = WORD.findall(member)
    found = first.lower() + "".join(INITIALISMS.get(word, word) for word in others)
    return f"{found}_" if found in GO else found


def schema(shape: Shape, required: bool = False) -> Document:
    """What a shape's value must be. required: its members that AWS asks for are asked for here too."""
    found: Document
    if isinstance(shape, StructureShape):
        members = {field(name): described(member) for name, member in shape.members.items()}
        found = {"type": "object", "properties": members}
        if required and shape.required_members:
            found["required"] = sorted(map(field, shape.required_members))
    elif isinstance(shape, ListShape):
        found = {"type": "array", "items": schema(shape.member)}
    elif isinstance(shape, MapShape):
        found = {"type": "object", "additionalProperties": schema(shape.value)}
    else:
        found = dict(SCALARS[shape.type_name])
    return found


def described(shape: Shape) -> Document:
    """A shape's schema with the first sentence of what AWS says of it."""
    found = SENTENCE.match(" ".join(TAG.sub("", shape.documentation).split()))
    return {**schema(shape), **({"description": found[1]} if found else {})}


def to_aws(value: Any, shape: Shape) -> Any:
    """Fields as AWS's members; what the shape has not is left out, as the schema would have."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = ((name, value.get(field(name)), member) for name, member in shape.members.items())
        return {name: to_aws(one, member) for name, one, member in members if one is not None}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_aws(one, shape.member) for one in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: to_aws(one, shape.value) for key, one in value.items()}
    return value


def to_fields(value: Any, shape: Shape) -> Any:
    """AWS's members as fields; times as Kubernetes has them."""
    if isinstance(shape, StructureShape):
        members = ((name, value.get(name), member) for name, member in shape.members.items())
        return {field(name): to_fields(one, member) for name, one, member in members if one is not None}
    if isinstance(shape, ListShape):
        return [to_fields(one, shape.member) for one in value]
    if isinstance(shape, MapShape):
        return {key: to_fields(one, shape.value) for key, one in value.items()}
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def differences(wanted: Any, found: Any, path: str) -> list[str]:
    """Where what is there differs from what is wanted; what is not named in `wanted` may be anything."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            one for key, inner in wanted.items() for one in differences(inner, found.get(key), f"{path}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [one for n, (inner, other) in pairs for one in differences(inner, other, f"{path}[{n}]")]
    same = wanted == found or (wanted in ({}, [], "", False, None) and not found)
    return [] if same else [path]
