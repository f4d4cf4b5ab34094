"""A replication task in its host: tables are loaded, then changes are put, batch by batch, each exactly once.

Before the files of a batch are put, the local cloud keeps their names and the position that they reach; once they
are there, it keeps that position. A kill between the two has the same changes read again, up to the same position,
and the same files put again under the same names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sagelab.replication import errors, files
from sagelab.replication.channel import Channel
from sagelab.replication.errors import NO_TABLES, Fault, Stopped
from sagelab.replication.files import File, Form
from sagelab.replication.mappings import Mappings
from sagelab.replication.rows import Mark, Name, Row, Source, Table, Transaction
from sagelab.replication.target import Bucket, Stamps, folder

LOOK = 2000  # rows between two looks for the word to stop
PATIENCE = 3600.0  # seconds without a change, after which one looks again
COUNTS = {"I": "Inserts", "U": "Updates", "D": "Deletes"}


@dataclass(frozen=True)
class Plan:
    """What becomes of a table. keeps: which rows. folder: where it goes."""

    table: Table
    outputs: list[Any]
    keeps: Callable[[tuple[str | None, ...]], bool] | None
    folder: str


@dataclass
class Part:
    """One file of a batch of changes."""

    plan: Plan
    file: File
    folder: str


@dataclass
class Batch:
    """Changes that are not put yet. counts: table -> name -> how many."""

    parts: list[Part] = field(default_factory=list)
    counts: dict[Name, dict[str, int]] = field(default_factory=dict)
    position: int = 0
    began: float | None = None
    size: int = 0

    def count(self, table: Name, name: str) -> None:
        of_table = self.counts.setdefault(table, {})
        of_table[name] = of_table.get(name, 0) + 1


class Task:
    """asked: what the local cloud says of the task. state: what it has kept of it."""

    def __init__(
        self, asked: dict[str, Any], source: Source, mappings: Mappings, bucket: Bucket, channel: Channel
    ) -> None:
        self._asked, self._state = asked, asked["state"]
        self._source, self._mappings, self._bucket, self._channel = source, mappings, bucket, channel
        self._form = Form(**asked["form"])
        self._stamps = Stamps(self._state.get("stamp", ""))
        self._marks: dict[Name, Mark] = {}
        self._plans: dict[Table, Plan] = {}
        self._taken: dict[Name, bool] = {}
        self._suspended: set[Name] = set()
        self._owners: dict[str, Name] = {}
        self._pending: dict[str, Any] | None = self._state.get("pending")
        self._speed = float(asked["speed"])

    def run(self) -> dict[str, Any]:
        kind = self._asked["type"]
        tables = [table for table in self._source.tables() if self._mappings.takes(table.key)]
        if not tables and self._asked["needs_tables"]:
            raise Fault(NO_TABLES)
        slot = self._state.get("slot")
        if kind != "full-load" and slot is None:
            slot = self._source.prepare(fresh=True)
            self._channel.ask("slot", slot=slot)
        loaded = {(one["schema"], one["table"]): one["mark"] for one in self._state["tables"] if one["mark"]}
        told = [{"schema": table.schema, "table": table.name} for table in tables]
        self._channel.ask("tables", tables=told, loaded=kind == "cdc")
        self._marks.update(loaded)
        if kind != "cdc":
            self._load_all([table for table in tables if table.key not in loaded])
        self._channel.ask("loaded all")
        if kind == "full-load":
            return {"finished": True}
        assert slot
        self._follow(max(int(slot["position"]), int(self._state.get("position") or 0)))
        return {"finished": False}

    def _go_on(self) -> None:
        """Stopped: the local cloud has said so."""
        if self._channel.look():
            raise Stopped

    def _plan(self, table: Table) -> Plan:
        """Fault: it cannot come to the target."""
        if table not in self._plans:
            place = folder(self._asked["folder"], self._mappings.target(table.key))
            owner = self._owners.setdefault(place, table.key)
            if owner != table.key:
                words = (
                    f"The tables {owner!r} and {table.key!r} would have the same folder {place!r} in the target."
                )
                raise Fault(words, table=table.key)
            try:
                keeps = self._mappings.keeps(table)
            except ValueError as error:
                raise Fault(str(error), table=table.key) from None
            self._plans[table] = Plan(table, self._mappings.outputs(table), keeps, place)
        return self._plans[table]

    # Loading

    def _load_all(self, tables: list[Table]) -> None:
        """A table that cannot be loaded is left out, and the others go on. Fault: none could be."""
        tables.sort(key=lambda table: -self._mappings.order(table.key))
        for table in tables:
            self._go_on()
            about = {"schema": table.schema, "table": table.name}
            self._channel.ask("loading", **about)
            try:
                mark, rows, misfits = self._load(table)
            except (Stopped, EOFError):
                raise
            except Exception as error:
                told = errors.explain(error)
                if told["again"] or len(self._suspended) + 1 == len(tables) == len(
                    self._state["tables"] or tables
                ):
                    raise Fault(told["reason"], again=told["again"], table=table.key) from None
                self._suspended.add(table.key)
                self._channel.ask("table error", **about, reason=told["reason"])
                continue
            self._marks[table.key] = mark
            self._channel.ask("loaded", **about, mark=mark, rows=rows, misfits=misfits)

    def _load(self, table: Table) -> tuple[Mark, int, int]:
        plan = self._plan(table)
        self._bucket.clear(plan.folder, load=True, changes=self._asked["clear"])
        mark, found = self._source.load(table)
        return mark, *self._put_rows(plan, found)

    def _put_rows(self, plan: Plan, found: Any) -> tuple[int, int]:
        """How many rows there were, and values that their columns have no room for."""
        rows = kept = number = misfits = 0
        now, file = _now(), None
        for values in found:
            rows += 1
            if rows % LOOK == 0:
                self._go_on()
            if plan.keeps and not plan.keeps(values):
                continue
            file = file or files.make(self._form, plan.outputs, self._form.op)
            file.write("I", now, values)
            kept += 1
            if file.size >= self._form.largest:
                number, misfits = number + 1, misfits + file.misfits
                self._put_load(plan, file, number)
                file = None
                self._channel.tell(
                    "progress", {"schema": plan.table.schema, "table": plan.table.name, "rows": kept}
                )
        if file:
            misfits += file.misfits
            self._put_load(plan, file, number + 1)
        return kept, misfits

    def _put_load(self, plan: Plan, file: File, number: int) -> None:
        self._bucket.put(f"{plan.folder}LOAD{number:08X}.{self._form.ending}", file.close())

    # Changes

    def _follow(self, position: int) -> None:
        """Stopped, Fault: why it ends."""
        self._source.begin(position, int(self._pending["position"]) if self._pending else 0)
        batch = Batch(position=position)
        while True:
            wait = self._wait(batch)
            found = self._source.next(wait, self._channel.socket) if wait > 0 else None
            if found:
                self._add(batch, found)
            replayed = self._pending is not None and batch.position >= int(self._pending["position"])
            if replayed or (self._pending is None and (self._is_full(batch) or self._channel.look())):
                self._settle(batch)
                batch = Batch(position=batch.position)
            if self._channel.look() and (self._pending is None or found is None):
                raise Stopped

    def _wait(self, batch: Batch) -> float:
        """Seconds until it is due."""
        if batch.began is None or self._pending:
            return PATIENCE
        return max(0.0, self._form.interval / self._speed - (time.monotonic() - batch.began))

    def _is_full(self, batch: Batch) -> bool:
        if batch.began is None:
            return False
        return self._wait(batch) <= 0 or any(part.file.size >= self._form.batch for part in batch.parts)

    def _add(self, batch: Batch, found: Transaction) -> None:
        for row in found.rows:
            key = row.table.key
            if key not in self._taken:
                self._taken[key] = self._mappings.takes(key)
            if self._taken[key] and key not in self._suspended:
                self._add_row(batch, found, row)
        batch.position = found.position
        if batch.counts and batch.began is None:
            batch.began = time.monotonic()
        elif not batch.counts and self._pending is None:
            self._source.confirm(found.position)  # nothing of it is for this task

    def _add_row(self, batch: Batch, found: Transaction, row: Row) -> None:
        mark = self._marks.get(row.table.key)
        if mark and self._source.covers(mark, found.position, row):
            return
        plan = self._plan(row.table)
        if row.op == "T":
            batch.count(row.table.key, "Ddls")
            return
        if plan.keeps and not plan.keeps(row.values):
            return
        batch.count(row.table.key, COUNTS[row.op])
        if self._form.takes(row.op):
            self._part(batch, plan, row).file.write(row.op, row.time, row.values)

    def _part(self, batch: Batch, plan: Plan, row: Row) -> Part:
        """The file that a row goes to: one has rows of one form, and of one date where dates are folders."""
        place = plan.folder
        if self._form.dates:
            when = datetime.strptime(row.time[:19], "%Y-%m-%d %H:%M:%S")
            place += when.strftime(self._form.dates)
        mine = [part for part in batch.parts if part.plan.table.key == plan.table.key]
        if mine and mine[-1].plan.table == plan.table and mine[-1].folder == place:
            return mine[-1]
        if mine and mine[-1].plan.table != plan.table:
            batch.count(plan.table.key, "Ddls")
        with_op = not self._form.inserts or self._form.op
        part = Part(plan, files.make(self._form, plan.outputs, with_op), place)
        batch.parts.append(part)
        return part

    def _settle(self, batch: Batch) -> None:
        """Put a batch, each file once."""
        if not batch.counts and not self._pending:
            return
        files = [self._named(part) for part in batch.parts]
        counts = [
            {"schema": schema, "table": table, "counts": counts}
            for (schema, table), counts in batch.counts.items()
        ]
        if self._pending is None:
            self._channel.ask("intend", position=batch.position, files=files, stamp=self._stamps.last)
        else:
            self._bucket.remove([one["key"] for one in self._pending["files"]])  # of tables loaded anew since, too
        for part, one in zip(batch.parts, files, strict=True):
            self._bucket.put(one["key"], part.file.close())
        answer = self._channel.ask("settled", position=batch.position, counts=counts)
        self._speed = float(answer.get("speed") or self._speed)
        self._pending = None
        self._source.confirm(batch.position)

    def _named(self, part: Part) -> dict[str, str]:
        """The file of a part: that which was begun under its name before a kill, or a new one."""
        schema, table = part.plan.table.key
        begun = self._pending["files"] if self._pending else []
        mine = next((one for one in begun if (one["schema"], one["table"]) == (schema, table)), None)
        if mine:
            begun.remove(mine)
            return dict(mine)
        key = f"{part.folder}{self._stamps.next()}.{self._form.ending}"
        return {"schema": schema, "table": table, "key": key}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
