"""SQLite as a source, which keeps no log that could be read: triggers write each change into a table beside.

    awsdms_changes_ID   seq, tbl, op, at, c0, c1, ...   a row a change; seq goes up with each, in order of commits

A table is as the last look found it; whoever adds a column changes the schema's number, which each look reads in
the same transaction as the changes. Then triggers are made anew, and rows that changed meanwhile are noted whole.
"""

from __future__ import annotations

import json
import re
import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

from sagelab.replication.errors import Fault
from sagelab.replication.rows import Column, Mark, Name, Row, Table, Transaction, Value

SCHEMA = "main"
POLL = 0.2  # seconds between two looks whether something was committed
BUSY = 10.0  # seconds that one waits for who writes
PAGE = 10_000  # changes of one look
_AT = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
_NOTED = re.compile(r"VALUES \('((?:[^']|'')*+)', 'I', strftime\([^)]*\), '((?:[^']|'')*+)'")
_TYPES = (
    ("INT", "bigint"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("BLOB", "bytea"),
    ("REAL", "double precision"),
    ("FLOA", "double precision"),
    ("DOUB", "double precision"),
)


class Sqlite:
    """path: of the database's file. key: of the task, of which its tables and triggers are called.

    takes: the tables whose changes are wanted.
    """

    def __init__(self, path: str, key: str, takes: Callable[[Name], bool]) -> None:
        self._log, self._takes = f"awsdms_changes_{key}", takes
        try:
            self._db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, timeout=BUSY)
            self._db.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.DatabaseError as error:
            raise Fault(f"unable to open database file: {error}") from None
        self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self._position, self._until, self._seen = 0, 0, (-1, -1)

    def tables(self) -> list[Table]:
        rows = self._db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        names = [name for name, made in rows if not name.startswith(("sqlite_", "awsdms_")) and made]
        virtual = {name for name, made in rows if (made or "").lstrip()[:14].upper() == "CREATE VIRTUAL"}
        return [Table(SCHEMA, name, self._columns(name), True) for name in names if name not in virtual]

    def _taken(self) -> list[Table]:
        return [table for table in self.tables() if self._takes(table.key)]

    def _columns(self, name: str) -> tuple[Column, ...]:
        rows = self._db.execute(f"PRAGMA table_xinfo({_quoted(name)})").fetchall()
        return tuple(Column(row[1], _type(row[2] or "")) for row in rows if row[6] != 1)

    def schemas(self) -> list[str]:
        return [SCHEMA]

    def prepare(self, fresh: bool) -> Mark:
        self._db.execute("BEGIN IMMEDIATE")
        if fresh:
            self._drop()
        made = (
            f"CREATE TABLE IF NOT EXISTS {self._log} (seq INTEGER PRIMARY KEY AUTOINCREMENT, tbl, op, at, shape)"
        )
        self._db.execute(made)
        self._watch(self._taken())
        self._db.execute("COMMIT")
        return {"slot": self._log, "position": 0}

    def _watch(self, tables: list[Table]) -> None:
        """Triggers for all tables as they are now."""
        width = len(self._db.execute(f"PRAGMA table_info({self._log})").fetchall()) - 5
        for number in range(width, max((len(table.columns) for table in tables), default=0)):
            self._db.execute(f"ALTER TABLE {self._log} ADD COLUMN c{number}")
        for name in self._triggers():
            self._db.execute(f"DROP TRIGGER {_quoted(name)}")
        for number, table in enumerate(tables):
            cells = "".join(f", c{at}" for at in range(len(table.columns)))
            shape = _text(json.dumps([[one.name, one.type] for one in table.columns]))
            for op, verb, row in (("I", "INSERT", "NEW"), ("U", "UPDATE", "NEW"), ("D", "DELETE", "OLD")):
                given = "".join(f", {row}.{_quoted(one.name)}" for one in table.columns)
                self._db.execute(
                    f"CREATE TRIGGER {self._log}_{number}_{op} AFTER {verb} ON {_quoted(table.name)} BEGIN"
                    f" INSERT INTO {self._log} (tbl, op, at, shape{cells})"
                    f" VALUES ({_text(table.name)}, '{op}', {_AT}, {shape}{given}); END"
                )

    def _triggers(self) -> list[str]:
        rows = self._db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ?) = ?",
            (len(self._log) + 1, f"{self._log}_"),
        ).fetchall()
        return [str(row[0]) for row in rows]

    def load(self, table: Table) -> tuple[Mark, Iterator[tuple[Value, ...]]]:
        self._db.execute("BEGIN")
        return {"position": self._last()}, self._rows(table)

    def _rows(self, table: Table) -> Iterator[tuple[Value, ...]]:
        names = ", ".join(map(_quoted, table.names))
        try:
            for row in self._db.execute(f"SELECT {names} FROM {_quoted(table.name)}"):
                yield tuple(map(_value, row))
        finally:
            self._db.execute("COMMIT")

    def _last(self) -> int:
        """The number of the last change, in the transaction that reads the table."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self._log,)).fetchone():
            return 0
        row = self._db.execute(f"SELECT max(seq) FROM {self._log}").fetchone()
        kept = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self._log,)).fetchone()
        return int(row[0] or (kept[0] if kept else 0))

    def begin(self, position: int, until: int) -> None:
        self._position, self._until = position, until
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self._log,)).fetchone():
            raise Fault(f"The table {self._log}, in which changes are noted, does not exist.")

    def next(self, seconds: float, wake: Any) -> Transaction | None:
        until = time.monotonic() + seconds
        while True:
            if found := self._look():
                return found
            left = until - time.monotonic()
            if left <= 0 or select.select([wake], [], [], min(left, POLL))[0]:
                return None

    def _look(self) -> Transaction | None:
        """What was committed since the last look: of one page, whole."""
        self._db.execute("BEGIN")
        try:
            (number,) = self._db.execute("PRAGMA schema_version").fetchone()
            if self._stale(number):
                self._db.execute("COMMIT")
                self._renew()
                return None
            end = self._until if self._until > self._position else 1 << 62
            query = f"SELECT * FROM {self._log} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {PAGE}"
            rows = self._db.execute(query, (self._position, end)).fetchall()
        finally:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        if not rows:
            return None
        self._position = rows[-1][0]
        return Transaction(self._position, map(_change, rows))

    def _stale(self, number: int) -> bool:
        """Whether the schema has changed since triggers were made, which note their number where they are."""
        if number != self._seen[0]:
            self._seen = (number, int(self._shapes() == self._watched()))
        return not self._seen[1]

    def _shapes(self) -> dict[str, str]:
        return {one.name: json.dumps([[each.name, each.type] for each in one.columns]) for one in self._taken()}

    def _watched(self) -> dict[str, str]:
        """Table -> its columns as its trigger knows them."""
        rows = self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        found = dict[str, str]()
        for name, made in rows:
            if name.startswith(f"{self._log}_") and (told := _NOTED.search(made)):
                found[told[1].replace("''", "'")] = told[2].replace("''", "'")
        return found

    def _renew(self) -> None:
        """Columns that came since triggers were made were not noted: the rows that changed are, as they are."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            before, tables = self._watched(), self._taken()
            now = self._shapes()
            self._watch(tables)
            for table in tables:
                if before.get(table.name) != now[table.name]:
                    self._note_again(table, known=table.name in before)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _note_again(self, table: Table, known: bool) -> None:
        """Of a table that is new, all rows; of one that has changed, those that were inserted or updated since."""
        names = table.names
        cells = "".join(f", c{at}" for at in range(len(names)))
        given = "".join(f", {_quoted(name)}" for name in names)
        op = "U" if known else "I"
        shape = _text(json.dumps([[one.name, one.type] for one in table.columns]))
        where = self._among(table) if known else "1"
        self._db.execute(
            f"INSERT INTO {self._log} (tbl, op, at, shape{cells})"
            f" SELECT {_text(table.name)}, '{op}', {_AT}, {shape}{given} FROM {_quoted(table.name)} WHERE {where}"
        )

    def _among(self, table: Table) -> str:
        """A condition: its key is one of those that are noted and not yet read. Without a key: every row."""
        rows = self._db.execute(f"PRAGMA table_info({_quoted(table.name)})").fetchall()
        keys = [(table.names.index(row[1]), row[1]) for row in rows if row[5]]
        if not keys:
            return "1"
        same = " AND ".join(f"l.c{at} IS {_quoted(table.name)}.{_quoted(name)}" for at, name in keys)
        mine = f"l.seq > {int(self._position)} AND l.tbl = {_text(table.name)}"
        return f"EXISTS (SELECT 1 FROM {self._log} l WHERE {mine} AND {same})"

    def covers(self, mark: Mark, position: int, row: Row) -> bool:  # noqa: ARG002
        return row.number <= int(mark["position"])

    def confirm(self, position: int) -> None:
        self._db.execute(f"DELETE FROM {self._log} WHERE seq <= ?", (position,))

    def drop(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._drop()
        self._db.execute("COMMIT")

    def _drop(self) -> None:
        for name in self._triggers():
            self._db.execute(f"DROP TRIGGER {_quoted(name)}")
        self._db.execute(f"DROP TABLE IF EXISTS {self._log}")

    def close(self) -> None:
        self._db.close()


def _change(row: tuple[Any, ...]) -> Row:
    shape = [Column(name, kind) for name, kind in json.loads(row[4])]
    table = Table(SCHEMA, row[1], tuple(shape), True)
    return Row(table, row[2], tuple(map(_value, row[5 : 5 + len(shape)])), row[3], row[0])


def _type(declared: str) -> str:
    """By SQLite's rules of affinity: https://www.sqlite.org/datatype3.html#determination_of_column_affinity"""
    return next((kind for word, kind in _TYPES if word in declared.upper()), "text")


def _value(found: Any) -> Value:
    if found is None:
        return None
    return found.hex() if isinstance(found, bytes) else str(found)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
