"""What the asker of a query sees of a table that Lake Formation governs: a table of DuckDB's with nothing else.

Rows that a filter hides are left out before the asker's SQL runs: what is hidden is in nothing that it can name,
and no condition of its own is tried on it, whose error would tell of it.
https://docs.aws.amazon.com/lake-formation/latest/dg/data-filtering.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlglot import exp

from sagelab.lake import errors
from sagelab.lake.types import quoted

Ask = Callable[[dict[str, Any]], dict[str, Any]]
NO_COLUMNS = "Relation contains no accessible columns"


def nothing(_: dict[str, Any]) -> dict[str, Any]:
    """Nobody is there to be asked: IAM alone decides."""
    return {}


@dataclass(frozen=True)
class Cells:
    """columns: that are seen in the rows for which `rows`, SQL over the table's columns, holds; "": in all."""

    columns: tuple[str, ...]
    rows: str
    used: tuple[str, ...]


@dataclass(frozen=True)
class Permit:
    """table: as the catalogue has it, whole. keys: with which its folder is read, {bucket, prefix, keys}; {}: the
    asker's own."""

    table: dict[str, Any]
    cells: tuple[Cells, ...]
    whole: bool
    writes: bool
    keys: dict[str, Any]

    @classmethod
    def read(cls, found: dict[str, Any]) -> Permit | None:
        """None: IAM alone decides. QueryFault: it could not be found out."""
        if "reason" in found:
            raise _denied(found["reason"])
        if "cells" not in found:
            return None
        cells = tuple(
            Cells(tuple(one["columns"]), one["rows"] or "", tuple(one["used"])) for one in found["cells"]
        )
        return cls(found["table"], cells, found["whole"], found["writes"], found["keys"] or {})

    def check(self, name: str, is_view: bool, writes: bool) -> None:
        """QueryFault: nothing of the table is seen, or it may not be written."""
        if (writes and not self.writes) or (is_view and not self.whole):
            wanted = "Insert" if writes else "Select"
            raise _denied(f"Insufficient Lake Formation permission(s): Required {wanted} on {name}")
        if not self.table:
            raise errors.QueryFault(f"COLUMN_NOT_FOUND: line 1:8: {NO_COLUMNS}", errors.NO_COLUMN)

    @property
    def limits_rows(self) -> bool:
        return any(one.rows for one in self.cells)

    def needed(self, wanted: set[str] | None) -> set[str]:
        """The columns that are looked at. wanted: those that the query names; None: any."""
        used = {name for one in self.cells for name in one.used}
        return used | set(self.shown([name for one in self.cells for name in one.columns], wanted))

    def shown(self, names: list[str], wanted: set[str] | None) -> list[str]:
        """Of the table's columns those that the query can name."""
        seen = [name for name in names if any(name in one.columns for one in self.cells)]
        if not self.limits_rows or wanted is None:
            return seen
        return [name for name in seen if name in wanted] or seen[:1]

    def conditions(self, keys: list[str], own: list[str]) -> list[str]:
        """Which partitions are looked at. own: what the query asks of the keys of partitions."""
        if not self.limits_rows:
            return own
        if all(one.rows and set(one.used) <= set(keys) for one in self.cells):
            return [" OR ".join(f"({one.rows})" for one in self.cells)]
        return []  # a condition of the query's is not tried on partitions whose rows may all be hidden

    def select(self, names: list[str], source: str) -> str:
        """What is seen of a table. names: that are shown. source: SQL that has the columns that are needed."""
        columns = ", ".join(f"{self._cell(name)} AS {quoted(name)}" for name in names)
        where = " OR ".join(f"({one.rows})" for one in self.cells)
        everywhere = any(not one.rows for one in self.cells)
        return f"SELECT {columns} FROM ({source})" + ("" if everywhere else f" WHERE {where}")

    def _cell(self, name: str) -> str:
        """Of a row that is seen, a column: nothing where none of what is granted shows it there."""
        of = [one for one in self.cells if name in one.columns]
        if len(of) == len(self.cells) or any(not one.rows for one in of):
            return quoted(name)
        return f"CASE WHEN {' OR '.join(f'({one.rows})' for one in of)} THEN {quoted(name)} END"


def _denied(words: str) -> errors.QueryFault:
    return errors.QueryFault(f"Insufficient permissions to execute the query. {words}", errors.DENIED)


def wanted(query: exp.Expr) -> set[str] | None:
    """The names in a query, of columns or anything else; None: it means columns without naming them."""
    aliases = {str(one.alias_or_name).lower() for one in query.find_all(exp.Table)}
    if any(one.name.lower() in aliases for one in query.find_all(exp.Column)):
        return None
    if any(not isinstance(one.parent, exp.Count) for one in query.find_all(exp.Star)):
        return None
    if any(str(one.args.get("method") or "").upper() == "NATURAL" for one in query.find_all(exp.Join)):
        return None
    if any(one.name.lower() == "columns" or isinstance(one, exp.Columns) for one in query.find_all(exp.Func)):
        return None
    return {one.name.lower() for one in query.find_all(exp.Identifier)}


def make(connection: duckdb.DuckDBPyConnection, name: str, sql: str, barred: bool) -> None:
    """Make what the asker sees. name: of the view or table. barred: rows are hidden, so those that are seen are
    taken out first. QueryFault: they cannot be; it tells nothing of what is in them."""
    if not barred:
        connection.execute(f"CREATE VIEW {name} AS {sql}")
        return
    try:
        connection.execute(f"CREATE TABLE {name} AS {sql}")
    except (duckdb.OutOfMemoryException, errors.QueryFault):
        raise
    except duckdb.Error:
        raise errors.bad_data(f"Rows of {name} cannot be read") from None
