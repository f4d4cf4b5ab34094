"""What sources give: tables, their columns, rows and transactions, whatever database they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

Value = str | None
Name = tuple[str, str]  # a schema and a table
MISSING = (
    "\x00missing"  # of a column whose value the source does not tell; no text of a database has that character
)


@dataclass(frozen=True)
class Column:
    """type: in PostgreSQL's words, with its modifiers: "numeric(10,2)"."""

    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """whole: whether what is deleted is told as a whole."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    whole: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def key(self) -> Name:
        return self.schema, self.name


@dataclass(frozen=True)
class Row:
    """A change. op: I, U, D, or T, which has emptied the table. time: of its commit, "2026-11-30 12:00:00.000000".

    number: of the change, where the source counts them.
    """

    table: Table
    op: str
    values: tuple[Value, ...]
    time: str
    number: int = 0


@dataclass(frozen=True)
class Transaction:
    """Changes that are committed, up to a position of the source's log. rows: read once."""

    position: int
    rows: Iterable[Row]


Mark = dict[str, Any]  # what a source needs to know of when a table was loaded


class Source(Protocol):
    """A database. Its errors are its driver's own."""

    def tables(self) -> list[Table]: ...

    def schemas(self) -> list[str]: ...

    def prepare(self, fresh: bool) -> Mark:
        """Have changes kept from now on; what is kept of it. fresh: what was kept before is not wanted."""

    def load(self, table: Table) -> tuple[Mark, Iterator[tuple[Value, ...]]]:
        """All rows, as of one moment, and when that was."""

    def begin(self, position: int, until: int) -> None:
        """Changes after a position are wanted; first those until another one, of which none is beyond it."""

    def next(self, seconds: float, wake: Any) -> Transaction | None:
        """What was committed next; None after so long, or when there is something to read from `wake`."""

    def covers(self, mark: Mark, position: int, row: Row) -> bool:
        """Whether a row's change was in the table already when it was loaded."""

    def confirm(self, position: int) -> None:
        """What came up to a position is not wanted again."""

    def drop(self) -> None:
        """Have no changes kept any more."""

    def close(self) -> None: ...
