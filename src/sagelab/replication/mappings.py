"""Table mappings: which tables a task takes, which of their rows and columns, and what they are called.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sagelab.replication import filters, patterns
from sagelab.replication.filters import Filter
from sagelab.replication.rows import Name, Table

MOST = 1000  # rules
LONGEST = 255  # characters of a name
INCLUDE, EXCLUDE, EXPLICIT = "include", "exclude", "explicit"
_CASES: dict[str, Callable[[str], str]] = {"convert-lowercase": str.lower, "convert-uppercase": str.upper}
_ENDS = ("prefix", "suffix")
RENAMES = ("rename", *_CASES, *(f"{verb}-{end}" for verb in ("add", "remove", "replace") for end in _ENDS))
OF_COLUMNS = (*RENAMES, "remove-column", "add-column")
TARGETS = {"schema": RENAMES, "table": RENAMES, "column": OF_COLUMNS}
CONSTANTS = ("$AR_M_SOURCE_SCHEMA", "$AR_M_SOURCE_TABLE_NAME")


@dataclass(frozen=True)
class Selection:
    """exclude: whether what it names is left out. order: tables with more of it are loaded first."""

    exclude: bool
    schema: list[str]
    table: list[str]
    filters: tuple[Filter, ...]
    order: int = 0

    def names(self, table: Name) -> bool:
        return patterns.fits(self.schema, table[0]) and patterns.fits(self.table, table[1])


@dataclass(frozen=True)
class Transformation:
    target: str
    action: str
    schema: list[str]
    table: list[str]
    column: list[str]
    value: str = ""
    old: str = ""
    expression: str = ""

    def names(self, table: Name) -> bool:
        return patterns.fits(self.schema, table[0]) and patterns.fits(self.table, table[1])

    def renamed(self, name: str) -> str:
        if self.action == "rename":
            return self.value
        if case := _CASES.get(self.action):
            return case(name)
        verb, end = self.action.split("-")
        if verb == "add":
            return self.value + name if end == "prefix" else name + self.value
        old = self.value if verb == "remove" else self.old
        new = "" if verb == "remove" else self.value
        if end == "prefix":
            return new + name[len(old) :] if old and name.startswith(old) else name
        return name[: -len(old)] + new if old and name.endswith(old) else name


@dataclass(frozen=True)
class Output:
    """A column of the target. index: of the source's column; None: `constant` stands there."""

    name: str
    type: str
    index: int | None
    constant: str | None = None


@dataclass
class Mappings:
    selections: list[Selection] = field(default_factory=list)
    transformations: list[Transformation] = field(default_factory=list)

    def takes(self, table: Name) -> bool:
        including = [one for one in self.selections if not one.exclude and one.names(table)]
        return bool(including) and not any(one.exclude and one.names(table) for one in self.selections)

    def order(self, table: Name) -> int:
        return max((one.order for one in self.selections if one.names(table)), default=0)

    def keeps(self, table: Table) -> Callable[[tuple[str | None, ...]], bool] | None:
        """Which of its rows are taken; None: all."""
        found = [one for one in self.selections if not one.exclude and one.names(table.key)]
        if not all(one.filters for one in found):
            return None
        tests = [filters.compiled(one.filters, table) for one in found]
        return lambda values: any(test(values) for test in tests)

    def target(self, table: Name) -> Name:
        """What its schema and itself are called in the target."""
        schema, name = table
        for one in self.transformations:
            if one.target == "schema" and patterns.fits(one.schema, table[0]):
                schema = one.renamed(schema) or schema
            if one.target == "table" and one.names(table):
                name = one.renamed(name) or name
        return schema, name

    def outputs(self, table: Table) -> list[Output]:
        """Its columns in the target, in their order."""
        found = list[Output]()
        rules = [one for one in self.transformations if one.target == "column" and one.names(table.key)]
        for index, column in enumerate(table.columns):
            name = column.name
            fitting = [one for one in rules if one.action != "add-column" and patterns.fits(one.column, name)]
            if any(one.action == "remove-column" for one in fitting):
                continue
            for one in fitting:
                name = one.renamed(name) or name
            found.append(Output(name, column.type, index))
        found.extend(_added(one, table) for one in rules if one.action == "add-column")
        return found


