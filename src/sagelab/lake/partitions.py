"""The partitions that a query reads: of the catalogue or of a projection, as far as its conditions want them.

https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from sagelab.lake import errors, types
from sagelab.lake.catalog import Catalog, Table
from sagelab.lake.types import quoted

MOST = 100_000  # partitions of a projection that a query may mean
_DIGITS = 32  # of a number in a path
_NOW = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?", re.I)
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_FORMS = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"), ("yy", "%y"))


@dataclass(frozen=True)
class Partition:
    """values: of the table's keys. location: in S3. storage: its own descriptor, {} where it is the table's."""

    values: tuple[str | None, ...]
    location: str
    storage: dict[str, Any] = field(default_factory=dict, hash=False)


def find(
    table: Table, catalog: Catalog, connection: duckdb.DuckDBPyConnection, conditions: list[str]
) -> list[Partition]:
    """Those that fit. conditions: SQL over the names of the table's keys alone, all of which must hold."""
    if not table.keys:
        return [Partition((), table.location)]
    if table.parameters.get("projection.enabled", "").lower() == "true":
        return list(_projected(table, connection, conditions))
    found = [
        Partition(
            tuple(None if one == "__HIVE_DEFAULT_PARTITION__" else str(one) for one in each["Values"]),
            (each.get("StorageDescriptor") or {}).get("Location") or table.location,
            each.get("StorageDescriptor") or {},
        )
        for each in catalog.partitions(table)
    ]
    kept = fitting(table, connection, [one.values for one in found], conditions)
    return [found[number] for number in kept]


def fitting(
    table: Table,
    connection: duckdb.DuckDBPyConnection,
    rows: list[tuple[str | None, ...]],
    conditions: list[str],
    names: list[str] | None = None,
) -> list[int]:
    """The numbers of the rows for which the conditions hold. names: of their values, by default all keys."""
    if not conditions or not rows:
        return list(range(len(rows)))
    kinds = dict(table.keys)
    names = names or [name for name, _ in table.keys]
    columns = ", ".join(f"{quoted(name)} VARCHAR" for name in names)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE partition_values (number BIGINT, {columns})")
    marks = ", ".join("?" * (len(names) + 1))
    for start in range(0, len(rows), 1000):
        values = [(number, *row) for number, row in enumerate(rows[start : start + 1000], start)]
        text = ", ".join(f"({marks})" for _ in values)
        connection.execute(f"INSERT INTO partition_values VALUES {text}", list(itertools.chain(*values)))
    cast = ", ".join(f"TRY_CAST({quoted(name)} AS {kinds[name].duckdb}) AS {quoted(name)}" for name in names)
    where = " AND ".join(f"({one})" for one in conditions)
    sql = f"SELECT number FROM (SELECT number, {cast} FROM partition_values) WHERE {where} ORDER BY number"
    found = [row[0] for row in connection.execute(sql).fetchall()]
    connection.execute("DROP TABLE partition_values")
    return found


def _projected(table: Table, connection: duckdb.DuckDBPyConnection, conditions: list[str]) -> Iterator[Partition]:
    names = [name for name, _ in table.keys]
    choices = []
    for name in names:
        own = [one for one in conditions if set(_words(one)) & set(names) == {name}]
        values = list(_values(table, name, own))
        kept = fitting(table, connection, [(value,) for value in values], own, [name])
        choices.append([values[number] for number in kept])
    count = 1
    for each in choices:
        count *= len(each)
    if count > MOST:
        raise errors.QueryFault(
            f"GENERIC_USER_ERROR: The projection means {count:,} partitions; the most is {MOST:,}."
        )
    rows: list[tuple[str | None, ...]] = list(itertools.product(*choices))
    template = table.parameters.get("storage.location.template")
    for number in fitting(table, connection, rows, conditions):
        yield Partition(rows[number], _place(table, template, names, rows[number]))


def _words(condition: str) -> list[str]:
    return re.findall(r'"((?:[^"]|"")+)"', condition)


def _place(table: Table, template: str | None, names: list[str], values: tuple[str | None, ...]) -> str:
    if template is None:
        path = "/".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        return f"{table.location.rstrip('/')}/{path}/"
    for name, value in zip(names, values, strict=True):
        template = template.replace(f"${{{name}}}", str(value))
    return template


