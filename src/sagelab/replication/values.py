"""Values in the forms of CSV and Parquet, by the types of PostgreSQL as DMS maps them.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.PostgreSQL.html#CHAP_Source-PostgreSQL-DataTypes
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

_MODIFIED = re.compile(r"^([a-z ]+?) ?\(([\d, ]+)\)(.*)$")
_SECONDS = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?$")
DIGITS = 38
INTEGERS = {"smallint": "int32", "integer": "int32", "bigint": "int64", "oid": "int64"}
NUMBERS = (*INTEGERS, "numeric", "real", "double precision")


def base(kind: str) -> tuple[str, list[int]]:
    """A type without its modifiers, and these: "numeric(10,2)" -> ("numeric", [10, 2])."""
    found = _MODIFIED.match(kind)
    if not found:
        return kind, []
    return (found[1] + found[3]).strip(), [int(part) for part in found[2].split(",")]


def plain(kind: str) -> Callable[[str], str]:
    """How a value is written in CSV, and compared by filters."""
    name, _ = base(kind)
    if name == "boolean":
        return lambda text: {"t": "true", "f": "false"}.get(text, text)
    if name == "timestamp without time zone":
        return _micro
    if name == "bytea":
        return lambda text: text.removeprefix("\\x")
    return str


def _micro(text: str) -> str:
    """With six digits of a second, as DMS has them; infinity and years before Christ as they are."""
    found = _SECONDS.match(text)
    return f"{found[1]}{(found[2] or '.').ljust(7, '0')}" if found else text


def arrow(kind: str, millis: bool = False) -> Any:
    """The type of a column in Parquet."""
    import pyarrow

    name, modifiers = base(kind)
    if name in INTEGERS:
        return pyarrow.type_for_alias(INTEGERS[name])
    if name == "numeric" and (sizes := _digits(modifiers)):
        return pyarrow.decimal128(*sizes)
    if name.startswith("timestamp with"):
        return pyarrow.timestamp("ms" if millis else "us")
    simple = {"real": "float32", "double precision": "float64", "date": "date32", "bytea": "binary"}
    return pyarrow.type_for_alias(simple.get(name, "string"))


def _digits(modifiers: list[int]) -> tuple[int, int] | None:
    """Precision and scale that Parquet has room for; None: such a number is told as text, and loses nothing."""
    precision, scale = ([*modifiers, 0] if modifiers else [0, 0])[:2]
    return (precision, scale) if 0 < precision <= DIGITS and 0 <= scale <= precision else None


def typed(kind: str) -> Callable[[str], Any]:
    """A value for its column in Parquet. ValueError, ArithmeticError: the column has no room for it."""
    name, modifiers = base(kind)
    if name in INTEGERS:
        return int
    if name == "numeric" and _digits(modifiers):
        return _decimal
    if name.startswith("timestamp with"):
        return _time
    simple: dict[str, Callable[[str], Any]] = {
        "real": float,
        "double precision": float,
        "date": date.fromisoformat,
        "bytea": bytes.fromhex,
    }
    return simple.get(name, str)


def _decimal(text: str) -> Decimal:
    found = Decimal(text)
    if not found.is_finite():
        raise ValueError(text)
    return found


def _time(text: str) -> datetime:
    """Without a zone: UTC."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def compare(kind: str, text: str) -> Any:
    """What a filter compares: numbers as such, all else as text."""
    return Decimal(text) if base(kind)[0] in NUMBERS else text
