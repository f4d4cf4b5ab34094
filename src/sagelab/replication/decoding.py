"""The lines of PostgreSQL's test_decoding, the plugin that DMS reads its log by.

    table public."odd name": UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 name[text]:'it''s'

https://www.postgresql.org/docs/current/test-decoding.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = r'"(?:[^"]|"")*+"|[^\s".:,\[\]]++'
_TABLE = re.compile(rf"({NAME})\.({NAME})")
_COLUMN = re.compile(rf' ({NAME})\[((?:"(?:[^"]|"")*+"|\[\]|[^\]\["])*+)\]:')
_QUOTED = re.compile(r"B?'((?:[^']++|'')*+)'")
_BARE = re.compile(r"[^ ']*+")
_ACTION = re.compile(r": (INSERT|UPDATE|DELETE|TRUNCATE):")
UNCHANGED = "unchanged-toast-datum"
_OLD, _NEW = " old-key:", " new-tuple:"
OPS = {"INSERT": "I", "UPDATE": "U", "DELETE": "D", "TRUNCATE": "T"}


@dataclass(frozen=True)
class Cell:
    """unchanged: its value is as it was, and is not told."""

    name: str
    type: str
    value: str | None
    unchanged: bool = False


@dataclass(frozen=True)
class Change:
    """old: the key that the row had, where it was told."""

    tables: tuple[tuple[str, str], ...]
    op: str
    cells: tuple[Cell, ...]
    old: tuple[Cell, ...] = ()


def parse(line: str) -> Change:
    """ValueError: it is none of test_decoding's."""
    at, tables = len("table "), list[tuple[str, str]]()
    while found := _TABLE.match(line, at):
        tables.append((_plain(found[1]), _plain(found[2])))
        at = found.end()
        if line.startswith(", ", at):
            at += 2
    action = _ACTION.match(line, at)
    if not line.startswith("table ") or not tables or not action:
        raise ValueError(f"a line that is none of test_decoding's: {line[:80]!r}")
    op, at = OPS[action[1]], action.end()
    if op == "T" or line.startswith(" (no-tuple-data)", at):
        return Change(tuple(tables), op, ())
    old = list[Cell]()
    if line.startswith(_OLD, at):
        at = _cells(line, at + len(_OLD), old)
        if not line.startswith(_NEW, at):
            raise ValueError(f"an old key without a new row: {line[:80]!r}")
        at += len(_NEW)
    cells = list[Cell]()
    if _cells(line, at, cells) != len(line):
        raise ValueError(f"a row that is cut off: {line[:80]!r}")
    return Change(tuple(tables), op, tuple(cells), tuple(old))


def _cells(line: str, at: int, found: list[Cell]) -> int:
    """Read columns; where they end."""
    while column := _COLUMN.match(line, at):
        at = column.end()
        if quoted := _QUOTED.match(line, at):
            value: str | None = quoted[1].replace("''", "'")
            at = quoted.end()
            found.append(Cell(_plain(column[1]), column[2], value))
            continue
        bare = _BARE.match(line, at)
        assert bare  # it matches nothing, too
        at, text = bare.end(), bare[0]
        value = None if text in ("null", UNCHANGED) else text
        found.append(Cell(_plain(column[1]), column[2], value, text == UNCHANGED))
    return at


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
