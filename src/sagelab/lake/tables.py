"""A table of the catalogue as a view of DuckDB's, over those of its files that a query needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb

from sagelab.lake import errors, filesystem, formats, functions, partitions, permits, results
from sagelab.lake.catalog import Catalog, Table
from sagelab.lake.filesystem import Files
from sagelab.lake.formats import Format
from sagelab.lake.objects import Object, Objects
from sagelab.lake.partitions import Partition
from sagelab.lake.types import HiveType, literal, quoted

PATH = "$path"
# Hive's type -> the kinds of Parquet's columns, in DuckDB's words, that can be read as it.
_WIDER = {
    "TINYINT": ("TINYINT",),
    "SMALLINT": ("TINYINT", "SMALLINT", "UTINYINT"),
    "INTEGER": ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT"),
    "BIGINT": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    "FLOAT": ("FLOAT",),
    "DOUBLE": ("FLOAT", "DOUBLE"),
    "VARCHAR": ("VARCHAR", "BLOB", "JSON", "ENUM", "UUID"),
    "BLOB": ("BLOB", "VARCHAR"),
    "DATE": ("DATE",),
    "TIMESTAMP": ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"),
    "BOOLEAN": ("BOOLEAN",),
}


@dataclass(frozen=True)
class Place:
    """What the tables of one query are made with. nested: how deep views stand in views."""

    connection: duckdb.DuckDBPyConnection
    files: Files
    objects: Objects
    catalog: Catalog


@dataclass(frozen=True)
class _File:
    address: str
    found: Object


def connect(files: Files, memory: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB that sees these files, with the functions that queries of Athena use. memory: bytes."""
    connection = filesystem.connect(files, memory, threads)
    connection.execute(";".join(functions.macros()))
    results.prepare(connection)
    return connection


def make(place: Place, table: Table, number: int, conditions: list[str], names: set[str] | None = None) -> None:
    """Make the view of a table, of what the asker sees of it. number: of the table in the query.

    conditions: on its partitions' keys. names: those in the query; None: it may mean any column.
    """
    name = f"{quoted(table.database)}.{quoted(table.name)}"
    place.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.database)}")
    permit = place.catalog.permit(table)
    if permit is None or permit.whole:
        sql = " UNION ALL ".join(_selects(place, table, number, conditions, None)) or _empty(table)
        place.connection.execute(f"CREATE VIEW {name} AS {sql}")
        return
    keys = [key for key, _ in table.keys]
    shown = permit.shown([*(column for column, _ in table.columns), *keys], names)
    if not shown:
        raise errors.QueryFault(f"COLUMN_NOT_FOUND: line 1:8: {permits.NO_COLUMNS}", errors.NO_COLUMN)
    needed, chosen = permit.needed(names), permit.conditions(keys, conditions)
    source = " UNION ALL ".join(_selects(place, table, number, chosen, needed)) or _empty(table)
    permits.make(place.connection, name, permit.select(shown, source), permit.limits_rows)


def _selects(
    place: Place, table: Table, number: int, conditions: list[str], needed: set[str] | None
) -> Iterator[str]:
    """A SELECT for each format in which partitions of the table are. needed: the columns; None: all."""
    groups: dict[Format, list[_File]] = {}
    forms: dict[str, Format] = {}
    for partition in partitions.find(table, place.catalog, place.connection, conditions):
        form = formats.of_table(table, partition.storage or None)
        form = replace(form, silent=needed is not None)
        form = forms.setdefault(f"{form.kind}{sorted(form.options.items())}{form.skip}", form)
        groups.setdefault(form, []).extend(_files(place, table, number, partition))
    for form, files in groups.items():
        if files and form.kind == formats.PARQUET:
            yield _parquet(place, table if needed is None else table.only(needed), files)
        elif files:
            yield _text(place, table, form, files, needed)


def _files(place: Place, table: Table, number: int, partition: Partition) -> Iterator[_File]:
    keys = [(f"k{at}", value) for at, value in enumerate(partition.values)]
    if not partition.location:
        return
    by = place.catalog.reader(table, partition.location)
    for found in place.objects.data(partition.location, by):
        yield _File(place.files.add(f"t{number}", keys, found), found)


