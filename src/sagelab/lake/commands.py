"""Statements about tables, carried out on Glue's catalogue; what they answer are lines of text.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from urllib.parse import unquote

from sagelab.lake import ddl, descriptions, errors, partitions
from sagelab.lake.catalog import Asking, Catalog, Table
from sagelab.lake.ddl import Asked
from sagelab.lake.objects import Objects

Rows = list[list[str]]
_TABLE_TYPE = {"EXTERNAL": "TRUE"}


class Commands:
    """database: of statements that name none."""

    def __init__(self, catalog: Catalog, objects: Objects, database: str) -> None:
        self.catalog, self.objects, self.default = catalog, objects, database
        self.glue = catalog.glue

    def run(self, asked: Asked) -> Rows:
        """The rows that it answers. QueryFault: it cannot be done."""
        return _VERBS[asked.verb](self, asked)

    def _database(self, asked: Asked) -> str:
        return asked.name.database or self.default

    def _table(self, asked: Asked) -> Table:
        database = self._database(asked)
        found = self.catalog.find(database, asked.name.table)
        if found is None:
            words = f"SemanticException [Error 10001]: Table not found {database}.{asked.name.table}"
            raise errors.QueryFault(f"FAILED: {words}", errors.NO_TABLE)
        return found

    # Databases

    def create_database(self, asked: Asked) -> Rows:
        made = {"Name": asked.name.database, "Parameters": asked.properties}
        made |= {"Description": asked.comment} if asked.comment else {}
        made |= {"LocationUri": asked.location} if asked.location else {}
        try:
            with Asking(asked.name.database):
                self.glue.create_database(DatabaseInput=made)
        except errors.QueryFault as fault:
            if not (asked.lenient and "AlreadyExists" in fault.reason):
                raise
        return []

    def drop_database(self, asked: Asked) -> Rows:
        name = asked.name.database
        try:
            self.catalog.database(name)
        except errors.QueryFault as fault:
            if asked.lenient and fault.kind == errors.NO_TABLE:
                return []
            raise
        tables = list(self.catalog.tables(name))
        if tables and not asked.cascade:
            words = f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
            raise errors.QueryFault(f"FAILED: Execution Error: {words}")
        with Asking(name):
            for table in tables:
                self.glue.delete_table(DatabaseName=name, Name=table.name)
            self.glue.delete_database(Name=name)
        return []

    def show_databases(self, asked: Asked) -> Rows:
        names = sorted(str(one["Name"]) for one in self.catalog.databases())
        return [[name] for name in names if _like(name, asked.like)]

    # Tables

    def create_table(self, asked: Asked) -> Rows:
        database = self._database(asked)
        if not asked.location:
            raise errors.QueryFault(
                "FAILED: SemanticException: No location specified for the table", errors.SYNTAX
            )
        both = [*asked.columns, *asked.partitions]
        if len({one.name for one in both}) < len(both) or not asked.columns:
            words = "Column repeated in partitioning columns" if asked.columns else "a table needs columns"
            raise errors.QueryFault(f"FAILED: SemanticException [Error 10035]: {words}", errors.SYNTAX)
        made = {
            "Name": asked.name.table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": _TABLE_TYPE | asked.properties | ({"comment": asked.comment} if asked.comment else {}),
            "PartitionKeys": descriptions.plain(asked.partitions),
            "StorageDescriptor": descriptions.storage(asked),
        }
        try:
            with Asking(database):
                self.glue.create_table(DatabaseName=database, TableInput=made)
        except errors.QueryFault as fault:
            if "AlreadyExists" not in fault.reason:
                raise
            if not asked.lenient:
                words = f"AlreadyExistsException(message:Table {asked.name.table} already exists)"
                raise errors.QueryFault(f"FAILED: Execution Error: {words}") from None
        return []

    def drop_table(self, asked: Asked) -> Rows:
        database = self._database(asked)
        found = self.catalog.find(database, asked.name.table)
        of_view = asked.verb == "drop view"
        if found is None or found.is_view != of_view:
            if asked.lenient:
                return []
            noun = "View" if of_view else "Table"
            words = f"{noun} 'awsdatacatalog.{database}.{asked.name.table}' does not exist"
            raise errors.QueryFault(f"FAILED: SemanticException {words}", errors.NO_TABLE)
        with Asking(database):
            self.glue.delete_table(DatabaseName=database, Name=asked.name.table)
        return []

    def show_tables(self, asked: Asked) -> Rows:
        database = self._database(asked)
        self.catalog.database(database)
        found = self.catalog.tables(database)
        views = asked.verb == "show views"
        names = sorted(one.name for one in found if one.is_view or not views)
        return [[name] for name in names if _like(name, asked.like)]

    def show_columns(self, asked: Asked) -> Rows:
        table = self._table(asked)
        return [[f"{name:<20}"] for name, _ in [*table.columns, *table.keys]]

    def show_properties(self, asked: Asked) -> Rows:
        return [[f"{key}\t{value}"] for key, value in sorted(self._table(asked).parameters.items())]

    def describe(self, asked: Asked) -> Rows:
        table = self._table(asked)
        comments = {one["Name"].lower(): one.get("Comment", "") for one in table.storage.get("Columns") or ()}
        rows = [
            descriptions.described(name, str(kind), comments.get(name, ""))
            for name, kind in [*table.columns, *table.keys]
        ]
        if table.keys:
            rows += [
                ["\t \t "],
                ["# Partition Information\t \t "],
                [f"{'# col_name':<20}\t{'data_type':<20}\t{'comment':<20}"],
            ]
            rows += [["\t \t "], *(descriptions.described(name, str(kind), "") for name, kind in table.keys)]
        if asked.extended:
            rows += [
                ["\t \t "],
                [f"Detailed Table Information\tTable(tableName:{table.name}, location:{table.location})"],
            ]
        return rows

    def show_create(self, asked: Asked) -> Rows:
        table = self._table(asked)
        if table.is_view:
            return [[line] for line in f"CREATE VIEW {table.name} AS\n{table.view['originalSql']}".splitlines()]
        return [[line] for line in descriptions.written(table)]

    def _change(self, table: Table, change: Callable[[dict[str, object]], None]) -> Rows:
        given = table.as_input()
        change(given)
        with Asking(table.database):
            self.glue.update_table(DatabaseName=table.database, TableInput=given)
        return []

    def set_properties(self, asked: Asked) -> Rows:
        table = self._table(asked)
        return self._change(table, lambda given: given.update(Parameters=table.parameters | asked.properties))

    def set_columns(self, asked: Asked) -> Rows:
        table = self._table(asked)
        before = (table.storage.get("Columns") or []) if asked.verb == "add columns" else []
        taken = {one["Name"].lower() for one in before} | {name for name, _ in table.keys}
        if twice := [one.name for one in asked.columns if one.name in taken]:
            words = f"Duplicate column name: {twice[0]}"
            raise errors.QueryFault(f"FAILED: Execution Error: {words}", errors.SYNTAX)
        storage = table.storage | {"Columns": [*before, *descriptions.plain(asked.columns)]}
        return self._change(table, lambda given: given.update(StorageDescriptor=storage))

    def set_location(self, asked: Asked) -> Rows:
        table = self._table(asked)
        if not asked.specs:
            storage = table.storage | {"Location": asked.location}
            return self._change(table, lambda given: given.update(StorageDescriptor=storage))
        values = _values(table, asked.specs[0])
        storage = table.storage | {"Location": asked.location}
        with Asking(table.database):
            self.glue.update_partition(
                DatabaseName=table.database,
                TableName=table.name,
                PartitionValueList=values,
                PartitionInput={"Values": values, "StorageDescriptor": storage},
            )
        return []

    # Partitions

    def show_partitions(self, asked: Asked) -> Rows:
        table = self._partitioned(asked)
        paths = (
            partitions.path_of(table.keys, one["Values"]).rstrip("/") for one in self.catalog.partitions(table)
        )
        return [[path] for path in sorted(paths)]

    def _partitioned(self, asked: Asked) -> Table:
        table = self._table(asked)
        if not table.keys:
            words = f"SemanticException Table {table.database}.{table.name} is not a partitioned table"
            raise errors.QueryFault(f"FAILED: Execution Error: {words}")
        return table

    def add_partition(self, asked: Asked) -> Rows:
        table = self._partitioned(asked)
        made = []
        for spec in asked.specs:
            values = _values(table, spec)
            where = spec.location or f"{table.location.rstrip('/')}/{partitions.path_of(table.keys, values)}"
            made.append((values, where))
        self.catalog.add_partitions(table, made, asked.lenient)
        return []

    def drop_partition(self, asked: Asked) -> Rows:
        table = self._partitioned(asked)
        names = [name for name, _ in table.keys]
        there = [list(map(str, one["Values"])) for one in self.catalog.partitions(table)]
        dropped = []
        for spec in asked.specs:
            fitting = [values for values in there if _fits(spec, dict(zip(names, values, strict=True)))]
            if not fitting and not asked.lenient:
                shown = ", ".join(f"{key} {how} {value}" for key, how, value in spec.values)
                words = f"SemanticException [Error 10006]: Partition not found ({shown})"
                raise errors.QueryFault(f"FAILED: {words}", errors.NO_TABLE)
            dropped += fitting
        with Asking(table.database):
            for values in dropped:
                self.glue.delete_partition(
                    DatabaseName=table.database, TableName=table.name, PartitionValues=values
                )
        return []

    def rename_partition(self, asked: Asked) -> Rows:
        table = self._partitioned(asked)
        before, after = (_values(table, spec) for spec in asked.specs)
        with Asking(table.database):
            named = {"DatabaseName": table.database, "TableName": table.name}
            found = self.glue.get_partition(**named, PartitionValues=before)["Partition"]
            given = {"Values": after, "StorageDescriptor": found["StorageDescriptor"]}
            self.glue.update_partition(**named, PartitionValueList=before, PartitionInput=given)
        return []

    def repair(self, asked: Asked) -> Rows:
        """Every folder k=v/ below the table's location that the catalogue does not have becomes a partition."""
        table = self._partitioned(asked)
        there = {tuple(map(str, one["Values"])) for one in self.catalog.partitions(table)}
        found: dict[tuple[str, ...], str] = {}
        for one in self.objects.data(table.location):
            if values := _in_path(table, one.uri[len(table.location) :].lstrip("/")):
                found.setdefault(values[0], f"{table.location.rstrip('/')}/{values[1]}")
        new = [(list(values), where) for values, where in found.items() if values not in there]
        self.catalog.add_partitions(table, new, lenient=True)
        shown = [":".join(partitions.path_of(table.keys, values).rstrip("/").split("/")) for values, _ in new]
        lines = [f"Partitions not in metastore:\t{table.name}:{one}" for one in shown]
        lines += [f"Repair: Added partition to metastore {table.name}:{one}" for one in shown]
        return [[line] for line in lines]


