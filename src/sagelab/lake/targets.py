"""Where rows go: what a statement that writes says of it, and what the table says that it writes into."""

from __future__ import annotations

import re
from typing import Any

import duckdb
from sqlglot import exp

from sagelab.lake import errors, formats, types
from sagelab.lake.catalog import Table
from sagelab.lake.types import quoted
from sagelab.lake.writes import Target


def described(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[Any]]:
    """The names and types of a query's columns."""
    found = connection.sql(sql)
    return list(found.columns), list(found.types)


def named(node: Any, database: str) -> tuple[str, str]:
    table = node.this if isinstance(node, exp.Schema) else node
    return (table.db or database).lower(), table.name.lower()


def properties(query: exp.Create) -> dict[str, str]:
    """WITH (...) of a CTAS: names in small letters; lists with commas."""
    found = {}
    for one in query.args["properties"].expressions if query.args.get("properties") else ():
        if isinstance(one, exp.FileFormatProperty):
            found["format"] = one.this.name
        elif isinstance(one, exp.PartitionedByProperty):
            found["partitioned_by"] = ",".join(each.name for each in one.this.expressions)
        elif isinstance(one, exp.Property) and type(one) is exp.Property:
            found[one.name.lower()] = one.args["value"].name or one.args["value"].sql()
        elif isinstance(one, exp.LocationProperty):
            found["external_location"] = one.this.name
    return found


def target(said: dict[str, str], location: str, put: dict[str, Any], packed: str = "write_compression") -> Target:
    """QueryFault: an option is none, or none that is honoured here."""
    taken = {"format", "external_location", "partitioned_by", "field_delimiter", "is_external", "compression"}
    taken |= {"write_compression", "parquet_compression"}
    if unknown := sorted(said.keys() - taken):
        words = f"The table property {unknown[0]} is not something the local cloud can do."
        raise errors.QueryFault(f"NOT_SUPPORTED: {words}")
    names = [
        one.strip(" '\"") for one in said.get("partitioned_by", "").removeprefix("ARRAY").strip("[]").split(",")
    ]
    compression = said.get(packed) or said.get("parquet_compression") or ""
    return Target(
        location if location.endswith("/") else f"{location}/",
        said.get("format", "PARQUET").upper(),
        compression.upper(),
        said.get("field_delimiter") or "\x01",
        tuple(name.lower() for name in names if name),
        put,
    )


def target_of(table: Table, put: dict[str, Any]) -> Target:
    """How rows go into a table that is there."""
    form = formats.of_table(table)
    kinds = {
        formats.PARQUET: "PARQUET",
        formats.DELIMITED: "TEXTFILE",
        formats.QUOTED: "CSV",
        formats.JSON: "JSON",
    }
    if form.kind not in kinds or form.skip:
        raise errors.QueryFault("NOT_SUPPORTED: Inserting into a table of this form is not supported")
    asked = table.parameters.get("write.compression") or table.parameters.get("parquet.compression") or ""
    where = table.location if table.location.endswith("/") else f"{table.location}/"
    keys = tuple(name for name, _ in table.keys)
    return Target(where, kinds[form.kind], asked.upper(), form.separator, keys, put)


def fitted(
    connection: duckdb.DuckDBPyConnection, sql: str, named: list[str], wanted: list[tuple[str, types.HiveType]]
) -> str:
    """A query whose columns are those of a table, in its order. QueryFault: they do not fit."""
    names, kinds = described(connection, sql)
    targets = named or [name for name, _ in wanted]
    if len(names) != len(targets):
        given = ", ".join(types.told(kind) for kind in kinds)
        words = f"Insert query has mismatched column types: Table: [{', '.join(str(kind) for _, kind in wanted)}]"
        raise errors.QueryFault(f"TYPE_MISMATCH: line 1:1: {words}, Query: [{given}]", errors.SYNTAX)
    inner = ", ".join(f"c{number}" for number in range(len(names)))
    of = {name: f"c{number}" for number, name in enumerate(targets)}
    chosen = ", ".join(f"CAST({of.get(name, 'NULL')} AS {kind.duckdb}) AS {quoted(name)}" for name, kind in wanted)
    return f"SELECT {chosen} FROM ({sql}) AS given({inner})"


def pairs(text: str) -> dict[str, str]:
    """format='PARQUET', partitioned_by = ARRAY['a','b']."""
    found = {}
    for key, listed, value in re.findall(r"(\w+)\s*=\s*(?:ARRAY\s*\[([^\]]*)\]|'((?:[^']|'')*)')", text, re.I):
        found[key] = listed or value
    return found
