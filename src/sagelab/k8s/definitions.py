"""CustomResourceDefinitions: what they must hold, and the status that the server gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sagelab.k8s import schemas
from sagelab.k8s.jsonpaths import steps
from sagelab.k8s.kinds import Kind
from sagelab.k8s.metadata import LABEL, SUBDOMAIN, now
from sagelab.k8s.statuses import Cause, Document

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
TAKEN = {"", "apps", "batch", "apiextensions.k8s.io", "coordination.k8s.io"}
CAMEL = "^[A-Za-z][A-Za-z0-9]*$"
COLUMN_TYPES = ("integer", "number", "string", "boolean", "date")

TEXT: Document = {"type": "string", "minLength": 1}
TEXTS: Document = {"type": "array", "items": TEXT}
COLUMN: Document = {
    "type": "object",
    "required": ["name", "type", "jsonPath"],
    "properties": {
        **dict.fromkeys(("name", "jsonPath"), TEXT),
        "type": {"type": "string", "enum": list(COLUMN_TYPES)},
        "priority": {"type": "integer"},
        **{name: {"type": "string"} for name in ("description", "format")},
    },
}
VERSION: Document = {
    "type": "object",
    "required": ["name", "served", "storage", "schema"],
    "properties": {
        "name": {"type": "string", "pattern": f"^{LABEL}$"},
        "served": {"type": "boolean"},
        "storage": {"type": "boolean"},
        "deprecated": {"type": "boolean"},
        "deprecationWarning": {"type": "string"},
        "schema": {
            "type": "object",
            "required": ["openAPIV3Schema"],
            "properties": {"openAPIV3Schema": {"type": "object"}},
        },
        "subresources": {
            "type": "object",
            "properties": {"status": {"type": "object"}, "scale": {"type": "object"}},
        },
        "additionalPrinterColumns": {"type": "array", "items": COLUMN},
        "selectableFields": {
            "type": "array",
            "items": {"type": "object", "required": ["jsonPath"], "properties": {"jsonPath": TEXT}},
        },
    },
}
SCHEMA: Document = {
    "type": "object",
    "required": ["group", "names", "scope", "versions"],
    "properties": {
        "group": {"type": "string", "pattern": f"^{SUBDOMAIN}$"},
        "scope": {"type": "string", "enum": ["Cluster", "Namespaced"]},
        "preserveUnknownFields": {"type": "boolean"},
        "conversion": {"type": "object", "properties": {"strategy": {"type": "string", "enum": ["None"]}}},
        "names": {
            "type": "object",
            "required": ["plural", "kind"],
            "properties": {
                **{name: {"type": "string", "pattern": f"^{LABEL}$"} for name in ("plural", "singular")},
                **{name: {"type": "string", "pattern": CAMEL} for name in ("kind", "listKind")},
                **dict.fromkeys(("shortNames", "categories"), TEXTS),
            },
        },
        "versions": {"type": "array", "minItems": 1, "maxItems": 20, "items": VERSION},
    },
}


def faults(definition: Document, others: Iterable[Kind]) -> Iterator[Cause]:
    """What is wrong with a definition. others: the kinds that there are."""
    wrong = list(schemas.faults(SCHEMA, definition.get("spec"), "spec"))
    yield from wrong
    if not wrong:
        yield from _rules(definition, others)


def _rules(definition: Document, others: Iterable[Kind]) -> Iterator[Cause]:
    spec, name = definition["spec"], definition["metadata"]["name"]
    names, group = spec["names"], spec["group"]
    if name != f"{names['plural']}.{group}":
        yield _wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if group in TAKEN:
        yield _wrong("spec.group", group, "this group is Kubernetes' own")
    if [one["storage"] for one in spec["versions"]].count(True) != 1:
        yield _wrong("spec.versions", spec["versions"], "must have exactly one version marked as storage version")
    if len({one["name"] for one in spec["versions"]}) < len(spec["versions"]):
        yield _wrong("spec.versions", spec["versions"], "must contain unique version names")
    for kind in others:
        if kind.group == group and kind.plural != names["plural"] and kind.kind == names["kind"]:
            yield _wrong("spec.names.kind", names["kind"], f"is in use by {kind.resource}")
    for n, version in enumerate(spec["versions"]):
        yield from _version_faults(version, f"spec.versions[{n}]")


def _version_faults(version: Document, path: str) -> Iterator[Cause]:
    schema = version["schema"]["openAPIV3Schema"]
    where = f"{path}.schema.openAPIV3Schema"
    if schema.get("type") != "object":
        yield _wrong(f"{where}.type", schema.get("type", ""), "must be object at the root")
    yield from schemas.unsound(schema, where)
    if "scale" in (version.get("subresources") or {}):
        yield Cause("FieldValueForbidden", f"{path}.subresources.scale", "Forbidden: this server has no scale")
    for field in ("additionalPrinterColumns", "selectableFields"):
        for n, one in enumerate(version.get(field) or ()):
            if steps(one["jsonPath"]) is None:
                yield _wrong(
                    f"{path}.{field}[{n}].jsonPath", one["jsonPath"], "is no JSON path that is known here"
                )


def _wrong(field: str, value: Any, words: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else "{...}"
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}: {words}")


def complete(definition: Document) -> None:
    """Give a sound definition its defaults, its finalizer and its status: it is established at once."""
    spec, metadata = definition["spec"], definition["metadata"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
    if not metadata.get("deletionTimestamp") and CLEANUP not in metadata.get("finalizers", ()):
        metadata["finalizers"] = [*metadata.get("finalizers", ()), CLEANUP]
    had = definition.get("status", {})
    stored = [one["name"] for one in spec["versions"] if one["storage"]]
    conditions = had.get("conditions") or [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    versions = sorted({*had.get("storedVersions", ()), *stored})
    definition["status"] = {"acceptedNames": dict(names), "storedVersions": versions, "conditions": conditions}


def _condition(type_: str, reason: str, message: str) -> Document:
    words = {"reason": reason, "message": message}
    return {"type": type_, "status": "True", "lastTransitionTime": now(), **words}
