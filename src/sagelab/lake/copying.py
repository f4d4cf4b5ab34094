"""COPY from S3 and UNLOAD to it, with the rights of a role of the warehouse's.

https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sagelab.lake import errors
from sagelab.lake.tokens import Reader, Token
from sagelab.lake.types import literal, quoted

_FORMATS = ("csv", "json", "parquet")
_TAKEN = ("statupdate", "compupdate", "acceptinvchars", "truncatecolumns", "trimblanks", "explicit_ids")


@dataclass
class Copy:
    """table: as SQL. columns: into which; none: all."""

    table: str
    columns: list[str]
    place: str
    role: str
    format: str = "text"
    delimiter: str = "|"
    skip: int = 0
    nulls: str = ""
    packed: str = ""
    most: int = 0  # rows that may be bad


@dataclass
class Unload:
    sql: str
    place: str
    role: str
    format: str = "text"
    delimiter: str = "|"
    header: bool = False
    packed: str = ""
    overwrite: bool = False


_Found = TypeVar("_Found", Copy, Unload)


def read_copy(sql: str) -> Copy | None:
    """None: it is no COPY. QueryFault: nothing here does it."""
    if not re.match(r"\s*COPY\b", sql, re.I):
        return None
    reader = Reader(sql)
    reader.need("copy")
    name, columns = reader.name(), list[str]()
    if reader.take("("):
        while not reader.take(")"):
            columns.append(reader.word())
            reader.take(",")
    reader.need("from")
    table = f"{quoted(name.database or 'public')}.{quoted(name.table)}"
    found = Copy(table, columns, reader.text(), "")
    _read_options(reader, found, _copy_option)
    return found


def _copy_option(reader: Reader, found: Copy, word: str) -> None:
    match word:
        case "csv" | "json" | "parquet":
            found.format = word
            if word == "csv":
                found.delimiter = ","
            reader.take("as")
            if word == "json" and _comes(reader).kind == "string" and reader.text() != "auto":
                raise _not("JSON paths")
        case "ignoreheader":
            reader.take("as")
            found.skip = int(reader.value())
        case "null":
            reader.take("as")
            found.nulls = reader.text()
        case "maxerror":
            reader.take("as")
            found.most = int(reader.value())
        case "region" | "dateformat" | "timeformat":
            reader.take("as")
            if reader.text() not in ("auto",) and word != "region":
                raise _not(word.upper())
        case word if word in _TAKEN:
            reader.take("on") or reader.take("off")
        case _:
            raise _not(word.upper())


def read_unload(sql: str) -> Unload | None:
    """None: it is no UNLOAD. QueryFault: nothing here does it."""
    if not re.match(r"\s*UNLOAD\b", sql, re.I):
        return None
    reader = Reader(sql)
    reader.need("unload", "(")
    inner = reader.text()
    reader.need(")")
    reader.need("to")
    found = Unload(inner, reader.text(), "")
    _read_options(reader, found, _unload_option)
    return found


def _unload_option(reader: Reader, found: Unload, word: str) -> None:
    match word:
        case "csv" | "json" | "parquet":
            found.format = word
            found.delimiter = "," if word == "csv" else found.delimiter
        case "header":
            found.header = True
        case "allowoverwrite" | "cleanpath":
            found.overwrite = True
        case "parallel":
            reader.take("on") or reader.take("off")
        case "region":
            reader.take("as")
            reader.text()
        case _:
            raise _not(word.upper())


def _read_options(reader: Reader, found: _Found, own: Callable[[Reader, _Found, str], None]) -> None:
    """The rest of a statement. own: takes what the other kind has not. QueryFault: nothing here does it."""
    while not reader.done and not reader.peek(";"):
        match word := reader.word():
            case "iam_role" | "credentials":
                found.role = _role(reader)
            case "format":
                reader.take("as")
            case "delimiter":
                reader.take("as")
                found.delimiter = reader.text()
            case "gzip" | "zstd":
                found.packed = word
            case _:
                own(reader, found, word)
    reader.end()
    _check(found.place, found.role)


def source(found: Copy, addresses: list[str]) -> str:
    """What COPY reads, as a table of DuckDB's."""
    listed = "[" + ", ".join(map(literal, addresses)) + "]"
    lenient = ", ignore_errors=true" if found.most else ""
    if found.format == "parquet":
        return f"read_parquet({listed})"
    if found.format == "json":
        return f"read_json({listed}, format='newline_delimited'{lenient})"
    quotes = "" if found.format == "csv" else ", quote='', escape=''"
    shape = f"header=false, auto_detect=false, all_varchar=true, delim={literal(found.delimiter)}{quotes}"
    shape += f", skip={found.skip}, nullstr={literal(found.nulls)}{lenient}, columns={{names}}"
    return f"read_csv({listed}, {shape})"


def options(found: Unload) -> str:
    """Of DuckDB's COPY."""
    if found.format == "parquet":
        return "FORMAT parquet, COMPRESSION snappy"
    packed = f", COMPRESSION {found.packed}" if found.packed else ""
    if found.format == "json":
        return f"FORMAT json{packed}"
    quotes = "" if found.format == "csv" else ", QUOTE '', ESCAPE ''"
    header = str(found.header).lower()
    return f"FORMAT csv, HEADER {header}, DELIMITER {literal(found.delimiter)}{quotes}{packed}"


def _role(reader: Reader) -> str:
    reader.take("as")
    if reader.take("default"):
        return "default"
    text = reader.text()
    return text.removeprefix("aws_iam_role=")


def _comes(reader: Reader) -> Token:
    return reader.tokens[reader.at] if reader.at < len(reader.tokens) else Token("", "", 0, 0)


def _check(place: str, role: str) -> None:
    if not place.startswith("s3://"):
        raise errors.QueryFault("ERROR: The S3 path must begin with s3://")
    if not role:
        raise errors.QueryFault("ERROR: No credentials: IAM_ROLE names the role that reads and writes S3")


def _not(what: str) -> errors.QueryFault:
    return errors.QueryFault(f"ERROR: {what} is not something the local cloud's COPY and UNLOAD can do.")
