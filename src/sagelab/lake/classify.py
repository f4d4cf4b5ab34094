"""What a file is, and which columns it has, by its beginning: what a crawler's classifiers find.

https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html#classifier-built-in
"""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from sagelab.lake import types
from sagelab.lake.filesystem import Files
from sagelab.lake.objects import Object
from sagelab.lake.types import HiveType

READ = 1 << 20  # bytes of a file that are looked at
ROWS = 1000
DELIMITERS = ",|\t;\x01"
UNKNOWN = "UNKNOWN"
_WHOLE, _REAL = re.compile(r"[+-]?\d{1,18}"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LONGEST_NAME = 150
INT, BIGINT, DOUBLE, STRING, BOOLEAN = (HiveType(one) for one in ("int", "bigint", "double", "string", "boolean"))
_ORDER = [INT, BIGINT, DOUBLE]
Columns = dict[str, HiveType]


@dataclass
class Found:
    """classification: csv, json, parquet or UNKNOWN. rows, size: of what was looked at, for an average."""

    classification: str
    columns: Columns = field(default_factory=dict)
    delimiter: str = ","
    header: bool = False
    compression: str = "none"
    rows: int = 0
    size: int = 0

    def is_like(self, other: Found) -> bool:
        """Whether two files could be of one table: their format, and seven of ten of their columns."""
        if (self.classification, self.compression) != (other.classification, other.compression):
            return False
        if self.classification == "csv" and (self.delimiter, self.header) != (other.delimiter, other.header):
            return False
        one, two = set(self.columns), set(other.columns)
        return len(one & two) >= 0.7 * max(len(one), len(two), 1)

    def merged(self, other: Found) -> Found:
        columns = dict(self.columns)
        for name, kind in other.columns.items():
            columns[name] = widen(columns[name], kind) if name in columns else kind
        rows, size = self.rows + other.rows, self.size + other.size
        return Found(self.classification, columns, self.delimiter, self.header, self.compression, rows, size)


def widen(one: HiveType, two: HiveType) -> HiveType:
    """The type that holds what both hold."""
    if one == two:
        return one
    if one in _ORDER and two in _ORDER:
        return _ORDER[max(_ORDER.index(one), _ORDER.index(two))]
    if one.name == two.name == "array":
        return HiveType("array", (widen(one.parts[0], two.parts[0]),))
    if one.name == two.name == "struct":
        kinds = dict(zip(one.names, one.parts, strict=True))
        for name, kind in zip(two.names, two.parts, strict=True):
            kinds[name] = widen(kinds[name], kind) if name in kinds else kind
        return HiveType("struct", tuple(kinds.values()), tuple(kinds))
    return STRING


def classify(connection: duckdb.DuckDBPyConnection, files: Files, address: str, found: Object) -> Found:
    """QueryFault: the file cannot be read."""
    name = address.partition("://")[2]
    content = files.fetch(name, found, 0, min(READ, found.size))
    if content[:4] == b"PAR1":
        return _parquet(connection, address, found)
    compression, whole = "none", found.size <= READ
    if content[:2] == b"\x1f\x8b":
        compression = "gzip"
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            content = unpacking.decompress(content, 4 * READ)
        except zlib.error:
            return Found(UNKNOWN)
        whole = unpacking.eof
    if b"\0" in content[:4096]:
        return Found(UNKNOWN, compression=compression)
    text = content.decode("utf-8-sig", "replace")
    lines = text.splitlines() if whole else text.splitlines()[:-1] or text.splitlines()
    made = _json(lines) or _csv(lines)
    made.compression, made.size = compression, len(content)
    return made


def _parquet(connection: duckdb.DuckDBPyConnection, address: str, found: Object) -> Found:
    try:
        read = connection.sql(f"SELECT * FROM read_parquet('{address}', hive_partitioning=false)")
        rows = connection.execute(f"SELECT num_rows FROM parquet_file_metadata('{address}')").fetchone()
    except duckdb.Error:
        return Found(UNKNOWN)
    columns = {
        str(name).lower(): types.of_table(kind) for name, kind in zip(read.columns, read.types, strict=True)
    }
    return Found("parquet", columns, rows=int(rows[0]) if rows else 0, size=found.size)


# JSON


def _json(lines: list[str]) -> Found | None:
    documents = []
    for line in lines[:ROWS]:
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        documents.append(document)
    if not documents:
        return None
    columns: Columns = {}
    for document in documents:
        for name, value in document.items():
            kind = _kind_of(value, 0)
            lower = name.lower()
            if kind is not None:
                columns[lower] = widen(columns[lower], kind) if lower in columns else kind
            else:
                columns.setdefault(lower, STRING)
    return Found("json", columns, rows=len(documents))


def _kind_of(value: Any, depth: int) -> HiveType | None:
    """None: nothing can be said of it."""
    if value is None or depth > types.DEEPEST // 2:
        return None
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INT if abs(value) < 1 << 31 else (BIGINT if abs(value) < 1 << 63 else STRING)
    if isinstance(value, float):
        return DOUBLE
    if isinstance(value, list):
        return HiveType("array", (_joined(_kind_of(one, depth + 1) for one in value[:100]) or STRING,))
    if isinstance(value, dict):
        inner: Columns = {}
        for name, one in value.items():
            inner[name.lower()] = _kind_of(one, depth + 1) or STRING
        return HiveType("struct", tuple(inner.values()), tuple(inner)) if inner else STRING
    return STRING


def _joined(kinds: Iterable[HiveType | None]) -> HiveType | None:
    found: HiveType | None = None
    for kind in kinds:
        if kind is not None:
            found = widen(found, kind) if found is not None else kind
    return found


# CSV


def _csv(lines: list[str]) -> Found:
    """Two columns and two rows at least; the first row is a head where it is text alone and the others are not."""
    text = "\n".join(line for line in lines[:ROWS] if line)
    counts = Counter[str]()
    for mark in DELIMITERS:
        widths = Counter(len(row) for row in _rows(text, mark))
        width, times = widths.most_common(1)[0] if widths else (0, 0)
        if width >= 2 and times >= 0.9 * sum(widths.values()):
            counts[mark] = width
    if not counts:
        return Found(UNKNOWN)
    delimiter = counts.most_common(1)[0][0]
    rows = [row for row in _rows(text, delimiter) if len(row) == counts[delimiter]]
    if len(rows) < 2:
        return Found(UNKNOWN)
    kinds = [_of_column([row[at] for row in rows[1:]]) for at in range(counts[delimiter])]
    head = rows[0]
    is_head = _is_head(head, kinds)
    if not is_head:
        kinds = [_of_column([row[at] for row in rows]) for at in range(len(head))]
    names = _unique([_named(one) for one in head]) if is_head else [f"col{at}" for at in range(len(head))]
    count = len(rows) - is_head
    return Found("csv", dict(zip(names, kinds, strict=True)), delimiter, is_head, rows=count)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        return []


def _is_head(head: list[str], kinds: list[HiveType]) -> bool:
    plain = all(_of_column([one]) == STRING and len(one) < _LONGEST_NAME and one.strip() for one in head)
    return plain and any(kind != STRING for kind in kinds)


def _of_column(values: list[str]) -> HiveType:
    there = [one.strip() for one in values if one.strip()]
    if not there:
        return STRING
    if all(_WHOLE.fullmatch(one) for one in there):
        return BIGINT
    if all(_REAL.fullmatch(one) for one in there):
        return DOUBLE
    return BOOLEAN if all(one.lower() in ("true", "false") for one in there) else STRING


def _named(text: str) -> str:
    return re.sub(r"[\n\r,]", " ", text.strip().strip('"').lower())


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name] - 1}")
    return found