def _values(table: Table, name: str, conditions: list[str]) -> Iterator[str]:
    """Every value that the projection of a key means. QueryFault: it is none."""
    said = {
        key.removeprefix(f"projection.{name}."): value
        for key, value in table.parameters.items()
        if key.startswith(f"projection.{name}.")
    }
    match said.get("type", "").lower():
        case "enum":
            yield from (one.strip() for one in said.get("values", "").split(",") if one.strip())
        case "integer":
            yield from _integers(table, name, said)
        case "date":
            yield from _dates(table, name, said)
        case "injected":
            yield from _injected(name, conditions)
        case kind:
            raise _invalid(table, f"projection.{name}.type is {kind!r}")


def _integers(table: Table, name: str, said: dict[str, str]) -> Iterator[str]:
    try:
        low, high = (int(one) for one in said["range"].split(","))
        step, digits = int(said.get("interval", 1)), int(said.get("digits", 0))
    except (KeyError, ValueError):
        raise _invalid(table, f"projection.{name}.range is no range of numbers") from None
    if step < 1 or high < low or (high - low) // step > MOST or digits > _DIGITS:
        raise _invalid(table, f"projection.{name}.range has no values, or too many")
    yield from (f"{value:0{digits}d}" for value in range(low, high + 1, step))


def _dates(table: Table, name: str, said: dict[str, str]) -> Iterator[str]:
    form = said.get("format", "yyyy-MM-dd")
    plain = re.sub(r"'([^']*)'", r"\1", form)
    for java, ours in _FORMS:
        plain = plain.replace(java, ours)
    unit = said.get("interval.unit", _unit(form)).upper().rstrip("S")
    try:
        low, high = (_moment(one.strip(), plain) for one in said["range"].split(","))
        step = int(said.get("interval", 1))
    except (KeyError, ValueError, OverflowError):
        raise _invalid(table, f"projection.{name}.range is no range of dates in {form}") from None
    count = 0
    while low <= high:
        yield low.strftime(plain)
        count += 1
        if count > MOST or step < 1:
            raise _invalid(table, f"projection.{name}.range has too many values")
        try:
            low = _later(low, unit, step)
        except (ValueError, OverflowError, KeyError):
            raise _invalid(table, f"projection.{name}.interval leads out of the calendar") from None


def _unit(form: str) -> str:
    """The finest that a form tells."""
    units = (("ss", "SECOND"), ("mm", "MINUTE"), ("HH", "HOUR"), ("dd", "DAY"), ("MM", "MONTH"))
    return next((unit for part, unit in units if part in form), "YEAR")


def _moment(text: str, form: str) -> datetime:
    found = _NOW.fullmatch(text)
    if found is None:
        return datetime.strptime(text, form)
    now = datetime.now(UTC).replace(tzinfo=None)
    count = int(found[2] or 0) * (-1 if found[1] == "-" else 1)
    # What is finer than the form does not count.
    return datetime.strptime(_later(now, (found[3] or "DAY").upper(), count).strftime(form), form)


def _later(moment: datetime, unit: str, count: int) -> datetime:
    if unit in ("MONTH", "YEAR"):
        months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "YEAR" else 1)
        return moment.replace(year=months // 12, month=months % 12 + 1, day=min(moment.day, 28))
    return moment + timedelta(seconds=_SECONDS[unit] * count)


def _injected(name: str, conditions: list[str]) -> Iterator[str]:
    """The values that equalities name."""
    found = [
        value.replace("''", "'")
        for one in conditions
        for value in re.findall(
            rf'"{re.escape(name)}"\s*(?:=|IN)\s*\(?((?:\'(?:[^\']|\'\')*\'(?:,\s*)?)+)\)?', one
        )
        for value in re.findall(r"'((?:[^']|'')*)'", value)
    ]
    if not found:
        words = f"For the injected projected partition column {name}, the WHERE clause must contain only static"
        more = "equality conditions, and at least one such condition must be present."
        raise errors.QueryFault(f"CONSTRAINT_VIOLATION: {words} {more}")
    yield from found


def _invalid(table: Table, why: str) -> errors.QueryFault:
    words = f"Table {table.database}.{table.name} is configured for partition projection, but {why}."
    return errors.QueryFault(f"INVALID_TABLE_PROPERTY: {words}")


def path_of(keys: list[tuple[str, types.HiveType]], values: list[str]) -> str:
    """The folder of a partition: k=v/ ..."""
    return "".join(f"{name}={value}/" for (name, _), value in zip(keys, values, strict=True))