def _in_path(table: Table, rest: str) -> tuple[tuple[str, ...], str] | None:
    """The values in the folders of a path, and those folders."""
    folders = rest.split("/")[: len(table.keys)]
    values = []
    for (name, _), folder in zip(table.keys, folders, strict=False):
        key, equal, value = folder.partition("=")
        if not equal or key.lower() != name:
            return None
        values.append(unquote(value))
    return (tuple(values), "/".join(folders) + "/") if len(values) == len(table.keys) else None


def _values(table: Table, spec: ddl.Spec) -> list[str]:
    """The values of a partition, in the order of the table's keys. QueryFault: not these are named."""
    said = {key: value for key, how, value in spec.values if how == "="}
    names = [name for name, _ in table.keys]
    if set(said) != set(names) or len(spec.values) != len(names):
        shown = ", ".join(f"{key}={value}" for key, value in said.items())
        words = f"Partition spec {{{shown}}} contains non-partition columns"
        raise errors.QueryFault(f"FAILED: SemanticException {words}", errors.SYNTAX)
    return [said[name] for name in names]


def _fits(spec: ddl.Spec, values: dict[str, str]) -> bool:
    for key, how, wanted in spec.values:
        if key not in values:
            raise errors.QueryFault(f"FAILED: SemanticException {key} is no partition column", errors.SYNTAX)
        order = (values[key] > wanted) - (values[key] < wanted)
        fits = {"=": order == 0, "!=": order != 0, "<>": order != 0, "<": order < 0, ">": order > 0}
        if not (fits | {"<=": order <= 0, ">=": order >= 0})[how]:
            return False
    return True


