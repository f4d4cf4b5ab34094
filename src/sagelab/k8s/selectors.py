"""Which objects a list or a watch is about: label selectors and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagelab.k8s import statuses
from sagelab.k8s.jsonpaths import find
from sagelab.k8s.kinds import Kind
from sagelab.k8s.statuses import Document

KEY = r"(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
SET = re.compile(rf"({KEY})\s+(in|notin)\s+\(([^()]*)\)")
EQUAL = re.compile(rf"({KEY})\s*(==|=|!=)\s*([A-Za-z0-9._-]*)")
PRESENT = re.compile(rf"(!?)\s*({KEY})")
FIELD = re.compile(r"([A-Za-z0-9._\[\]-]+)(==|!=|=)(.*)", re.DOTALL)
Test = Callable[[Document], bool]


@dataclass(frozen=True)
class Selector:
    """All tests that an object must meet."""

    tests: tuple[Test, ...] = ()

    def meets(self, document: Document | None) -> bool:
        return document is not None and all(test(document) for test in self.tests)


def parse(kind: Kind, labels: str, fields: str) -> Selector:
    """StatusError 400: one of them is none, or names a field that this kind has no selector for."""
    found = [_label_test(one.strip()) for one in _parts(labels)]
    return Selector((*found, *(_field_test(kind, one) for one in fields.split(",") if one)))


def _parts(labels: str) -> list[str]:
    """The requirements, between commas that are in no parentheses."""
    parts, start, depth = [], 0, 0
    for at, letter in enumerate(labels):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth <= 0:
            parts.append(labels[start:at])
            start = at + 1
    return [part for part in (*parts, labels[start:]) if part.strip()]


def _label_test(said: str) -> Test:
    if found := SET.fullmatch(said):
        key, word, listed = found.groups()
        values = {one.strip() for one in listed.split(",")}
        return lambda one: (_labels(one).get(key) in values) == (word == "in")
    if found := EQUAL.fullmatch(said):
        key, sign, value = found.groups()
        return lambda one: (_labels(one).get(key) == value) == (sign != "!=")
    if found := PRESENT.fullmatch(said):
        absent, key = found.groups()
        return lambda one: (key in _labels(one)) == (not absent)
    raise statuses.bad_request(f"unable to parse requirement: {said!r} is no label selector")


def _field_test(kind: Kind, said: str) -> Test:
    found = FIELD.fullmatch(said.strip())
    if not found:
        raise statuses.bad_request(f"invalid selector: {said!r}; can't understand {said!r}")
    name, sign, value = found.groups()
    path = f".{name}"
    if path not in (".metadata.name", ".metadata.namespace", *kind.selectable):
        raise statuses.bad_request(f'field label not supported: "{name}"')
    return lambda one: (_text(find(one, path)) == value) == (sign != "!=")


def _text(found: list[Any]) -> str:
    value = found[0] if found else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _labels(document: Document) -> dict[str, Any]:
    labels: dict[str, Any] = document["metadata"].get("labels") or {}
    return labels
