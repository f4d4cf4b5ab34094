"""How the files of a table are read: its SerDe as SQL of DuckDB over one line or one column.

https://docs.aws.amazon.com/athena/latest/ug/supported-serdes.html
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from sagelab.lake import errors
from sagelab.lake.catalog import Table
from sagelab.lake.filesystem import Files
from sagelab.lake.objects import Object
from sagelab.lake.types import HiveType, literal, quoted

PARQUET, DELIMITED, QUOTED, JSON, TRAIL = "parquet", "delimited", "csv", "json", "cloudtrail"
_SERDES = {
    "ParquetHiveSerDe": PARQUET,
    "LazySimpleSerDe": DELIMITED,
    "OpenCSVSerde": QUOTED,
    "JsonSerDe": JSON,
    "CloudTrailSerde": TRAIL,
}
_REFUSED = ("Orc", "Avro", "Regex", "Grok", "Ion", "Iceberg", "Hudi", "Delta")
_NO_DELIMITER = "e'\\x1e\\x1f\\x1e\\x1f'"  # of lines that are read whole
_WIDEST = 64  # fields of a line beyond the table's columns, which are left alone
SAMPLE = 256 << 10  # bytes of a file in which the spelling of its keys is looked up
Spelling = dict[str, Any]  # a key in small letters -> (as it is spelt, the spelling of what is in it)


@dataclass(frozen=True)
class Format:
    """kind: of the SerDe. options: its properties. skip: lines at the beginning of a file. silent: an error tells
    nothing of what is in a line."""

    kind: str
    options: dict[str, str] = field(default_factory=dict, hash=False)
    skip: int = 0
    silent: bool = False

    @property
    def separator(self) -> str:
        if self.kind == QUOTED:
            return self.options.get("separatorChar", ",")
        return self.options.get("field.delim") or self.options.get("serialization.format") or "\x01"


def of_table(table: Table, storage: dict[str, Any] | None = None) -> Format:
    """QueryFault: nothing here reads it."""
    found = storage or table.storage
    serde = found.get("SerdeInfo") or {}
    library = str(serde.get("SerializationLibrary") or "")
    kind = next((kind for name, kind in _SERDES.items() if library.endswith(name)), "")
    if kind == JSON and str(found.get("InputFormat") or "").endswith("CloudTrailInputFormat"):
        kind = TRAIL  # AWS's own table of a trail has the SerDe of JSON's lines
    if not kind:
        if any(one in library for one in _REFUSED) or table.parameters.get("table_type", "").upper() == "ICEBERG":
            raise errors.QueryFault(
                f"NOT_SUPPORTED: {library or 'ICEBERG'} is not something the local cloud reads."
            )
        raise errors.QueryFault(
            f"HIVE_INVALID_METADATA: Unknown SerDe {library!r} of {table.database}.{table.name}"
        )
    try:
        skip = int(table.parameters.get("skip.header.line.count", 0))
    except ValueError:
        skip = 0
    options = {str(key): str(value) for key, value in (serde.get("Parameters") or {}).items()}
    if options.get("field.delim") is None and "delimiter" in table.parameters:
        options["field.delim"] = table.parameters["delimiter"]
    return Format(kind, options, skip)


def source(form: Format, addresses: list[str], width: int) -> str:
    """FROM of files of text. width: the table's columns."""
    listed = "[" + ", ".join(map(literal, addresses)) + "]"
    common = (
        f"header=false, auto_detect=false, hive_partitioning=true, hive_types_autocast=false, skip={form.skip}"
    )
    common += ", max_line_size=33554432"
    if form.kind != QUOTED:
        line = f"columns={{'line': 'VARCHAR'}}, delim={_NO_DELIMITER}, quote='', escape=''"
        return f"read_csv({listed}, {line}, {common})"
    names = ", ".join(f"'f{number}': 'VARCHAR'" for number in range(width + _WIDEST))
    marks = f"quote={literal(form.options.get('quoteChar', chr(34)))}, "
    escape = form.options.get("escapeChar", "\\")
    marks += f"escape={literal(chr(34) if escape == chr(92) else escape)}"
    lenient = "null_padding=true, strict_mode=false, parallel=false"
    return (
        f"read_csv({listed}, columns={{{names}}}, delim={literal(form.separator)}, {marks}, {lenient}, {common})"
    )


