"""Glue's catalogue, asked with the rights of whoever asked the query."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from sagelab.lake import errors, permits, types
from sagelab.lake.permits import Ask, Permit
from sagelab.lake.types import HiveType

VIEW = "VIRTUAL_VIEW"
_START, _END = "/* Presto View: ", " */"
# What of a table UpdateTable takes.
_INPUT = (
    "Name",
    "Description",
    "Owner",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "TableType",
    "Parameters",
)
Found = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of the catalogue, as GetTable tells of it."""

    found: Found = field(hash=False)

    @property
    def database(self) -> str:
        return str(self.found["DatabaseName"])

    @property
    def name(self) -> str:
        return str(self.found["Name"])

    @property
    def storage(self) -> Found:
        return self.found.get("StorageDescriptor") or {}

    @property
    def location(self) -> str:
        return str(self.storage.get("Location") or "")

    @property
    def parameters(self) -> dict[str, str]:
        return self.found.get("Parameters") or {}

    @cached_property
    def columns(self) -> list[tuple[str, HiveType]]:
        return _columns(self.storage.get("Columns"))

    @cached_property
    def keys(self) -> list[tuple[str, HiveType]]:
        """Of its partitions."""
        return _columns(self.found.get("PartitionKeys"))

    def only(self, names: set[str]) -> Table:
        """With these of its columns; all keys of its partitions."""
        kept = [one for one in self.storage.get("Columns") or () if str(one["Name"]).lower() in names]
        return Table(self.found | {"StorageDescriptor": self.storage | {"Columns": kept}})

    def as_input(self) -> Found:
        """What UpdateTable is to be given for it to stay as it is."""
        return {name: self.found[name] for name in _INPUT if name in self.found}

    @property
    def is_view(self) -> bool:
        return self.found.get("TableType") == VIEW

    @property
    def view(self) -> Found:
        """{originalSql, catalog, schema, columns}. QueryFault: it is no view of Athena's."""
        text = str(self.found.get("ViewOriginalText") or "")
        try:
            encoded = text[text.index(_START) + len(_START) : text.rindex(_END)]
            found = json.loads(base64.b64decode(encoded))
            return {"originalSql": str(found["originalSql"]), "schema": str(found.get("schema") or self.database)}
        except (ValueError, KeyError, TypeError):
            words = f"INVALID_VIEW: View 'awsdatacatalog.{self.database}.{self.name}' is none of Athena's"
            raise errors.QueryFault(words) from None


def view_text(sql: str, database: str, columns: list[tuple[str, str]]) -> str:
    """What the catalogue keeps of a view. columns: (name, Athena's type)."""
    rows = [{"name": name, "type": kind} for name, kind in columns]
    document = {"originalSql": sql, "catalog": "awsdatacatalog", "schema": database, "columns": rows}
    return f"{_START}{base64.b64encode(json.dumps(document).encode()).decode()}{_END}"


def _columns(found: Any) -> list[tuple[str, HiveType]]:
    columns = []
    for one in found or ():
        try:
            columns.append((str(one["Name"]).lower(), types.read(str(one.get("Type") or "string"))))
        except (types.BadType, ValueError):
            words = f"Unsupported type {one.get('Type')!r} of column {one.get('Name')!r}"
            raise errors.QueryFault(f"HIVE_INVALID_METADATA: {words}") from None
    return columns


