"""PostgreSQL as a source: tables loaded as of one moment, and its log read through a replication slot.

A table remembers the snapshot in which it was loaded: of the transactions that the slot tells, those that were
in it are left out. So a load that was cut off, or asked for again, begins anew with a later one, and nothing is
lost or twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from sagelab.replication import decoding, values
from sagelab.replication.catalogs import COLUMNS, SCHEMAS, TABLES
from sagelab.replication.decoding import Change
from sagelab.replication.errors import Fault, of_connection, words_of
from sagelab.replication.rows import MISSING, Column, Mark, Name, Row, Table, Transaction, Value
from sagelab.replication.stream import Stream

PLUGIN = "test_decoding"
# The forms of values are the same whoever asks. A file may take minutes to be put, in which nothing is said.
OPTIONS = (
    "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1"
    " -c wal_sender_timeout=300000 -c statement_timeout=0 -c client_min_messages=error"
)
CONNECT_SECONDS = 10


def connect(asked: dict[str, Any], **more: Any) -> psycopg.Connection[Any]:
    """Nothing that somebody chose is sent to what does not answer as PostgreSQL does: TLS is asked for first.

    Fault: there is no connection.
    """
    host, _, port = str(asked["server"]).rpartition(":")
    try:
        return psycopg.connect(
            host=host,
            port=int(port),
            user=asked["user"],
            password=asked["password"],
            dbname=asked["database"],
            sslmode="require" if asked["ssl"] == "require" else "prefer",
            gssencmode="disable",
            connect_timeout=CONNECT_SECONDS,
            application_name="AWS DMS",
            client_encoding="UTF8",
            options=OPTIONS,
            autocommit=True,
            **more,
        )
    except psycopg.OperationalError as error:
        by_its_name = f'"{asked["name"]}", port {asked["port"]}'  # not that of the relay
        raise of_connection(words_of(error).replace(f'"{host}", port {port}', by_its_name)) from None


class Postgres:
    """asked: how it is reached. slot: the name of the task's."""

    def __init__(self, asked: dict[str, Any], slot: str) -> None:
        self._asked, self._slot = asked, slot
        self._connection = connect(asked)
        self._stream: Stream | None = None
        self._layouts: dict[Name, Table] = {}
        self._shapes: dict[Name, tuple[tuple[str, str], ...]] = {}

    def tables(self) -> list[Table]:
        found = self._connection.execute(TABLES).fetchall()
        columns = dict[int, list[Column]]()
        for owner, name, kind in self._connection.execute(COLUMNS).fetchall():
            columns.setdefault(owner, []).append(Column(name, kind))
        return [Table(schema, name, tuple(columns.get(key, ())), whole) for key, schema, name, whole in found]

    def schemas(self) -> list[str]:
        return [str(row[0]) for row in self._connection.execute(SCHEMAS).fetchall()]

    def prepare(self, fresh: bool) -> Mark:
        if fresh:
            self.drop()
        row = self._connection.execute(
            "SELECT lsn - '0/0'::pg_lsn FROM pg_create_logical_replication_slot(%s, %s)", (self._slot, PLUGIN)
        ).fetchone()
        assert row
        return {"slot": self._slot, "position": int(row[0])}

    def load(self, table: Table) -> tuple[Mark, Iterator[tuple[Value, ...]]]:
        mark = self._begin_load()
        return mark, self._rows(table)

    def _begin_load(self) -> Mark:
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if self._in_recovery():
            return {"snapshot": "", "position": 0}  # a copy that only reads has no slots either
        row = self._connection.execute(
            "SELECT txid_current_snapshot()::text, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
        ).fetchone()
        assert row
        return {"snapshot": row[0], "position": int(row[1])}

    def _in_recovery(self) -> bool:
        row = self._connection.execute("SELECT pg_is_in_recovery()").fetchone()
        return bool(row and row[0])

    def _rows(self, table: Table) -> Iterator[tuple[Value, ...]]:
        names = sql.SQL(", ").join(map(sql.Identifier, table.names))
        query = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT")
        try:
            asked = query.format(names, sql.Identifier(table.schema, table.name))
            with self._connection.cursor() as cursor, cursor.copy(asked) as copy:
                yield from copy.rows()
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.close()  # with what it has not sent yet
            raise

    def begin(self, position: int, until: int) -> None:  # noqa: ARG002 # a transaction is one
        self._stream = Stream(connect(self._asked, replication="database"), self._slot, position)
        self._layouts, self._shapes = {table.key: table for table in self.tables()}, {}

    def next(self, seconds: float, wake: Any) -> Transaction | None:
        assert self._stream
        found = self._stream.next(seconds, wake)
        if found is None:
            return None
        return Transaction(found.position, self._changes(found.lines(), found.time))

    def covers(self, mark: Mark, position: int, row: Row) -> bool:  # noqa: ARG002
        """It was, where its transaction is in the snapshot, which can only be one of before that moment."""
        assert self._stream
        return position <= mark["position"] and _is_in(mark["snapshot"], self._stream.xid)

    def confirm(self, position: int) -> None:
        assert self._stream
        self._stream.confirm(position)

    def drop(self) -> None:
        self._connection.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s AND active",
            (self._slot,),
        )
        for _ in range(50):
            try:
                self._connection.execute(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                    (self._slot,),
                )
                return
            except psycopg.errors.ObjectInUse:
                self._connection.execute("SELECT pg_sleep(0.1)")
        raise Fault(f"The replication slot {self._slot} is in use.", again=True)

    def close(self) -> None:
        if self._stream:
            self._stream.close()
        self._connection.close()

    # Changes

    def _changes(self, lines: Iterator[str], time: str) -> Iterator[Row]:
        for line in lines:
            change = decoding.parse(line)
            for key in change.tables:
                if change.op == "T" or change.cells:
                    yield self._row(key, change, time)

    def _row(self, key: Name, change: Change, time: str) -> Row:
        table = self._layout(key, change)
        told = {cell.name: cell for cell in change.cells}
        missing: Value = None if table.whole else MISSING
        row = [told[name].value if name in told else missing for name in table.names]
        unchanged = [cell.name for cell in change.cells if cell.unchanged]
        if unchanged:
            self._look_up(table, change, row, unchanged)
        return Row(table, change.op, tuple(row), time)

    def _layout(self, key: Name, change: Change) -> Table:
        """The table as it was when the row was written: a row has all of its columns but where it was deleted."""
        shape = tuple((cell.name, cell.type) for cell in change.cells)
        names, known = tuple(name for name, _ in shape), self._layouts.get(key)
        if known and (set(names) <= set(known.names) if change.op in "DT" else self._shapes.get(key) == shape):
            return known
        if known is None or (known.names != names and change.op not in "DT"):
            known = next((one for one in self.tables() if one.key == key), None)
        types = {column.name: column.type for column in known.columns} if known else {}
        columns = tuple(Column(name, _type_of(kind, types.get(name))) for name, kind in shape)
        made = Table(*key, columns, bool(known and known.whole))
        if known and change.op in "DT":
            return known
        self._layouts[key], self._shapes[key] = made, shape
        return made

    def _look_up(self, table: Table, change: Change, found: list[Value], unchanged: list[str]) -> None:
        """Large values that an update has left as they were are not in the log: the table still has them."""
        keys = self._key_of(table)
        told = {cell.name: cell.value for cell in change.cells}
        if not keys or any(told.get(name) is None for name in keys):
            return
        where = sql.SQL(" AND ").join(
            sql.SQL("{}::text = {}").format(sql.Identifier(name), told[name]) for name in keys
        )
        wanted = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in unchanged)
        query = sql.SQL("SELECT {} FROM ONLY {} WHERE {}")
        row = self._connection.execute(
            query.format(wanted, sql.Identifier(table.schema, table.name), where)
        ).fetchone()
        for name, value in zip(unchanged, row or (), strict=False):
            found[table.names.index(name)] = value

    def _key_of(self, table: Table) -> list[str]:
        rows = self._connection.execute(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
            " AND a.attnum = ANY(i.indkey) JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE i.indisprimary AND n.nspname = %s AND c.relname = %s",
            table.key,
        ).fetchall()
        return [str(row[0]) for row in rows]


def _is_in(snapshot: str, xid: int) -> bool:
    """Whether a transaction had been committed when a snapshot ("10:20:13,15") was taken.

    xid: its 32 bits, of which the nearest to the snapshot is meant.
    """
    first, end, running = snapshot.split(":")
    whole = int(end) + ((xid - int(end) + (1 << 31)) % (1 << 32)) - (1 << 31)
    if whole < int(first):
        return True
    return whole < int(end) and str(whole) not in running.split(",")


def _type_of(told: str, known: str | None) -> str:
    """A change tells types without their modifiers, which the catalogue has."""
    return known if known is not None and values.base(known)[0] == told else told