def columns(form: Format, wanted: list[tuple[str, HiveType]], spelling: Spelling) -> list[str]:
    """The table's columns, each an expression over what `source` or `rows` has."""
    if form.kind == QUOTED:
        return [_cast(f"f{number}", kind, number) for number, (_, kind) in enumerate(wanted)]
    if form.kind == DELIMITED:
        return [_field(form, number, kind) for number, (_, kind) in enumerate(wanted)]
    return [_member("document", name, kind, spelling) for name, kind in wanted]


def rows(form: Format, origin: str, keys: list[str]) -> str:
    """SELECT of the lines of files of text, with what `columns` looks at. keys: of partitions."""
    more = "".join(f", {key}" for key in keys)
    if form.kind == QUOTED:
        return f"SELECT * FROM {origin}"
    if form.kind == DELIMITED:
        return f"SELECT {_split(form)} AS fields{more} FROM {origin} WHERE line IS NOT NULL"
    if form.kind == TRAIL:
        records = "from_json(json_extract(line, '$.Records'), '[\"JSON\"]')"
        return f"SELECT unnest({records}) AS document{more} FROM {origin} WHERE json_valid(line)"
    lenient = form.options.get("ignore.malformed.json", "").lower() == "true"
    shown = "''" if form.silent else "line[1:80]"
    fault = "NULL" if lenient else f"error('HIVE_CURSOR_ERROR: Row is not a valid JSON Object: ' || {shown})"
    valid = f"CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' THEN line::JSON ELSE {fault} END"
    return f"SELECT {valid} AS document{more} FROM {origin} WHERE line IS NOT NULL AND trim(line) <> ''"


def _split(form: Format) -> str:
    escape = form.options.get("escape.delim")
    if not escape:
        return f"string_split(line, {literal(form.separator)})"
    hidden = f"replace(replace(line, {literal(escape * 2)}, chr(2)), {literal(escape + form.separator)}, chr(3))"
    parts = f"string_split({hidden}, {literal(form.separator)})"
    shown = f"replace(replace(p, chr(3), {literal(form.separator)}), chr(2), {literal(escape)})"
    return f"list_transform({parts}, lambda p: {shown})"


def _field(form: Format, number: int, kind: HiveType) -> str:
    """A field of a line: what is none of its type is NULL, as Hive has it."""
    null = form.options.get("serialization.null.format", "\\N")
    return _lazy(form, f"nullif(fields[{number + 1}], {literal(null)})", kind, 1)


def _lazy(form: Format, text: str, kind: HiveType, depth: int) -> str:
    marks = {1: form.options.get("collection.delim") or form.options.get("colelction.delim") or "\x02", 2: "\x03"}
    between = marks.get(depth, chr(depth + 1))
    if kind.name == "array":
        part = f"e{depth}"
        inner = _lazy(form, part, kind.parts[0], depth + 1)
        return f"list_transform(string_split({text}, {literal(between)}), lambda {part}: {inner})"
    if kind.name == "map":
        of_keys = form.options.get("mapkey.delim") or "\x03"
        pair = f"string_split(e{depth}, {literal(of_keys)})"
        key, value = (_lazy(form, f"{pair}[{at}]", part, depth + 2) for at, part in enumerate(kind.parts, 1))
        pairs = f"string_split({text}, {literal(between)})"
        return f"map_from_entries(list_transform({pairs}, lambda e{depth}: {{'k': {key}, 'v': {value}}}))"
    if kind.name == "struct":
        parts = f"string_split({text}, {literal(between)})"
        inner = ", ".join(
            f"{literal(name)}: {_lazy(form, f'{parts}[{at}]', part, depth + 1)}"
            for at, (name, part) in enumerate(zip(kind.names, kind.parts, strict=True), 1)
        )
        return f"CASE WHEN {text} IS NULL THEN NULL ELSE {{{inner}}} END"
    if kind.name == "binary":
        return f"from_base64({text})"
    return text if kind.duckdb == "VARCHAR" else f"TRY_CAST({text} AS {kind.duckdb})"


def _cast(text: str, kind: HiveType, number: int) -> str:
    """A field of OpenCSVSerde's: what is none of its type ends the query."""
    if kind.duckdb == "VARCHAR":
        return text
    if kind.name in ("array", "map", "struct"):
        raise errors.bad_data(f"OpenCSVSerde has no {kind.name}")
    said = f"'HIVE_BAD_DATA: Error parsing field value ''' || {text} || ''' for field {number}'"
    said += f" || ': For input string: \"' || {text} || '\"'"
    value = f"TRY_CAST({text} AS {kind.duckdb})"
    if kind.name == "date":  # days since 1970, or a date
        value = f"coalesce(DATE '1970-01-01' + TRY_CAST({text} AS INTEGER), {value})"
    if kind.name == "timestamp":  # milliseconds
        value = f"coalesce(make_timestamp(TRY_CAST({text} AS BIGINT) * 1000), {value})"
    return f"CASE WHEN {text} IS NULL THEN NULL ELSE coalesce({value}, error({said})::{kind.duckdb}) END"


