"""The rows that data sets of QuickSight's have taken in: a database of SQLite each, in the home.

https://docs.aws.amazon.com/quicksight/latest/user/spice.html
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sagelab.cloud.visuals import Field, Question

MOST = {"BarChartVisual": 2500, "LineChartVisual": 2500, "KPIVisual": 1, "TableVisual": 500}  # rows
LONGEST = 300  # characters of a cell
SECONDS = 10.0  # that a question may take
STEPS = 100_000  # of SQLite's machine between two looks at the clock
_UNITS = {
    "": "{0}",
    "YEAR": "strftime('%Y', {0})",
    "QUARTER": "strftime('%Y', {0}) || '-Q' || ((strftime('%m', {0}) + 2) / 3)",
    "MONTH": "strftime('%Y-%m', {0})",
    "WEEK": "date({0}, '-6 days', 'weekday 0')",
    "DAY": "date({0})",
    "HOUR": "strftime('%Y-%m-%d %H:00', {0})",
    "MINUTE": "strftime('%Y-%m-%d %H:%M', {0})",
    "SECOND": "strftime('%Y-%m-%d %H:%M:%S', {0})",
}
_FUNCTIONS = {
    "SUM": "CASE WHEN COUNT({0}) THEN TOTAL({0}) END",
    "AVERAGE": "AVG({0})",
    "MIN": "MIN({0})",
    "MAX": "MAX({0})",
    "COUNT": "COUNT({0})",
    "DISTINCT_COUNT": "COUNT(DISTINCT {0})",
}
_SAID = {"SUM": "sum", "AVERAGE": "average", "MIN": "least", "MAX": "most"}
_SAID |= {"COUNT": "count", "DISTINCT_COUNT": "different"}


class Empty(Exception):
    """A data set has taken in nothing yet."""


class TooLong(Exception):
    """A question takes longer than a page waits."""


class Spice:
    """folder: of the home. A data set is known by its ARN."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, arn: str, columns: list[tuple[str, str]], rows: Iterable[tuple[Any, ...]], facts: Any) -> int:
        """Rows in place of those before, all at once; the bytes that they take. columns: (name, type)."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._file(arn)
        draft = file.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        try:
            with closing(sqlite3.connect(draft)) as db:
                names = ", ".join(f"c{number}" for number in range(len(columns)))
                db.execute(f"CREATE TABLE rows ({names})")
                db.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(columns))})", rows)
                db.execute("CREATE TABLE facts (facts)")
                db.execute("INSERT INTO facts VALUES (?)", [json.dumps({"columns": columns, "facts": facts})])
                db.commit()
            size = draft.stat().st_size
            draft.replace(file)
            return size
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, arn: str) -> None:
        with suppress(FileNotFoundError):
            self._file(arn).unlink()

    def facts(self, arn: str) -> Any:
        """What was kept beside the rows. Empty: there are none."""
        with closing(self._open(arn)) as db:
            return self._known(db)["facts"]

    def ask(self, arn: str, question: Question) -> dict[str, Any]:
        """{columns: [{name, what, type}], rows, more}. Empty: there are none yet. TooLong: it takes too long."""
        with closing(self._open(arn)) as db:
            columns = [(str(name), str(kind)) for name, kind in self._known(db)["columns"]]
            numbers = {name: number for number, (name, _) in enumerate(columns)}
            if missing := [field.column for field in question.fields if field.column not in numbers]:
                raise Empty(f"{missing[0]} is not among its columns")
            until = time.monotonic() + SECONDS
            db.set_progress_handler(lambda: time.monotonic() > until, STEPS)
            most = MOST[question.kind]
            try:
                rows = db.execute(_sql(question, numbers), [most + 1]).fetchall()
            except sqlite3.OperationalError as error:
                raise TooLong(f"It takes longer than {SECONDS:.0f} s: {error}") from None
        types = dict(columns)
        told = [
            {"name": _name(field, question), "what": field.what, "type": _type(field, types, question)}
            for field in question.fields
        ]
        return {"columns": told, "rows": [tuple(map(_told, row)) for row in rows[:most]], "more": len(rows) > most}

    def _file(self, arn: str) -> Path:
        return self._folder / f"{hashlib.sha256(arn.encode()).hexdigest()[:32]}.db"

    def _open(self, arn: str) -> sqlite3.Connection:
        try:
            return sqlite3.connect(f"{self._file(arn).as_uri()}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            raise Empty("it has no rows yet") from None

    @staticmethod
    def _known(db: sqlite3.Connection) -> Any:
        return json.loads(db.execute("SELECT facts FROM facts").fetchone()[0])


def _sql(question: Question, numbers: dict[str, int]) -> str:
    """Of names and words of our own alone."""
    shown = [_UNITS[field.what].format(f"c{numbers[field.column]}") for field in question.dimensions]
    shown += [_FUNCTIONS[field.what].format(f"c{numbers[field.column]}") for field in question.measures]
    grouped = [] if question.plain else [str(number + 1) for number in range(len(question.dimensions))]
    order = [f"{number + 1} {'DESC' if down else 'ASC'}" for number, down in question.order]
    order += [one for one in grouped if not any(each.startswith(f"{one} ") for each in order)]
    return " ".join(
        [
            f"SELECT {', '.join(shown)} FROM rows",
            f"GROUP BY {', '.join(grouped)}" if grouped else "",
            f"ORDER BY {', '.join(order)}" if order else "",
            "LIMIT ?",
        ]
    )


def _told(value: Any) -> Any:
    """A cell as JSON has it, and no longer than a page can show."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value[:LONGEST] if isinstance(value, str) else value


def _name(field: Field, question: Question) -> str:
    return (
        f"{field.column} ({_SAID[field.what]})"
        if field in question.measures and not question.plain
        else field.column
    )


def _type(field: Field, types: dict[str, str], question: Question) -> str:
    if field in question.measures and field.what in ("SUM", "AVERAGE", "COUNT", "DISTINCT_COUNT"):
        return "DECIMAL"
    return types[field.column]
