"""Redshift's Data API: statements that are sent and asked after, and what they found.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.warehouse.statements import FOLDER, StatementRun
from sagelab.cloud.holders import holder
from sagelab.cloud.resources import listing, statement_results
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.warehouses import Warehouse, Warehouses, invalid
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND = "redshift-statement"
RUNNING = ("SUBMITTED", "PICKED", "STARTED")
ACTIVE, LONGEST, MOST = 500, 100_000, 40  # statements at a time; characters of one; statements of a batch
KEPT, EVERY = 86400, 3600  # seconds; between two looks for what is older
LARGEST = 110 << 20  # bytes of what a statement finds
TOO_MANY = "Active statements exceeded the allowed quota (500)."
NO_RESULT = "Query does not have result. Please check query status with DescribeStatement."


class Statements(Family):
    """The statements of one local cloud."""

    service = "redshift-data"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._warehouses = Warehouses(cloud)
        self._runs: dict[str, StatementRun] = {}
        self._lock, self._closed, self._cleaned = threading.Lock(), False, 0.0
        ended = "ERROR: The local cloud ended while the statement was running."
        for arn, _ in self.store.with_status(KIND, *RUNNING):
            self._report(arn, Step("FAILED", ended))

    @operation("ExecuteStatement")
    def execute(self, call: Call) -> Params:
        return self._start(call, [call.params["Sql"]], call.params.get("Parameters") or [])

    @operation("BatchExecuteStatement")
    def execute_many(self, call: Call) -> Params:
        if call.params.get("Parameters") or call.params.get("ExecutionMode") == "AUTO_COMMIT":
            raise invalid("A batch is one transaction without parameters here.")
        return self._start(call, call.params["Sqls"], [])

    def _start(self, call: Call, sqls: list[str], parameters: list[Params]) -> Params:
        params, warehouse = call.params, self._warehouses.find(call)
        if sum(map(len, sqls)) > LONGEST or not 0 < len(sqls) <= MOST:
            raise invalid("The statements are too many, or too long: 100,000 characters are the most.")
        if params.get("ResultFormat", "JSON") != "JSON":
            raise invalid("ResultFormat CSV is not something the local cloud can do.")
        self._clean()
        with self._lock:
            if len(self._runs) >= ACTIVE:
                raise Beside(
                    "ActiveStatementsExceededException", "Active statements exceeded the allowed quota (500)."
                )
        token = params.get("ClientToken")
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{call.caller} {token}")) if token else str(uuid.uuid4())
        kept = _document(call, key, sqls, parameters)
        arn = _arn(call, key)
        try:
            self.store.add(Resource(arn, KIND, call.region, key, "SUBMITTED", kept))
        except Exists:
            return _started(self.store.get(arn))
        run = self._run(call, arn, key, warehouse, sqls, parameters)
        with self._lock:
            self._runs[arn] = run
            if self._closed:
                run.interrupt()
        run.start()
        return _started(kept)

    def _run(
        self, call: Call, arn: str, key: str, warehouse: Warehouse, sqls: list[str], parameters: list[Params]
    ) -> StatementRun:
        return StatementRun(
            key,
            self._asked(call, warehouse, sqls, parameters),
            self.cloud.engine_context(call.region),
            warehouse.folder,
            self._warehouses.turns(warehouse),
            partial(self._warehouses.answer, warehouse),
            partial(self._keep, key),
            partial(self._report, arn),
        )

    def _asked(self, call: Call, warehouse: Warehouse, sqls: list[str], parameters: list[Params]) -> Params:
        """What the host is told. Beside: the cluster has another database."""
        database = str(call.params.get("Database") or "")
        if database != warehouse.database:
            raise invalid(f'FATAL: database "{database}" does not exist')
        return {
            "file": f"{FOLDER}/{database}.duckdb",
            "statements": sqls,
            "parameters": parameters,
            "schemas": self._warehouses.schemas(warehouse),
        }

    @operation("DescribeStatement")
    def describe(self, call: Call) -> Params:
        found, number = self._find(call)
        if number is not None:
            return {"Id": call.params["Id"]} | _sub(found, number) | _plain(found)
        subs = [_sub(found, at) for at in range(len(found["Sqls"]))]
        told = _plain(found) | {
            "Id": found["Id"],
            "Status": found["Status"],
            "CreatedAt": found["CreatedAt"],
            "UpdatedAt": found["UpdatedAt"],
            "Error": found.get("Error"),
            "Duration": sum(one["Duration"] for one in subs) if found["Status"] not in RUNNING else -1,
            "QueryParameters": found["Parameters"] or None,
            "RedshiftPid": 0,
            "ResultFormat": "JSON",
        }
        if found["Batch"]:
            return told | {"SubStatements": subs, "HasResultSet": any(one["HasResultSet"] for one in subs)}
        more = ("QueryString", "ResultRows", "ResultSize", "HasResultSet", "RedshiftQueryId")
        return told | {name: subs[0][name] for name in more}

    @operation("GetStatementResult")
    def result(self, call: Call) -> Params:
        found, number = self._find(call)
        told = found["Told"].get(str(number or 0)) or {}
        if found["Status"] != "FINISHED" or "columns" not in told or (found["Batch"] and number is None):
            raise Beside("ResourceNotFoundException", NO_RESULT)
        token = call.params.get("NextToken") or "0"
        if not re.fullmatch(r"\d{1,12}", token):
            raise invalid("NextToken is not valid.")
        rows, after = statement_results.page(self._file(found["Id"], number or 0), int(token))
        columns = told["columns"]
        return {"Records": rows, "ColumnMetadata": columns, "TotalNumRows": told["rows"], "NextToken": after}

    @operation("ListStatements")
    def list_statements(self, call: Call) -> Params:
        params = call.params
        status, named = params.get("Status", "ALL"), params.get("StatementName", "")
        wanted = {"Cluster": params.get("ClusterIdentifier"), "Database": params.get("Database")}
        rows = [
            _listed(one)
            for one in self.store.documents(KIND, call.region)
            if one["Owner"] == holder(call.caller)
            and status in ("ALL", one["Status"])
            and str(one.get("Name") or "").startswith(named)
            and all(value in (None, one[name]) for name, value in wanted.items())
        ]
        return listing.page(call, "Statements", rows, 100)

    @operation("CancelStatement")
    def cancel(self, call: Call) -> Params:
        found, _ = self._find(call)
        if found["Status"] not in RUNNING:
            raise invalid(
                f"Could not cancel a query that is already in {found['Status']} state with ID: {found['Id']}"
            )
        with self._lock:
            run = self._runs.get(_arn(call, found["Id"]))
        if run is not None:
            run.stop()
        return {"Status": True}

    # What there is

    @operation("ListDatabases")
    def list_databases(self, call: Call) -> Params:
        warehouse = self._warehouses.find(call)
        return listing.page(call, "Databases", [warehouse.database], 100)  # type: ignore[list-item] # names alone

    @operation("ListSchemas")
    def list_schemas(self, call: Call) -> Params:
        warehouse = self._warehouses.find(call)
        sql = f"SELECT schema_name FROM information_schema.schemata WHERE catalog_name = '{warehouse.database}'"
        names = {row[0] for row in self._ask(call, warehouse, sql)} | set(self._warehouses.schemas(warehouse))
        pattern = call.params.get("SchemaPattern")
        rows: list[Any] = [name for name in sorted(names - {"main"}) if _like(name, pattern)]
        return listing.page(call, "Schemas", rows, 1000)

    @operation("ListTables")
    def list_tables(self, call: Call) -> Params:
        warehouse = self._warehouses.find(call)
        sql = (
            "SELECT table_schema, table_name, table_type FROM information_schema.tables"
            f" WHERE table_catalog = '{warehouse.database}'"
        )
        params, kinds = call.params, {"BASE TABLE": "TABLE"}
        rows = [
            {"schema": schema, "name": name, "type": kinds.get(kind, kind)}
            for schema, name, kind in sorted(self._ask(call, warehouse, sql))
            if _like(schema, params.get("SchemaPattern")) and _like(name, params.get("TablePattern"))
        ]
        return listing.page(call, "Tables", rows, 1000)

    @operation("DescribeTable")
    def describe_table(self, call: Call) -> Params:
        warehouse, params = self._warehouses.find(call), call.params
        schema, table = params.get("Schema") or "public", params.get("Table") or ""
        sql = (
            "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            f" WHERE table_schema = {_text(schema)} AND table_name = {_text(table)}"
            f" AND table_catalog = '{warehouse.database}' ORDER BY ordinal_position"
        )
        rows = [
            {
                "name": name,
                "typeName": kind.lower(),
                "nullable": int(nullable == "YES"),
                "columnDefault": default,
                "schemaName": schema,
                "tableName": table,
            }
            for name, kind, nullable, default in self._ask(call, warehouse, sql)
        ]
        return {"TableName": table} | listing.page(call, "ColumnList", rows, 1000)

    def _ask(self, call: Call, warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a question of our own, at once. Beside: it could not be asked."""
        found: list[Any] = []
        ends: list[Step] = []
        run = StatementRun(
            uuid.uuid4().hex,
            self._asked(call, warehouse, [sql], []),
            self.cloud.engine_context(call.region),
            warehouse.folder,
            self._warehouses.turns(warehouse),
            lambda _: {},
            lambda _, rows: found.extend(rows),
            ends.append,
        )
        run.run()
        if ends[-1].status != "FINISHED":
            raise invalid(ends[-1].message)
        return [tuple(next(iter(one.values())) if "isNull" not in one else None for one in row) for row in found]

    # What is kept

    def close(self) -> None:
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()

    def _file(self, key: str, number: int) -> Path:
        folder = self.cloud.home.warehouses / "results"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{key}-{number}.jsonl"

    def _keep(self, key: str, number: int, rows: list[Any]) -> None:
        with self._file(key, number).open("a") as file:
            if file.tell() < LARGEST:
                file.writelines(json.dumps(row) + "\n" for row in rows)

    def _clean(self) -> None:
        """Statements of yesterday, and what they found, are forgotten: once an hour at the most."""
        now = time.monotonic()
        with self._lock:
            if self._cleaned and now - self._cleaned < EVERY:
                return
            self._cleaned = now
        oldest = datetime.now(UTC).timestamp() - KEPT
        for arn, one in self.store.with_status(KIND, "FINISHED", "FAILED", "ABORTED"):
            if one["CreatedAt"].timestamp() < oldest:
                for number in range(len(one["Sqls"])):
                    self._file(one["Id"], number).unlink(missing_ok=True)
                self.store.remove(arn)

    def _find(self, call: Call) -> tuple[Document, int | None]:
        """A statement of the caller's, and which of its batch is meant. Beside: there is none."""
        key, _, number = str(call.params["Id"]).partition(":")
        try:
            found = self.store.get(_arn(call, key))
        except Missing:
            found = {}
        sub = int(number) - 1 if re.fullmatch(r"\d{1,3}", number) else None
        there = found and found["Owner"] == holder(call.caller) and (not number or sub is not None)
        if not there or (sub is not None and not 0 <= sub < len(found["Sqls"])):
            raise Beside("ResourceNotFoundException", "Query does not exist.")
        return found, sub

    def _report(self, arn: str, step: Step) -> None:
        def edit(kept: Document) -> str:
            if kept["Status"] in RUNNING:
                kept["Status"], kept["UpdatedAt"] = step.status, datetime.now(UTC)
                kept |= {"Error": step.message} if step.message else {}
                kept["Told"] = {str(at): told for at, told in step.facts.get("Statements", {}).items()} or kept[
                    "Told"
                ]
            return str(kept["Status"])

        try:
            kept = self.store.change(arn, edit)
        except Missing:
            return
        if kept["Status"] not in RUNNING:
            with self._lock:
                self._runs.pop(arn, None)