def _member(document: str, name: str, kind: HiveType, spelling: Spelling) -> str:
    """A member of a JSON object, in the letters that the data has."""
    spelt, inner = spelling.get(name, (name, {}))
    path = literal("/" + spelt.replace("~", "~0").replace("/", "~1"))  # RFC 6901: of a key whatever is in it
    return _value(f"json_extract({document}, {path})", kind, inner, 1)


def _value(found: str, kind: HiveType, spelling: Spelling, depth: int) -> str:
    """A JSON value as one of a type."""
    if kind.name == "struct":
        inner = ", ".join(
            f"{literal(name)}: {_member(found, name, part, spelling)}"
            for name, part in zip(kind.names, kind.parts, strict=True)
        )
        return f"CASE WHEN json_type({found}) = 'OBJECT' THEN {{{inner}}} END"
    if kind.name == "array":
        part = f"e{depth}"
        inner = _value(part, kind.parts[0], spelling, depth + 1)
        listed = f"CASE WHEN json_type({found}) = 'ARRAY' THEN from_json({found}, '[\"JSON\"]') END"
        return f"list_transform({listed}, lambda {part}: {inner})"
    if kind.name == "map":
        part = f"e{depth}"
        path = f"'/' || replace(replace({part}, '~', '~0'), '/', '~1')"
        value = _value(f"json_extract({found}, {path})", kind.parts[1], spelling, depth + 1)
        pairs = f"list_transform(json_keys({found}), lambda {part}: {{'k': {part}, 'v': {value}}})"
        return f"CASE WHEN json_type({found}) = 'OBJECT' THEN map_from_entries({pairs}) END"
    text = f"({found} ->> '$')"
    if kind.duckdb == "VARCHAR":
        return text
    said = f"'HIVE_BAD_DATA: Error parsing a column in the table: For input string: \"' || {text} || '\"'"
    value = f"coalesce(TRY_CAST({text} AS {kind.duckdb}), error({said})::{kind.duckdb})"
    return f"CASE WHEN {text} IS NULL THEN NULL ELSE {value} END"


def spelling_of(form: Format, files: Files, found: list[tuple[str, Object]]) -> Spelling:
    """How the keys of JSON are spelt, by the beginnings of some files: the catalogue has small letters alone."""
    known: Spelling = {}
    if form.kind not in (JSON, TRAIL):
        return known
    for address, each in found[:3]:
        for document in _documents(_beginning(files, address, each), form.kind):
            _learn(known, document, 0)
    mapped = {
        key.removeprefix("mapping.").lower(): value
        for key, value in form.options.items()
        if key.startswith("mapping.")
    }
    return known | {name: (spelt, known.get(spelt.lower(), ("", {}))[1]) for name, spelt in mapped.items()}


def _beginning(files: Files, address: str, found: Object) -> bytes:
    name = address.partition("://")[2]
    content = files.fetch(name, found, 0, min(SAMPLE, found.size))
    if found.key.endswith(".gz"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, 16 * SAMPLE)
    return content


def _documents(content: bytes, kind: str) -> list[Any]:
    text = content.decode("utf-8", "replace")
    if kind == TRAIL:
        return _records(text)
    found = []
    for line in text.splitlines()[:500]:
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return found


def _records(text: str) -> list[Any]:
    """Those of {"Records": [...]}, as far as the text goes."""
    decoder, found = json.JSONDecoder(), list[Any]()
    at = text.find("[") + 1
    while at and at < len(text) and len(found) < 500:
        try:
            record, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(record)
        at += len(text[at : at + 2]) - len(text[at : at + 2].lstrip(", \n"))
    return found


def _learn(known: Spelling, document: Any, depth: int) -> None:
    if isinstance(document, list):
        for one in document[:20]:
            _learn(known, one, depth)
    if not isinstance(document, dict) or depth > 16:
        return
    for key, value in list(document.items())[:2000]:
        _, inner = known.setdefault(key.lower(), (key, {}))
        _learn(inner, value, depth + 1)
    return


def qualified(table: Table) -> str:
    return f"{quoted(table.database)}.{quoted(table.name)}"