class Catalog:
    """glue: a client that acts with the rights of who asked."""

    """ask: what Lake Formation lets the asker see of a table."""

    def __init__(self, glue: Any, ask: Ask = permits.nothing) -> None:
        self.glue, self._ask = glue, ask
        self._tables: dict[tuple[str, str], Table | None] = {}
        # Who reads a table: (bucket, folder, client). own: who reads the others; None: the asker itself.
        self.readers: dict[tuple[str, str], tuple[str, str, Any]] = {}
        self.own: Any = None
        self._permits: dict[tuple[str, str], Permit | None] = {}

    def permit(self, table: Table) -> Permit | None:
        """What the asker sees of a table; None: IAM alone decides."""
        key = (table.database, table.name)
        if key not in self._permits:
            found = self._ask({"what": "table", "database": table.database, "name": table.name})
            self._permits[key] = Permit.read(found)
        return self._permits[key]

    def database(self, name: str) -> Found:
        """QueryFault: there is none, or the caller may not know."""
        with Asking(name):
            found: Found = self.glue.get_database(Name=name)["Database"]
        return found

    def find(self, database: str, name: str) -> Table | None:
        """None: there is no such table. QueryFault: the caller may not know."""
        key = (database, name)
        if key not in self._tables:
            try:
                with Asking(database):
                    self._tables[key] = Table(self.glue.get_table(DatabaseName=database, Name=name)["Table"])
            except errors.QueryFault as error:
                if error.kind != errors.NO_TABLE:
                    raise
                self._tables[key] = None
        return self._tables[key]

    def table(self, database: str, name: str, place: tuple[int, int] = (1, 1)) -> Table:
        found = self.find(database, name)
        if found is None:
            raise errors.no_table(database, name, *place)
        return found

    def reader(self, table: Table, location: str) -> Any:
        """The client with keys that were lent for a table, as far as these go; else `own`."""
        bucket, folder, client = self.readers.get((table.database, table.name), ("", "", self.own))
        place = location.partition("://")[2].rstrip("/") + "/"
        return client if bucket and place.startswith(f"{bucket}/{folder}") else self.own

    def partitions(self, table: Table) -> Iterator[Found]:
        if self._permits.get((table.database, table.name)) is not None:
            yield from self._governed(table)
            return
        pages = self.glue.get_paginator("get_partitions")
        with Asking(table.database):
            for page in pages.paginate(DatabaseName=table.database, TableName=table.name):
                yield from page["Partitions"]

    def _governed(self, table: Table) -> Iterator[Found]:
        asked = {"what": "partitions", "database": table.database, "name": table.name}
        while True:
            found = self._ask(asked)
            yield from found.get("partitions") or ()
            if not found.get("token"):
                return
            asked = asked | {"token": found["token"]}

    def databases(self) -> Iterator[Found]:
        with Asking("*"):
            for page in self.glue.get_paginator("get_databases").paginate():
                yield from page["DatabaseList"]

    def tables(self, database: str) -> Iterator[Table]:
        with Asking(database):
            for page in self.glue.get_paginator("get_tables").paginate(DatabaseName=database):
                yield from map(Table, page["TableList"])

    def add_partitions(self, table: Table, values: list[tuple[list[str], str]], lenient: bool) -> None:
        """values: those of a partition, and where it is. QueryFault: one is there already, unless `lenient`."""
        for start in range(0, len(values), 100):
            some = [
                {"Values": one, "StorageDescriptor": table.storage | {"Location": where}}
                for one, where in values[start : start + 100]
            ]
            with Asking(table.database):
                done = self.glue.batch_create_partition(
                    DatabaseName=table.database, TableName=table.name, PartitionInputList=some
                )
            for fault in done.get("Errors") or ():
                detail = fault.get("ErrorDetail") or {}
                if lenient and detail.get("ErrorCode") == "AlreadyExistsException":
                    continue
                shown = f"Partition already exists: {fault.get('PartitionValues')}"
                raise errors.QueryFault(f"FAILED: Execution Error: AlreadyExistsException: {shown}")


class Asking:
    """Errors of Glue within, in Athena's words."""

    def __init__(self, database: str) -> None:
        self.database = database

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, ClientError):
            return
        if errors.is_denial(error):
            raise errors.denied(error) from error
        said = error.response["Error"]
        if said.get("Code") == "EntityNotFoundException":
            words = str(said.get("Message"))
            if "atabase" in words:
                raise errors.no_database(self.database) from error
            raise errors.QueryFault(f"FAILED: SemanticException {words}", errors.NO_TABLE) from error
        words = f"{said.get('Code')}: {said.get('Message')}"
        raise errors.QueryFault(f"FAILED: Execution Error: {words}") from error