def _document(call: Call, key: str, sqls: list[str], parameters: list[Params]) -> Document:
    params, now = call.params, datetime.now(UTC)
    return {
        "Id": key,
        "Owner": holder(call.caller),
        "Sqls": sqls,
        "Batch": "Sqls" in params,
        "Name": params.get("StatementName"),
        "Cluster": params["ClusterIdentifier"],
        "Database": params.get("Database"),
        "DbUser": params.get("DbUser"),
        "Parameters": parameters,
        "Status": "SUBMITTED",
        "CreatedAt": now,
        "UpdatedAt": now,
        "Told": {},
    }


def _plain(found: Document) -> Params:
    return {"ClusterIdentifier": found["Cluster"], "Database": found["Database"], "DbUser": found["DbUser"]}


def _started(found: Document) -> Params:
    return _plain(found) | {"Id": found["Id"], "CreatedAt": found["CreatedAt"]}


def _sub(found: Document, number: int) -> Params:
    """What is known of one statement of a batch, or of the only one."""
    told, status = found["Told"].get(str(number)), found["Status"]
    if status in ("FAILED", "ABORTED") and (told is None or "error" not in told):
        status = "ABORTED" if found["Batch"] else status
    told = told or {}
    return {
        "Id": f"{found['Id']}:{number + 1}",
        "QueryString": found["Sqls"][number],
        "Status": status,
        "Error": told.get("error"),
        "CreatedAt": found["CreatedAt"],
        "UpdatedAt": found["UpdatedAt"],
        "Duration": int(told.get("seconds", 0) * 1e9),
        "ResultRows": told.get("rows", -1),
        "ResultSize": told.get("size", 0),
        "HasResultSet": "columns" in told,
        "RedshiftQueryId": 0,
    }


def _listed(found: Document) -> Params:
    sql = {"QueryStrings": found["Sqls"]} if found["Batch"] else {"QueryString": found["Sqls"][0]}
    return sql | {
        "Id": found["Id"],
        "Status": found["Status"],
        "StatementName": found.get("Name"),
        "CreatedAt": found["CreatedAt"],
        "UpdatedAt": found["UpdatedAt"],
        "IsBatchStatement": found["Batch"],
        "QueryParameters": found["Parameters"] or None,
        "ResultFormat": "JSON",
    }


def _like(name: str, pattern: str | None) -> bool:
    """SQL's LIKE, as far as % and _ go."""
    return not pattern or fnmatchcase(name, pattern.replace("%", "*").replace("_", "?"))


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _arn(call: Call, key: str) -> str:
    return f"arn:aws:redshift-data:{call.region}:{call.account}:statement/{key}"