def _keys(table: Table) -> list[str]:
    return [f"CAST(k{at} AS {kind.duckdb}) AS {quoted(name)}" for at, (name, kind) in enumerate(table.keys)]


def _empty(table: Table) -> str:
    named = [*table.columns, *table.keys]
    columns = ", ".join(f"CAST(NULL AS {kind.duckdb}) AS {quoted(name)}" for name, kind in named)
    return f"SELECT {columns or 'NULL AS nothing'} WHERE false"


def _text(place: Place, table: Table, form: Format, files: list[_File], needed: set[str] | None) -> str:
    spelling = formats.spelling_of(form, place.files, [(one.address, one.found) for one in files])
    keys = [f"k{at}" for at in range(len(table.keys))]
    origin = formats.source(form, [one.address for one in files], len(table.columns))
    expressions = formats.columns(form, table.columns, spelling)
    pairs = zip(expressions, table.columns, strict=True)
    named = [f"{sql} AS {quoted(name)}" for sql, (name, _) in pairs if needed is None or name in needed]
    columns = ", ".join([*named, *_keys(table)]) or "1"
    return f"SELECT {columns} FROM ({formats.rows(form, origin, keys)})"


def _parquet(place: Place, table: Table, files: list[_File]) -> str:
    schemas = _schemas(place, files)
    kinds: dict[str, tuple[str, str]] = {}  # name in small letters -> (as it is spelt, its type in DuckDB)
    for address, schema in schemas.items():
        for spelt, kind in schema.items():
            _check(table, spelt, kind, place.files.object_of(address))
            kinds.setdefault(spelt.lower(), (spelt, kind))
    alike = len({tuple(schema.items()) for schema in schemas.values()}) == 1
    listed = "[" + ", ".join(literal(one.address) for one in files) + "]"
    options = "hive_partitioning=true, hive_types_autocast=false" + ("" if alike else ", union_by_name=true")
    named = [f"{_of_file(name, kind, kinds)} AS {quoted(name)}" for name, kind in table.columns]
    return f"SELECT {', '.join([*named, *_keys(table)]) or '1'} FROM read_parquet({listed}, {options})"


def _of_file(name: str, kind: HiveType, kinds: dict[str, tuple[str, str]]) -> str:
    if name not in kinds:
        return f"CAST(NULL AS {kind.duckdb})"
    spelt, there = kinds[name]
    return quoted(spelt) if there == kind.duckdb else f"CAST({quoted(spelt)} AS {kind.duckdb})"


def _schemas(place: Place, files: list[_File]) -> dict[str, dict[str, str]]:
    """Address -> the columns of a file, with their types in DuckDB's words; "" of what is nested."""
    listed = "[" + ", ".join(literal(one.address) for one in files) + "]"
    sql = f"SELECT file_name, name, duckdb_type, num_children FROM parquet_schema({listed})"
    found: dict[str, dict[str, str]] = {one.address: {} for one in files}
    try:
        rows = place.connection.execute(sql).fetchall()
    except duckdb.InvalidInputException as error:
        raise errors.QueryFault(f"HIVE_BAD_DATA: {_named(place, str(error))}", errors.BAD_DATA) from None
    inside: dict[str, list[int]] = {}  # how many children are to come, level by level
    for address, name, kind, children in rows:
        left = inside.setdefault(address, [])
        while left and left[-1] == 0:
            left.pop()
        if left:
            left[-1] -= 1
        if len(left) == 1:
            found[address][name] = "" if children else str(kind)
        if children:
            left.append(children)
    return found


def _named(place: Place, text: str) -> str:
    """A text with the objects in it by their own names."""
    for name, found in place.files._known.items():
        text = text.replace(f"lake://{name}", found.uri)
    return text.splitlines()[0]


def _check(table: Table, spelt: str, kind: str, found: Object) -> None:
    """QueryFault: a column of a file cannot be read as the table has it."""
    wanted = dict(table.columns).get(spelt.lower())
    if wanted is None or not kind:
        return
    asked = wanted.duckdb
    fits = kind.startswith("DECIMAL") if asked.startswith("DECIMAL") else kind in _WIDER.get(asked, ())
    if not fits:
        words = f"Field {spelt}'s type {kind} in parquet file {found.uri} is incompatible with type {wanted}"
        raise errors.bad_data(f"{words} defined in table schema")
