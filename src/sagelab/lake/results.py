"""A result as Athena writes it: every value a text, in quotes, NULL as nothing.

https://docs.aws.amazon.com/athena/latest/ug/querying.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import duckdb

from sagelab.lake import types
from sagelab.lake.filesystem import Files
from sagelab.lake.types import literal, quoted

REAL = "athena_real"
_BETWEEN = " || ', ' || "


@dataclass(frozen=True)
class Column:
    """name: as the result's head has it. type: in Athena's words."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0

    @property
    def told(self) -> dict[str, Any]:
        """As GetQueryResults' ColumnInfo has it."""
        sensitive = self.type in ("varchar", "json", "char")
        sizes = {
            "integer": (10, 0),
            "bigint": (19, 0),
            "smallint": (5, 0),
            "tinyint": (3, 0),
            "double": (17, 0),
            "float": (17, 0),
            "varchar": (2147483647, 0),
            "timestamp": (3, 0),
        }
        precision, scale = (self.precision, self.scale) if self.precision else sizes.get(self.type, (0, 0))
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": self.type,
            "Precision": precision,
            "Scale": scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": sensitive,
        }


# A number as Java writes it, 1.0E10, of DuckDB's text of it: "10000000000.0", "1e-05".
_MACROS = (
    "lake_digits(d, p) AS d[1] || '.' || coalesce(nullif(rtrim(d[2:], '0'), ''), '0') || 'E' || p",
    "lake_plain(w, f) AS CASE WHEN w <> '0' THEN lake_digits(w || f, len(w) - 1)"
    " ELSE lake_digits(ltrim(f, '0'), -(len(f) - len(ltrim(f, '0'))) - 1) END",
    "lake_text(t) AS CASE WHEN contains(t, 'e') THEN lake_digits(replace(split_part(t, 'e', 1), '.', ''),"
    " CAST(split_part(t, 'e', 2) AS INTEGER)) ELSE lake_plain(split_part(t, '.', 1), split_part(t, '.', 2)) END",
    f"{REAL}(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity'"
    " ELSE '-Infinity' END ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || lake_text(CAST(abs(x) AS VARCHAR)) END",
)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Before `text_of` is used."""
    for one in _MACROS:
        connection.execute(f"CREATE OR REPLACE MACRO {one}")


def text_of(sql: str, kind: Any, depth: int = 0) -> str:
    """An expression of a type as the text that Athena shows of it."""
    word, name = str(kind.id).upper(), str(kind)
    if word in ("FLOAT", "DOUBLE"):
        plain = f"{sql} = 0 OR abs({sql}) BETWEEN 0.001 AND 9999999.999999999"
        return f"CASE WHEN {plain} THEN CAST({sql} AS VARCHAR) ELSE {REAL}({sql}) END"
    if name == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({sql}::TIMESTAMP, '%Y-%m-%d %H:%M:%S.%g') || ' UTC'"
    if name.startswith("TIMESTAMP"):
        return f"strftime({sql}::TIMESTAMP, '%Y-%m-%d %H:%M:%S.%g')"
    if word == "BLOB":
        return f"trim(regexp_replace(lower(hex({sql})), '(..)', '\\1 ', 'g'))"
    if word in ("LIST", "ARRAY"):
        part = f"v{depth}"
        inner = f"coalesce({text_of(part, kind.children[0][1], depth + 1)}, 'null')"
        listed = f"array_to_string(list_transform({sql}, lambda {part}: {inner}), ', ')"
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE '[' || {listed} || ']' END"
    if word == "MAP":
        part = f"v{depth}"
        key, value = (
            text_of(f"{part}.{name}", one, depth + 1)
            for name, (_, one) in zip(("key", "value"), kind.children, strict=True)
        )
        inner = f"{key} || '=' || coalesce({value}, 'null')"
        listed = f"array_to_string(list_transform(map_entries({sql}), lambda {part}: {inner}), ', ')"
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE '{{' || {listed} || '}}' END"
    if word == "STRUCT":
        parts = [
            f"{literal(f'{name}=')} || coalesce({text_of(f'({sql}).{quoted(name)}', one, depth + 1)}, 'null')"
            for name, one in kind.children
        ]
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE '{{' || {_BETWEEN.join(parts)} || '}}' END"
    return f"CAST({sql} AS VARCHAR)"


def numbered(names: list[str]) -> list[str]:
    """The names of a result's columns, with those of columns without a name by their place in it."""
    return [f"_col{at}" if re.fullmatch(r"_col\d+", name) else name for at, name in enumerate(names)]


def columns_of(names: list[str], kinds: list[Any]) -> list[Column]:
    found = []
    for name, kind in zip(names, kinds, strict=True):
        sizes = [int(value) for _, value in kind.children] if str(kind.id).upper() == "DECIMAL" else [0, 0]
        found.append(Column(name, types.told(kind), *sizes))
    return found


def write(
    connection: duckdb.DuckDBPyConnection, files: Files, sql: str, kinds: list[Any], columns: list[Column]
) -> int:
    """Run a query and write its result to the file "result"; how many rows it has."""
    inner = ", ".join(f"c{number}" for number in range(len(columns)))
    texts = ", ".join(f"{text_of(f'c{number}', kind)} AS c{number}" for number, kind in enumerate(kinds))
    head = (",".join(csv_field(one.name) for one in columns) + "\n").encode()
    address = files.begin("result", head)
    copied = f"SELECT {texts} FROM ({sql}) AS answer({inner})"
    done = connection.execute(
        f"COPY ({copied}) TO '{address}' (FORMAT csv, HEADER false, FORCE_QUOTE *)"
    ).fetchone()
    return int(done[0]) if done else 0


def csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def metadata(columns: list[Column]) -> bytes:
    """What lies beside a result, `.csv.metadata`: its columns in JSON; on AWS it is a form of AWS's own."""
    return json.dumps({"columns": [one.told for one in columns]}).encode()
