"""Lists as tables, as `kubectl get` shows them: the server knows the columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sagelab.k8s.jsonpaths import find
from sagelab.k8s.kinds import Kind
from sagelab.k8s.statuses import Document

OWN_TYPES = {"count": "string", "reference": "string"}
# Seconds up to which a time is told so: in units of so many seconds, and what is left over in finer ones.
SPANS: tuple[tuple[int, int, str, int, str], ...] = (
    (120, 1, "s", 0, ""),
    (600, 60, "m", 1, "s"),
    (10800, 60, "m", 0, ""),
    (28800, 3600, "h", 60, "m"),
    (172800, 3600, "h", 0, ""),
    (691200, 86400, "d", 3600, "h"),
    (63072000, 86400, "d", 0, ""),
    (252288000, 31536000, "y", 86400, "d"),
)


def table(kind: Kind, documents: list[Document], include: str, now: datetime | None = None) -> Document:
    """A Table without its metadata. include: how much of each object a row carries, None, Metadata or Object."""
    at = now or datetime.now(UTC)
    names = {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}
    columns = [names, *({"format": "", "description": "", "priority": 0} | _shown(one) for one in kind.columns)]
    rows = [{"cells": _cells(kind, one, at), **_carried(one, include)} for one in documents]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": columns, "rows": rows}


def _shown(column: Document) -> Document:
    return {
        **{k: v for k, v in column.items() if k != "jsonPath"},
        "type": OWN_TYPES.get(column["type"], column["type"]),
    }


def _cells(kind: Kind, document: Document, now: datetime) -> list[Any]:
    cells = [_cell(column, find(document, column["jsonPath"]), now) for column in kind.columns]
    return [document["metadata"]["name"], *cells]


def _cell(column: Document, found: list[Any], now: datetime) -> Any:
    if column["type"] == "count":
        return str(len(found[0]) if found else 0)
    if not found:
        return "<unknown>" if column["type"] == "date" else None
    if column["type"] == "date":
        return age(found[0], now)
    if column["type"] == "reference":
        return f"{str(found[0].get('kind', '')).lower()}/{found[0].get('name', '')}"
    if column["type"] in ("integer", "number", "boolean"):
        return found[0]
    return ",".join(one if isinstance(one, str) else str(one) for one in found)


def age(time: Any, now: datetime) -> str:
    """How long ago a time is, as kubectl has it: 5s, 3m20s, 12m, 2d3h."""
    try:
        seconds = int((now - datetime.fromisoformat(str(time))).total_seconds())
    except (ValueError, TypeError):
        return "<invalid>"
    for limit, unit, letter, finer, name in SPANS:
        if seconds < limit:
            rest = seconds % unit // finer if finer else 0
            return f"{seconds // unit}{letter}" + (f"{rest}{name}" if rest else "")
    return f"{seconds // 31536000}y"


def _carried(document: Document, include: str) -> Document:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": document}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": document["metadata"]}
    return {"object": partial}