def _added(rule: Transformation, table: Table) -> Output:
    text = rule.expression
    if text in CONSTANTS:
        return Output(rule.value, "text", None, table.schema if text == CONSTANTS[0] else table.name)
    if text.startswith("$"):
        index = next((at for at, one in enumerate(table.columns) if one.name == text[1:]), None)
        return Output(rule.value, table.columns[index].type if index is not None else "text", index)
    return Output(rule.value, "text", None, text.strip("'") if text else None)


def parse(text: str) -> Mappings:
    """ValueError: it is none, or asks for what is not done here; in a sentence."""
    try:
        rules = json.loads(text)["rules"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("Invalid table mappings JSON.") from None
    if not isinstance(rules, list) or not rules or len(rules) > MOST:
        raise ValueError(f"Table mappings have between 1 and {MOST} rules.")
    found, ids = Mappings(), set[str]()
    for rule in rules:
        if not isinstance(rule, dict) or not isinstance(rule.get("object-locator"), dict):
            raise ValueError("A rule of the table mappings needs an object-locator.")
        name = str(rule.get("rule-id", ""))
        if not name or name in ids:
            raise ValueError(f"The rule-id {name[:40]!r} of the table mappings is not unique.")
        ids.add(name)
        _add(found, rule)
    if all(one.exclude for one in found.selections):
        raise ValueError("At least one selection rule must include tables.")
    return found


def _add(found: Mappings, rule: dict[str, Any]) -> None:
    match rule.get("rule-type"):
        case "selection":
            found.selections.append(_selection(rule))
        case "transformation":
            found.transformations.append(_transformation(rule))
        case other:
            raise ValueError(f"The rule-type {other!r:.60} of table mappings is not something that happens here.")


def _selection(rule: dict[str, Any]) -> Selection:
    action, locator = rule.get("rule-action"), rule["object-locator"]
    if action not in (INCLUDE, EXCLUDE, EXPLICIT):
        raise ValueError(f"A selection rule has no rule-action {action!r:.60}.")
    if locator.get("table-type", "table") != "table":
        raise ValueError("Views are not replicated here: the table-type of a selection rule is table.")
    schema, table = _located(locator, "schema-name"), _located(locator, "table-name")
    if action == EXPLICIT:
        schema, table = [str(locator["schema-name"])], [str(locator["table-name"])]
    order = rule.get("load-order", 0)
    return Selection(
        action == EXCLUDE,
        schema,
        table,
        tuple(filters.parse(rule.get("filters") or [])),
        order if isinstance(order, int) else int(str(order)) if str(order).isdigit() else 0,
    )


def _transformation(rule: dict[str, Any]) -> Transformation:
    target, action, locator = rule.get("rule-target"), rule.get("rule-action"), rule["object-locator"]
    if target not in TARGETS or action not in TARGETS[target]:
        raise ValueError(
            f"The transformation {action!r:.60} of {target!r:.60} is not something that happens here."
        )
    given = dict(_texts(rule, action))
    any_name = [["", ""]]
    of_column = target == "column" and action != "add-column"
    return Transformation(
        target,
        action,
        _located(locator, "schema-name"),
        _located(locator, "table-name") if target != "schema" else any_name[0],
        _located(locator, "column-name") if of_column else any_name[0],
        **given,
    )


def _texts(rule: dict[str, Any], action: str) -> Iterator[tuple[str, str]]:
    """What a transformation is told beside what it is of."""
    if action not in (*_CASES, "remove-column"):
        if not isinstance(rule.get("value"), str) or not 0 < len(rule["value"]) <= LONGEST:
            raise ValueError(f"The transformation {action} needs a value.")
        yield "value", rule["value"]
    if action.startswith("replace-"):
        if not isinstance(rule.get("old-value"), str) or not rule["old-value"]:
            raise ValueError(f"The transformation {action} needs an old-value.")
        yield "old", rule["old-value"]
    if expression := rule.get("expression"):
        text = str(expression).strip()
        quoted = text[:1] == text[-1:] == "'" and "'" not in text[1:-1] and len(text) > 1
        named = text.startswith("$") and text[1:].replace("_", "").isalnum() and not text.startswith("$AR_")
        if not (quoted or named or text in CONSTANTS):
            raise ValueError(f"The expression {text[:60]!r} is not something that happens here.")
        yield "expression", text


def _located(locator: dict[str, Any], name: str) -> list[str]:
    text = locator.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise ValueError(f"An object-locator needs a {name}.")
    return patterns.compiled(text)
