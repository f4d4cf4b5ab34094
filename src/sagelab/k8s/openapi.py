"""The schemas of all kinds as OpenAPI documents: for `kubectl explain`, and for the fields that it checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sagelab.k8s import metadata
from sagelab.k8s.discovery import VERSION
from sagelab.k8s.kinds import Kind
from sagelab.k8s.statuses import Document

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
ABOUT = {
    "apiVersion": "The version of the schema of this object.",
    "kind": "What this object is, in CamelCase.",
    "metadata": "Standard object's metadata.",
}
INFO = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation", "pretty")
]
# The same document without a schema, for clients that take nothing but the message of protocol buffers:
# openapi.v2.Document {swagger: "2.0", info: {title: "Kubernetes", version: "v1"}}
V2_MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_MESSAGE = b"\x0a\x032.0\x12\x10\x0a\x0aKubernetes\x12\x02v1"


def index(kinds: Iterable[Kind], version: int) -> Document:
    """/openapi/v3. version: changes when a schema does, so that clients read it again."""
    paths = sorted({_place(kind) for kind in kinds})
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={version}"} for path in paths}}


def document(kinds: Iterable[Kind], place: str) -> Document | None:
    """/openapi/v3/PLACE; None: there is no such group and version."""
    found = [kind for kind in kinds if _place(kind) == place and not kind.refused]
    if not found:
        return None
    paths = {path: one for kind in found for path, one in _paths(kind)}
    schemas = {META: metadata.SCHEMA} | {_name(kind): _schema(kind, "#/components/schemas/") for kind in found}
    return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}


def swagger(kinds: Iterable[Kind]) -> Document:
    """/openapi/v2"""
    found = [kind for kind in kinds if not kind.refused]
    schemas = {META: metadata.SCHEMA} | {_name(kind): _schema(kind, "#/definitions/") for kind in found}
    return {"swagger": "2.0", "info": INFO, "paths": {}, "definitions": schemas}


def _place(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _name(kind: Kind) -> str:
    parts = kind.group.split(".")[::-1] if kind.group else ["io", "k8s", "api", "core"]
    return ".".join([*parts, kind.version, kind.kind])


def _gvk(kind: Kind) -> Document:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _schema(kind: Kind, where: str) -> Document:
    texts = {name: {"type": "string", "description": ABOUT[name]} for name in ("apiVersion", "kind")}
    meta = {"description": ABOUT["metadata"], "allOf": [{"$ref": where + META}], "default": {}}
    properties = {**kind.schema.get("properties", {}), **texts, "metadata": meta}
    return {**kind.schema, "properties": properties, "x-kubernetes-group-version-kind": [_gvk(kind)]}


def _paths(kind: Kind) -> Iterator[tuple[str, Document]]:
    middle = "namespaces/{namespace}/" if kind.namespaced else ""
    base = f"/{_place(kind)}/{middle}{kind.plural}"
    yield base, _operations(kind, get="list", post="post", delete="deletecollection")
    one = _operations(kind, get="get", put="put", patch="patch", delete="delete")
    yield f"{base}/{{name}}", one
    if kind.status:
        yield f"{base}/{{name}}/status", _operations(kind, get="get", put="put", patch="patch")


def _operations(kind: Kind, **actions: str) -> dict[str, Any]:
    answer = {
        "description": "OK",
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_name(kind)}"}}},
    }
    return {
        method: {
            "parameters": PARAMETERS,
            "responses": {"200": answer},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(kind),
        }
        for method, action in actions.items()
    }
