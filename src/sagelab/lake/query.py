"""One query, from its statement to what is written of it.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from sagelab.lake import (
    commands,
    ddl,
    dialect,
    errors,
    filesystem,
    permits,
    results,
    tables,
    targets,
    types,
    writes,
)
from sagelab.lake.catalog import VIEW, Asking, Catalog, Table, view_text
from sagelab.lake.dialect import Reference
from sagelab.lake.filesystem import Files
from sagelab.lake.objects import Objects
from sagelab.lake.permits import Ask
from sagelab.lake.tables import Place
from sagelab.lake.types import quoted
from sagelab.lake.writes import Target, Written

DEEPEST = 10  # views in views
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(?:\(([^)]*)\)\s*)?(.*)", re.I | re.S)
_EXECUTE = re.compile(r"\s*EXECUTE\s+[`\"]?([\w-]+)[`\"]?(?:\s+USING\s+(.*?))?\s*;?\s*", re.I | re.S)
_PREPARE = re.compile(r"\s*PREPARE\s+[`\"]?([\w-]+)[`\"]?\s+FROM\s+(.*)", re.I | re.S)
_DEALLOCATE = re.compile(r"\s*DEALLOCATE\s+PREPARE\s+[`\"]?([\w-]+)[`\"]?\s*;?\s*", re.I)
_UNLOAD = re.compile(r"\s*UNLOAD\s*\((.*)\)\s*TO\s*'((?:[^']|'')*)'(?:\s*WITH\s*\((.*)\))?\s*;?\s*", re.I | re.S)


@dataclass(frozen=True)
class Request:
    """A query as the local cloud hands it over. output: where results go, ends in "/". put: of each object."""

    id: str
    sql: str
    database: str
    output: str
    workgroup: str
    parameters: list[str] = field(default_factory=list)
    put: dict[str, Any] = field(default_factory=dict)
    cutoff: int | None = None
    memory: int = 1 << 30
    threads: int = 2


@dataclass
class Outcome:
    """What a query has come to. result: the URI of its result. rows: that were written or changed."""

    result: str = ""
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    manifest: str = ""
    scanned: int = 0
    planning: float = 0.0


class Query:
    """client: service -> a client with the rights of who asked, or of keys. tell: hears what kind of statement it
    is. ask: what Lake Formation lets the asker see of a table. QueryFault: the statement cannot be read."""

    def __init__(
        self,
        request: Request,
        client: Callable[..., Any],
        tell: Callable[[str, str], None],
        ask: Ask = permits.nothing,
    ) -> None:
        self.request, self.client, self.tell = request, client, tell
        self.files, self._beside = Files(), ThreadPoolExecutor(1)
        self._asked = ddl.read(request.sql)
        if self._asked is None:  # what is asked about tables needs no DuckDB
            self._opening = self._beside.submit(tables.connect, self.files, request.memory, request.threads)
        self.objects = self.files.objects = Objects(client("s3"), request.cutoff)
        self.catalog = Catalog(client("glue"), ask)
        self.outcome = Outcome()
        self._began = time.monotonic()

    def run(self) -> Outcome:
        """QueryFault, or what `errors.explain` makes one of: why it fails."""
        try:
            return self._run()
        except Exception:
            if self.objects.fault:
                raise self.objects.fault from None
            raise

    def _run(self) -> Outcome:
        sql = self.request.sql
        if self._asked:
            return self._command(self._asked)
        if found := _PREPARE.fullmatch(sql) or _DEALLOCATE.fullmatch(sql):
            return self._keep_statement(found)
        if found := _EXPLAIN.fullmatch(sql):
            return self._explain(found[3], analyze=bool(found[1]))
        if found := _UNLOAD.fullmatch(sql):
            return self._unload(found[1], found[2].replace("''", "'"), found[3] or "")
        parameters = list(self.request.parameters)
        if found := _EXECUTE.fullmatch(sql):
            sql, parameters = self._statement(found[1]), dialect.split(found[2] or "")
        return self._query(dialect.parse(sql), parameters)

    # Statements about tables

    def _command(self, asked: ddl.Asked) -> Outcome:
        word = commands.SUBSTATEMENTS.get(asked.verb, asked.verb.replace(" ", "_").upper())
        self.tell("DDL" if not asked.verb.startswith(("show", "describe")) else "UTILITY", word)
        rows = commands.Commands(self.catalog, self.objects, self.request.database).run(asked)
        head = commands.HEADS.get(asked.verb, ())
        return self._text(rows, list(head))

    def _text(self, rows: list[list[str]], head: list[str]) -> Outcome:
        """The outcome of a statement that answers lines: `<id>.txt`."""
        content = "".join("\t".join(row) + "\n" for row in rows).encode()
        self.outcome.result = f"{self.request.output}{self.request.id}.txt"
        self.outcome.columns = [results.Column(name, "string").told for name in head]
        self._put(".txt", content)
        self._put(".txt.metadata", results.metadata([results.Column(name, "string") for name in head]))
        self.outcome.rows = len(rows)
        return self.outcome

    def _put(self, ending: str, content: Any) -> None:
        self.objects.put(f"{self.request.output}{self.request.id}{ending}", content, self.request.put)

    def _keep_statement(self, found: re.Match[str]) -> Outcome:
        self.tell("UTILITY", "PREPARE" if found.re is _PREPARE else "DEALLOCATE")
        named = {"StatementName": found[1], "WorkGroup": self.request.workgroup}
        athena = self.client("athena")
        if found.re is _PREPARE:
            dialect.parse(found[2])
            athena.create_prepared_statement(**named, QueryStatement=found[2].rstrip().rstrip(";"))
        else:
            athena.delete_prepared_statement(**named)
        return self._text([], [])

    def _statement(self, name: str) -> str:
        named = {"StatementName": name, "WorkGroup": self.request.workgroup}
        found = self.client("athena").get_prepared_statement(**named)
        return str(found["PreparedStatement"]["QueryStatement"])

    # Queries

    def _query(self, query: exp.Expr, parameters: list[str]) -> Outcome:
        if parameters or query.find(exp.Placeholder):
            dialect.fill(query, parameters)
        if isinstance(query, exp.Create):
            return self._create(query)
        if isinstance(query, exp.Insert):
            return self._insert(query)
        if isinstance(query, exp.Delete | exp.Update | exp.Merge):
            words = "Modifying Hive table rows is only supported for transactional tables"
            raise errors.QueryFault(f"NOT_SUPPORTED: {words}")
        if not isinstance(query, dialect.ROWS):
            word = query.name.upper() if isinstance(query, exp.Command) else type(query).__name__.upper()
            raise errors.syntax(f"mismatched input '{word}'")
        self.tell("DML", "SELECT")
        place, sql = self._plan(query)
        names, kinds = targets.described(place.connection, sql)
        columns = results.columns_of(results.numbered(names), kinds)
        self._planned()
        self.outcome.rows = results.write(place.connection, self.files, sql, kinds, columns)
        content = self.files.written["result"]
        content.seek(0)
        described = self._beside.submit(self._put, ".csv.metadata", results.metadata(columns))
        self._put(".csv", content)
        described.result()
        self.outcome.result = f"{self.request.output}{self.request.id}.csv"
        self.outcome.columns = [one.told for one in columns]
        return self._end()

    def _plan(self, query: exp.Expr) -> tuple[Place, str]:
        """A DuckDB that has the tables of a query, and the query in its words."""
        query = dialect.without_limit_null(query)
        connection = self._opening.result()
        place = Place(connection, self.files, self.objects, self.catalog)
        found = dialect.references(query, self.request.database)
        dialect.name_columns(query)
        self._names = permits.wanted(query)
        self._make(place, found, 0, {})
        filesystem.lock(connection)
        return place, dialect.render(query)

    def _make(self, place: Place, found: list[Reference], depth: int, made: dict[tuple[str, str], int]) -> None:
        """Make the views of the tables that are named, of each once."""
        if depth > DEEPEST:
            raise errors.QueryFault("INVALID_VIEW: Views stand in views too deeply, or in themselves")
        for key in dict.fromkeys((one.database, one.name) for one in found):
            if key in made:
                continue
            same = [one for one in found if (one.database, one.name) == key]
            table = self._find(key, same[0])
            made[key] = len(made)
            if table.is_view:
                self._make_view(place, table, depth, made)
            else:
                conditions = (
                    dialect.keyed(same[0], [name for name, _ in table.keys])
                    if len(same) == 1 and not depth
                    else []
                )
                tables.make(place, table, made[key], conditions, None if depth else self._names)

    def _find(self, key: tuple[str, str], reference: Reference) -> Table:
        if key[0] == "information_schema":
            raise errors.QueryFault("NOT_SUPPORTED: information_schema is not here: SHOW TABLES and DESCRIBE are.")
        found = self.catalog.find(*key)
        if found is None:
            self.catalog.database(key[0])
            raise errors.no_table(*key, *reference.place)
        return self._permitted(found)

    def _permitted(self, table: Table, writes: bool = False) -> Table:
        """The table as a whole; its view is cut to what is seen. QueryFault: nothing is, or may be written."""
        if (permit := self.catalog.permit(table)) is None:
            return table
        permit.check(table.name, table.is_view, writes)
        if lent := permit.keys:
            folder = (lent["bucket"], lent["prefix"], self.client("s3", tuple(lent["keys"])))
            self.catalog.readers[table.database, table.name] = folder
            if writes:
                self.objects.lend(*folder)
        return Table(permit.table)

    def _make_view(self, place: Place, table: Table, depth: int, made: dict[tuple[str, str], int]) -> None:
        view = table.view
        query = dialect.parse(view["originalSql"])
        found = dialect.references(query, view["schema"])
        dialect.name_columns(query)
        self._make(place, found, depth + 1, made)
        name = f"{quoted(table.database)}.{quoted(table.name)}"
        place.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.database)}")
        place.connection.execute(f"CREATE VIEW {name} AS {dialect.render(query)}")

    def _explain(self, sql: str, analyze: bool) -> Outcome:
        self.tell("UTILITY" if not analyze else "DML", "EXPLAIN")
        place, text = self._plan(dialect.parse(sql))
        self._planned()
        found = place.connection.execute(f"EXPLAIN {'ANALYZE ' if analyze else ''}{text}").fetchall()
        lines = [line for row in found for line in str(row[-1]).splitlines()]
        self._end()
        return self._text([[line] for line in lines], ["Query Plan"])

    # What is written

    def _create(self, query: exp.Create) -> Outcome:
        if str(query.kind).upper() == "VIEW":
            return self._create_view(query)
        if query.expression is None or str(query.kind).upper() != "TABLE":
            raise errors.QueryFault(
                "FAILED: CREATE TABLE makes external tables here, or tables of a query (CTAS)."
            )
        self.tell("DDL", "CREATE_TABLE_AS_SELECT")
        database, name = targets.named(query.this, self.request.database)
        self.catalog.database(database)
        if self.catalog.find(database, name) is not None:
            if query.args.get("exists"):
                return self._text([], [])
            words = f"Table 'awsdatacatalog.{database}.{name}' already exists"
            raise errors.QueryFault(f"TABLE_ALREADY_EXISTS: line 1:1: {words}")
        options = targets.properties(query)
        place, sql = self._plan(query.expression)
        if any(one.args.get("no") for one in query.find_all(exp.WithDataProperty)):
            sql = f"SELECT * FROM ({sql}) WHERE false"
        default = f"{self.request.output}tables/{self.request.id}/"
        target = targets.target(options, options.get("external_location", default), self.request.put)
        writes.check_empty(place, target.location)
        names, kinds = targets.described(place.connection, sql)
        columns = list(writes.named(kinds, names))
        self._planned()
        written = writes.write(place, sql, [name for name, _ in columns], target)
        self._add_table(database, name, columns, target, written)
        return self._manifest(written)

    def _add_table(
        self, database: str, name: str, columns: list[tuple[str, types.HiveType]], target: Target, written: Written
    ) -> None:
        plain = [one for one in columns if one[0] not in target.partitioned]
        keys = [one for one in columns if one[0] in target.partitioned]
        made = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                "EXTERNAL": "TRUE",
                "has_encrypted_data": "false",
                "classification": target.format.lower(),
            },
            "PartitionKeys": [{"Name": one, "Type": str(kind)} for one, kind in keys],
            "StorageDescriptor": writes.storage(target, plain),
        }
        with Asking(database):
            self.catalog.glue.create_table(DatabaseName=database, TableInput=made)
        table = Table(made | {"DatabaseName": database})
        self.catalog.add_partitions(table, [(list(key), where) for key, where in written.partitions.items()], True)

    def _insert(self, query: exp.Insert) -> Outcome:
        self.tell("DML", "INSERT")
        into = query.this
        database, name = targets.named(into, self.request.database)
        table = self._permitted(self.catalog.table(database, name), writes=True)
        if table.is_view:
            raise errors.QueryFault("NOT_SUPPORTED: Inserting into views is not supported")
        named = [one.name.lower() for one in into.expressions] if isinstance(into, exp.Schema) else []
        source = query.expression
        if source is None:
            raise errors.syntax("mismatched input '<EOF>'")
        place, sql = self._plan(source)
        wanted = [*table.columns, *table.keys]
        sql = targets.fitted(place.connection, sql, named, wanted)
        target = targets.target_of(table, self.request.put)
        self._planned()
        written = writes.write(place, sql, [one for one, _ in wanted], target)
        self.catalog.add_partitions(table, [(list(key), where) for key, where in written.partitions.items()], True)
        return self._manifest(written)

    def _unload(self, sql: str, location: str, options: str) -> Outcome:
        self.tell("DML", "UNLOAD")
        said = {key.lower(): value for key, value in targets.pairs(options).items()}
        if "format" not in said:
            raise errors.QueryFault(
                "INVALID_PROCEDURE_ARGUMENT: UNLOAD needs WITH (format = '...')", errors.SYNTAX
            )
        query = dialect.parse(sql)
        if self.request.parameters:
            dialect.fill(query, list(self.request.parameters))
        place, text = self._plan(query)
        target = targets.target(said, location, self.request.put, "compression")
        writes.check_empty(place, target.location)
        names, kinds = targets.described(place.connection, text)
        columns = list(writes.named(kinds, names))
        self._planned()
        return self._manifest(writes.write(place, text, [name for name, _ in columns], target))

    def _create_view(self, query: exp.Create) -> Outcome:
        self.tell("DDL", "CREATE_VIEW")
        database, name = targets.named(query.this, self.request.database)
        self.catalog.database(database)
        there = self.catalog.find(database, name)
        if there is not None and (not there.is_view or not query.args.get("replace")):
            noun = "View" if there.is_view else "Table"
            raise errors.QueryFault(
                f"{noun.upper()}_ALREADY_EXISTS: line 1:1: {noun} already exists: {database}.{name}"
            )
        original = dialect.render_own(query.expression)
        place, sql = self._plan(query.expression)
        names, kinds = targets.described(place.connection, sql)
        columns = list(writes.named(kinds, names))
        told = [(one, types.told(kind)) for one, kind in zip(names, kinds, strict=True)]
        made = {
            "Name": name,
            "TableType": VIEW,
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "PartitionKeys": [],
            "ViewOriginalText": view_text(original, self.request.database, told),
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": one, "Type": str(kind)} for one, kind in columns],
                "Location": "",
                "SerdeInfo": {},
            },
        }
        act = self.catalog.glue.update_table if there else self.catalog.glue.create_table
        with Asking(database):
            act(DatabaseName=database, TableInput=made)
        return self._text([], [])

    def _manifest(self, written: Written) -> Outcome:
        self._put("-manifest.csv", writes.manifest(written))
        self._put(".metadata", json.dumps({"rows": written.rows}).encode())
        self.outcome.rows = written.rows
        self.outcome.result = f"{self.request.output}{self.request.id}"
        self.outcome.columns = [results.Column("rows", "bigint").told]
        self.outcome.manifest = f"{self.request.output}{self.request.id}-manifest.csv"
        return self._end()

    def _planned(self) -> None:
        self.outcome.planning = time.monotonic() - self._began

    def _end(self) -> Outcome:
        self.outcome.scanned = self.objects.scanned
        return self.outcome
