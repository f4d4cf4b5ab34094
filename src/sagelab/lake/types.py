"""Types as Glue's catalogue has them (Hive's), as DuckDB has them, and as Athena tells them of a result.

https://docs.aws.amazon.com/athena/latest/ug/data-types.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_PLAIN = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "binary": "BLOB",
    "varbinary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "decimal": "DECIMAL",
    "json": "JSON",
}
# DuckDB's word -> (Athena's of a result, Hive's of a table).
_FOUND = {
    "BOOLEAN": ("boolean", "boolean"),
    "TINYINT": ("tinyint", "tinyint"),
    "SMALLINT": ("smallint", "smallint"),
    "INTEGER": ("integer", "int"),
    "BIGINT": ("bigint", "bigint"),
    "HUGEINT": ("bigint", "bigint"),
    "UHUGEINT": ("bigint", "bigint"),
    "UTINYINT": ("smallint", "smallint"),
    "USMALLINT": ("integer", "int"),
    "UINTEGER": ("bigint", "bigint"),
    "UBIGINT": ("bigint", "bigint"),
    "FLOAT": ("float", "float"),
    "DOUBLE": ("double", "double"),
    "VARCHAR": ("varchar", "string"),
    "JSON": ("json", "string"),
    "UUID": ("varchar", "string"),
    "BLOB": ("varbinary", "binary"),
    "DATE": ("date", "date"),
    "TIME": ("time", "string"),
    "TIMESTAMP": ("timestamp", "timestamp"),
    "TIMESTAMP_S": ("timestamp", "timestamp"),
    "TIMESTAMP_MS": ("timestamp", "timestamp"),
    "TIMESTAMP_NS": ("timestamp", "timestamp"),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", "timestamp"),
    "INTERVAL": ("interval day to second", "string"),
    '"NULL"': ("unknown", "string"),
    "NULL": ("unknown", "string"),
}
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w$]*|`[^`]*`|\"[^\"]*\")|(\d+)|([<>(),:]))")
DEEPEST = 32
_DIGITS = 10  # of a size


class BadType(ValueError):
    """A text is no type."""


@dataclass(frozen=True)
class HiveType:
    """name: in small letters. parts: of an array, a map or a struct, whose names are `names`. sizes: (10, 2)."""

    name: str
    parts: tuple[HiveType, ...] = ()
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = field(default=())

    def __str__(self) -> str:
        """As the catalogue has it."""
        if self.name == "struct":
            inner = ",".join(f"{name}:{part}" for name, part in zip(self.names, self.parts, strict=True))
            return f"struct<{inner}>"
        if self.parts:
            return f"{self.name}<{','.join(map(str, self.parts))}>"
        return self.name + (f"({','.join(map(str, self.sizes))})" if self.sizes else "")

    @property
    def duckdb(self) -> str:
        match self.name:
            case "array":
                return f"{self.parts[0].duckdb}[]"
            case "map":
                return f"MAP({self.parts[0].duckdb}, {self.parts[1].duckdb})"
            case "struct":
                pairs = zip(self.names, self.parts, strict=True)
                return "STRUCT(" + ", ".join(f"{quoted(name)} {part.duckdb}" for name, part in pairs) + ")"
            case "decimal":
                precision, scale = (*self.sizes, 10, 0)[:2] if self.sizes else (10, 0)
                return f"DECIMAL({precision}, {scale if len(self.sizes) > 1 else 0})"
        return _PLAIN[self.name]


def read(text: str) -> HiveType:
    """A type of the catalogue. BadType: it is none."""
    tokens = list(_tokens(text))[::-1]  # the next is the last
    found = _read(tokens, 0)
    if tokens:
        raise BadType(text)
    return found


def _tokens(text: str) -> Iterator[str]:
    at = 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadType(text)
        yield found[0].strip()
        at = found.end()


def _take(tokens: list[str], *wanted: str) -> str:
    """The next token, taken if it is one of these; "": it is none of them."""
    return tokens.pop() if tokens and tokens[-1] in wanted else ""


def _read(tokens: list[str], depth: int) -> HiveType:
    if not tokens or depth > DEEPEST:
        raise BadType("a type that is not complete, or nests too deeply")
    name = tokens.pop().lower().strip('`"')
    if name in ("array", "map", "struct", "row"):
        return _read_nested("struct" if name == "row" else name, tokens, depth)
    if name not in _PLAIN:
        raise BadType(name)
    sizes: list[int] = []
    if _take(tokens, "("):
        while not _take(tokens, ")"):
            if not tokens:
                raise BadType(f"{name}(")
            token = tokens.pop()
            sizes += [int(token)] if token.isdecimal() and len(token) < _DIGITS else []
    return HiveType("int" if name == "integer" else name, sizes=tuple(sizes))


def _read_nested(name: str, tokens: list[str], depth: int) -> HiveType:
    closes = {"<": ">", "(": ")"}.get(_take(tokens, "<", "("))
    if closes is None:
        raise BadType(name)
    names, parts = list[str](), list[HiveType]()
    while not parts or _take(tokens, ","):
        if name == "struct" and tokens:
            names.append(tokens.pop().strip('`"').lower())
            _take(tokens, ":")
        parts.append(_read(tokens, depth + 1))
    if not _take(tokens, closes) or len(parts) != {"array": 1, "map": 2}.get(name, len(parts)):
        raise BadType(name)
    return HiveType(name, tuple(parts), tuple(names))


def told(kind: Any) -> str:
    """Athena's word for the type of a result's column. kind: DuckDB's."""
    word = str(kind.id).upper()
    if word in ("LIST", "ARRAY"):
        return "array"
    if word in ("MAP", "STRUCT", "DECIMAL"):
        return {"MAP": "map", "STRUCT": "row", "DECIMAL": "decimal"}[word]
    return _FOUND.get(str(kind), ("varchar", "string"))[0]


def of_table(kind: Any) -> HiveType:
    """Hive's type of a column of DuckDB's."""
    word = str(kind.id).upper()
    if word in ("LIST", "ARRAY"):
        return HiveType("array", (of_table(kind.children[0][1]),))
    if word == "MAP":
        return HiveType("map", tuple(of_table(part) for _, part in kind.children))
    if word == "STRUCT":
        names = tuple(str(name).lower() for name, _ in kind.children)
        return HiveType("struct", tuple(of_table(part) for _, part in kind.children), names)
    if word == "DECIMAL":
        sizes = tuple(int(value) for _, value in kind.children)
        return HiveType("decimal", sizes=sizes)
    return HiveType(_FOUND.get(str(kind), ("varchar", "string"))[1])


def quoted(name: str) -> str:
    """An identifier of SQL's."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text of SQL's."""
    return "'" + text.replace("'", "''") + "'"
