"""Filters of a selection rule: which rows of a table are taken, by the values of their columns.

The same test decides of loaded rows and of changes.
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.Filters.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any

from sagelab.replication import values
from sagelab.replication.rows import MISSING, Table

_ONE: dict[str, Callable[[Any, Any], bool]] = {
    "ste": lambda found, wanted: found <= wanted,
    "lte": lambda found, wanted: found <= wanted,
    "gte": lambda found, wanted: found >= wanted,
    "eq": lambda found, wanted: found == wanted,
    "noteq": lambda found, wanted: found != wanted,
}
_TWO = ("between", "notbetween")
_NONE = ("null", "notnull")
MOST = 100


@dataclass(frozen=True)
class Condition:
    operator: str
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class Filter:
    """A column, of which one of the conditions must hold."""

    column: str
    conditions: tuple[Condition, ...]


def parse(found: Any) -> Iterator[Filter]:
    """ValueError: they are none."""
    if not isinstance(found, list) or len(found) > MOST:
        raise ValueError("The filters of a selection rule are a list.")
    for one in found:
        conditions = one.get("filter-conditions") if isinstance(one, dict) else None
        if not isinstance(conditions, list) or not 0 < len(conditions) <= MOST:
            raise ValueError("A filter needs filter-conditions.")
        if one.get("filter-type") != "source" or not isinstance(one.get("column-name"), str):
            raise ValueError("A filter has the filter-type source and a column-name.")
        yield Filter(one["column-name"], tuple(_condition(each) for each in conditions))


def _condition(found: Any) -> Condition:
    operator = str(found.get("filter-operator")) if isinstance(found, dict) else ""
    if operator in _NONE:
        return Condition(operator)
    if operator in _TWO and "start-value" in found and "end-value" in found:
        return Condition(operator, str(found["start-value"]), str(found["end-value"]))
    if operator in _ONE and "value" in found:
        return Condition(operator, str(found["value"]))
    raise ValueError(f"The filter-operator {operator[:60]!r} is none, or lacks its value.")


def compiled(filters: tuple[Filter, ...], table: Table) -> Callable[[tuple[str | None, ...]], bool]:
    """Which rows of a table they take: those that each of them takes. ValueError: it has no such column."""
    tests = [_test(one, table) for one in filters]
    return lambda row: all(test(row) for test in tests)


def _test(one: Filter, table: Table) -> Callable[[tuple[str | None, ...]], bool]:
    if one.column not in table.names:
        raise ValueError(f"The table {table.name!r:.100} has no column {one.column!r:.100}, which a filter names.")
    index = table.names.index(one.column)
    kind = table.columns[index].type
    return lambda row: row[index] == MISSING or any(_holds(each, kind, row[index]) for each in one.conditions)


def _holds(condition: Condition, kind: str, text: str | None) -> bool:
    """What of a row that was deleted is not told is taken: its target may have it."""
    if condition.operator in _NONE:
        return (text is None) == (condition.operator == "null")
    if text is None:
        return False
    try:
        found, first = values.compare(kind, text), values.compare(kind, condition.first)
        if condition.operator in _ONE:
            return _ONE[condition.operator](found, first)
        inside = first <= found <= values.compare(kind, condition.last)
    except InvalidOperation:
        return False
    return bool(inside == (condition.operator == "between"))