def _like(name: str, pattern: str) -> bool:
    """Hive's: * is anything, | is or."""
    return not pattern or any(fnmatchcase(name, one.lower()) for one in pattern.split("|"))


_VERBS: dict[str, Callable[[Commands, Asked], Rows]] = {
    "create database": Commands.create_database,
    "drop database": Commands.drop_database,
    "show databases": Commands.show_databases,
    "create table": Commands.create_table,
    "drop table": Commands.drop_table,
    "drop view": Commands.drop_table,
    "show tables": Commands.show_tables,
    "show views": Commands.show_tables,
    "show columns": Commands.show_columns,
    "show properties": Commands.show_properties,
    "show create table": Commands.show_create,
    "show create view": Commands.show_create,
    "describe": Commands.describe,
    "set properties": Commands.set_properties,
    "set location": Commands.set_location,
    "add columns": Commands.set_columns,
    "replace columns": Commands.set_columns,
    "show partitions": Commands.show_partitions,
    "add partition": Commands.add_partition,
    "drop partition": Commands.drop_partition,
    "rename partition": Commands.rename_partition,
    "repair": Commands.repair,
}
# What each answers: the columns of its rows.
HEADS = {
    "show databases": ("database_name",),
    "show tables": ("tab_name",),
    "show views": ("views",),
    "show columns": ("field",),
    "show partitions": ("partition",),
    "describe": ("col_name", "data_type", "comment"),
    "show create table": ("createtab_stmt",),
    "show create view": ("create view",),
    "show properties": ("prpt_name", "prpt_value"),
    "repair": ("partition",),
}
SUBSTATEMENTS = {
    "repair": "MSCK_REPAIR",
    "create table": "CREATE_TABLE",
    "describe": "DESCRIBE_TABLE",
    "add partition": "ALTER_TABLE_ADD_PARTITION",
    "drop partition": "ALTER_TABLE_DROP_PARTITION",
}
