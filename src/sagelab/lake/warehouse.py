"""Statements of Redshift's on a database file, and on the catalogue's tables beside it (Spectrum).

https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html
https://docs.aws.amazon.com/redshift/latest/dg/c-using-spectrum.html
"""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import duckdb
from sqlglot import exp

from sagelab.lake import copying, errors, filesystem, redshift, tables
from sagelab.lake.catalog import Catalog, Table
from sagelab.lake.copying import Copy, Unload
from sagelab.lake.filesystem import PROTOCOL, SETTINGS, Files
from sagelab.lake.objects import Objects
from sagelab.lake.redshift import Statement
from sagelab.lake.tables import Place
from sagelab.lake.types import quoted

BATCH = 2_000  # rows that are told at a time
LARGEST = 100 << 20  # bytes of a result
MOST = 16  # roles of external schemas
_OUTSIDE = re.compile(
    r"\s*CREATE\s+EXTERNAL\s+SCHEMA\s+(IF\s+NOT\s+EXISTS\s+)?\"?(\w+)\"?\s+FROM\s+DATA\s+CATALOG\s+DATABASE\s+'([^']+)'"
    r"(?:\s+REGION\s+'[^']*')?\s+IAM_ROLE\s+(?:'([^']+)'|(DEFAULT))\s*(CREATE\s+EXTERNAL\s+DATABASE\s+IF\s+NOT\s+EXISTS)?"
    r"\s*;?\s*",
    re.I,
)
_DROP = re.compile(r"\s*DROP\s+SCHEMA\s+(?:IF\s+EXISTS\s+)?\"?(\w+)\"?(?:\s+(?:CASCADE|RESTRICT))?\s*;?\s*", re.I)
# DuckDB's type -> Redshift's word for it.
_TYPES = {
    "BOOLEAN": "bool",
    "TINYINT": "int2",
    "SMALLINT": "int2",
    "INTEGER": "int4",
    "BIGINT": "int8",
    "HUGEINT": "numeric",
    "FLOAT": "float4",
    "DOUBLE": "float8",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "BLOB": "varbyte",
}
Ask = Callable[[dict[str, Any]], dict[str, Any]]
Told = Callable[..., None]


@dataclass(frozen=True)
class Asked:
    """file: the database. schemas: of external ones, name -> {"database", "role"}."""

    file: str
    statements: list[str]
    parameters: list[dict[str, str]] = field(default_factory=list)
    schemas: dict[str, dict[str, str]] = field(default_factory=dict)
    memory: int = 1 << 30
    threads: int = 2


class Warehouse:
    """client: service, keys -> a client. ask: the local cloud. tell: hears of rows and of statements that end."""

    def __init__(self, asked: Asked, client: Callable[..., Any], ask: Ask, tell: Told) -> None:
        self.asked, self.client, self.ask, self.tell = asked, client, ask, tell
        self.schemas = dict(asked.schemas)
        self.objects = Objects(client("s3", ("none", "none", "none")))
        self.files = Files(self.objects)
        self._roles: dict[str, int] = {}  # -> the number of the catalogue that has its views
        self._keys: dict[str, tuple[str, str, str]] = {}
        self._made: dict[tuple[str, str, str], int] = {}
        self._size = 0

    def run(self) -> dict[str, Any]:
        """Each statement's end is told; QueryFault: why one fails, and with it all of them."""
        try:
            return self._run()
        except Exception:
            if self.objects.fault:
                raise self.objects.fault from None
            raise

    def _run(self) -> dict[str, Any]:
        read = [self._read(sql) for sql in self.asked.statements]
        several, ends = len(read) > 1, []
        if several:
            self.connection.execute("BEGIN")
        for number, one in enumerate(read):
            began = time.monotonic()
            self.tell("statement", number=number)
            try:
                outcome = self._do(one, number)
            except Exception as error:
                fault = explain(error)
                self.tell("ended", {"error": fault.reason, "seconds": time.monotonic() - began}, number=number)
                raise fault from None
            outcome["seconds"] = time.monotonic() - began
            self.tell("ended", outcome, number=number)
            ends.append(outcome)
        if several:
            self.connection.execute("COMMIT")
        self.connection.close()
        return {}

    def _read(self, sql: str) -> Copy | Unload | Statement | re.Match[str]:
        """QueryFault: it is no statement. The views of external tables are made before anything runs."""
        if found := _OUTSIDE.fullmatch(sql):
            return found
        if (found := _DROP.fullmatch(sql)) and found[1].lower() in self.schemas:
            return found
        if copied := copying.read_copy(sql):
            return copied
        if unloaded := copying.read_unload(sql):
            self._prepared(unloaded.sql)
            return unloaded
        return self._prepared(sql)

    def _prepared(self, sql: str) -> Statement:
        found = redshift.parse(sql)
        redshift.fill(found, self.asked.parameters)
        redshift.name_tables(found, {name: one["role"] for name, one in self.schemas.items()})
        for node in found.outside:
            self._make(node)
        return found

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database: it sees its own file and nothing else; external tables are views in memory beside it."""
        settings = {"threads": self.asked.threads, "memory_limit": f"{self.asked.memory >> 20}MB"}
        made = duckdb.connect(self.asked.file, config=settings)
        made.register_filesystem(self.files)
        for number in range(MOST):
            made.execute(f"ATTACH ':memory:' AS outside{number}")
        made.execute("CREATE SCHEMA IF NOT EXISTS public")
        for name, value in SETTINGS.items():
            made.execute(f"SET {name}={value}")
        filesystem.lock(made)
        made.execute(f"USE {self._own}.public")
        return made

    @property
    def _own(self) -> str:
        return quoted(self.asked.file.rpartition("/")[2].partition(".")[0])

    # Spectrum

    def _make(self, node: exp.Table) -> None:
        """A view of a table of an external schema, which its node names from now on."""
        schema = self.schemas[node.db.lower()]
        role, database, name = schema["role"], schema["database"], node.name.lower()
        number = self._roles.setdefault(role, len(self._roles))
        if number >= MOST:
            raise errors.QueryFault(f"ERROR: external schemas of more than {MOST} roles are not here")
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
        if (role, database, name) not in self._made:
            self._made[role, database, name] = len(self._made)
            self.connection.execute(f"USE outside{number}")
            self._view(role, database, name)
            self.connection.execute(f"USE {self._own}.public")
        node.set("this", exp.to_identifier(name, quoted=True))
        node.set("db", exp.to_identifier(database, quoted=True))
        node.set("catalog", exp.to_identifier(f"outside{number}"))

    def _view(self, role: str, database: str, name: str) -> None:
        keys = self.keys(role)
        catalog = Catalog(self.client("glue", keys), lambda asked: self.ask(asked | {"role": role}))
        table = catalog.find(database, name)
        if table is None:
            raise errors.QueryFault(f'ERROR: relation "{name}" does not exist', errors.NO_TABLE)
        permit, lent = catalog.permit(table), None
        if permit is not None:
            permit.check(name, table.is_view, False)
            lent, table = permit.keys, Table(permit.table)
        if table.is_view:
            raise errors.QueryFault(f"ERROR: {name} is a view of Athena's, which Spectrum does not read")
        catalog.own = self.client("s3", keys)
        if lent:
            folder = (lent["bucket"], lent["prefix"], self.client("s3", tuple(lent["keys"])))
            catalog.readers[database, name] = folder
        place = Place(self.connection, self.files, self.objects, catalog)
        tables.make(place, table, self._made[role, database, name], [])

    def keys(self, role: str) -> tuple[str, str, str]:
        """Of a role of the warehouse's. QueryFault: it has none such, or may not take it on."""
        if role not in self._keys:
            found = self.ask({"what": "role", "role": role})
            if "keys" not in found:
                raise errors.QueryFault(f"ERROR: {found.get('reason')}", errors.DENIED)
            self._keys[role] = (*found["keys"],)
        return self._keys[role]

    # Statements

    def _do(self, one: Copy | Unload | Statement | re.Match[str], number: int) -> dict[str, Any]:
        if isinstance(one, Copy):
            return self._copy(one)
        if isinstance(one, Unload):
            return self._unload(one)
        if isinstance(one, re.Match):
            return self._change_schema(one)
        if one.query is None:
            return {"rows": 0}
        for before in one.before:
            self.connection.execute(before)
        done = self.connection.execute(redshift.render(one.query))
        if not one.has_rows:
            changed = done.fetchone() if isinstance(one.query, exp.Insert | exp.Update | exp.Delete) else None
            return {"rows": int(changed[0]) if changed else 0}
        return self._rows(done, number)

    def _rows(self, done: duckdb.DuckDBPyConnection, number: int) -> dict[str, Any]:
        columns = [_column(str(name), kind) for name, kind, *_ in done.description or ()]
        count = 0
        while rows := done.fetchmany(BATCH):
            fields = [[_field(value) for value in row] for row in rows]
            payload = json.dumps(fields)
            self._size += len(payload)
            if self._size > LARGEST:
                raise errors.QueryFault("ERROR: The result is larger than 100 MB.")
            count += len(rows)
            for start in range(0, len(fields), 200):
                self.tell("rows", fields[start : start + 200], number=number)
        return {"rows": count, "columns": columns, "size": self._size}

    def _change_schema(self, found: re.Match[str]) -> dict[str, Any]:
        if found.re is _DROP:
            name = found[1].lower()
            self.schemas.pop(name, None)
            answer = self.ask({"what": "drop schema", "name": name})
        else:
            name = found[2].lower()
            if name in self.schemas and not found[1]:
                raise errors.QueryFault(f'ERROR: Schema "{name}" already exists')
            made = {"database": found[3].lower(), "role": found[4] or "default"}
            if found[6]:
                self._make_database(made)
            answer = self.ask({"what": "schema", "name": name} | made)
            self.schemas[name] = {"database": made["database"], "role": str(answer.get("role"))}
        if answer.get("reason"):
            raise errors.QueryFault(f"ERROR: {answer['reason']}")
        return {"rows": 0}

    def _make_database(self, made: dict[str, str]) -> None:
        glue = self.client("glue", self.keys(made["role"]))
        try:
            glue.create_database(DatabaseInput={"Name": made["database"]})
        except glue.exceptions.AlreadyExistsException:
            return

    def _copy(self, found: Copy) -> dict[str, Any]:
        bucket, key = found.place.partition("://")[2].partition("/")[::2]
        client = self.client("s3", self.keys(found.role))
        there = list(self.objects.below(bucket, key, client))
        if not there:
            raise errors.QueryFault(f"ERROR: The specified S3 prefix '{key}' does not exist")
        for one in there:
            self.objects.count(one.size)
        addresses = [self.files.add("copied", [], one) for one in there]
        rows = self.connection.execute(f"SELECT * FROM {found.table} LIMIT 0").description or []
        names = found.columns or [str(row[0]) for row in rows if not self._is_identity(found.table, str(row[0]))]
        source = copying.source(found, addresses)
        if found.format in ("csv", "text"):
            shown = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
            source = source.replace("{names}", f"{{{shown}}}")
        chosen = "*" if found.format in ("csv", "text") else ", ".join(map(quoted, names))
        into = ", ".join(map(quoted, names))
        done = self.connection.execute(
            f"INSERT INTO {found.table} ({into}) SELECT {chosen} FROM {source}"
        ).fetchone()
        return {"rows": int(done[0]) if done else 0}

    def _is_identity(self, table: str, name: str) -> bool:
        schema, plain = (one.strip('"') for one in table.split(".", 1))
        sql = (
            "SELECT column_default FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? AND column_name = ?"
        )
        found = self.connection.execute(sql, [schema, plain, name]).fetchone()
        return bool(found and str(found[0] or "").startswith("nextval"))

    def _unload(self, found: Unload) -> dict[str, Any]:
        inner = self._prepared(found.sql)
        if not inner.has_rows or inner.query is None:
            raise redshift.syntax(found.sql.split(" ")[0])
        bucket, key = found.place.partition("://")[2].partition("/")[::2]
        client = self.client("s3", self.keys(found.role))
        self.objects.lend(bucket, key, client)
        if not found.overwrite and next(self.objects.below(bucket, key, client), None) is not None:
            words = "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix"
            raise errors.QueryFault(f"ERROR: {words}, or the ALLOWOVERWRITE option.")
        name = f"made/{uuid.uuid4()}" + {"gzip": ".gz", "zstd": ".zst"}.get(found.packed, "")
        sql = f"COPY ({redshift.render(inner.query)}) TO '{PROTOCOL}://{name}' ({copying.options(found)})"
        done = self.connection.execute(sql).fetchone()
        content = self.files.written[name]
        content.seek(0)
        ending = (
            ".parquet" if found.format == "parquet" else name.partition(".")[2] and f".{name.partition('.')[2]}"
        )
        self.objects.put(f"s3://{bucket}/{key}000{ending}", content, {})
        return {"rows": int(done[0]) if done else 0}


def _column(name: str, kind: Any) -> dict[str, Any]:
    text = str(kind)
    word = "numeric" if text.startswith("DECIMAL") else _TYPES.get(text, "varchar")
    sizes = [int(one) for one in re.findall(r"\d+", text)] if word == "numeric" else []
    precision, scale = (*sizes, 0, 0)[:2]
    return {"name": name, "label": name, "typeName": word, "precision": precision, "scale": scale, "nullable": 1}


def _field(value: Any) -> dict[str, Any]:
    """As the API has it."""
    match value:
        case None:
            return {"isNull": True}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"longValue": value} if -(1 << 63) <= value < 1 << 63 else {"stringValue": str(value)}
        case float():
            return {"doubleValue": value} if value - value == 0 else {"stringValue": str(value)}
        case bytes():
            return {"blobValue": base64.b64encode(value).decode()}
        case Decimal() | date() | datetime():
            return {"stringValue": str(value)}
        case str():
            return {"stringValue": value}
    return {"stringValue": json.dumps(value, default=str)}


_TABLE = re.compile(r"Table with name (\S+) does not exist")
_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column (?:named|with name) "([^"]+)"')
_SCHEMA = re.compile(r"Schema with name (\S+) does not exist")
_FUNCTION = re.compile(r"Function with name \"?(\w+)\"? does not")
_NEAR = re.compile(r'syntax error at or near "([^"]*)"')
_VALUE = re.compile(r"Could not convert string ['\"](.*?)['\"] to (\S+)", re.S)
_THERE = re.compile(r'(?:Table|View) with name "?([\w.]+)"? already exists')


def explain(error: BaseException) -> errors.QueryFault:
    """In Redshift's words."""
    if not isinstance(error, duckdb.Error) or isinstance(error, duckdb.OutOfMemoryException):
        fault = errors.explain(error)
        reason = fault.reason if fault.reason.startswith("ERROR") else f"ERROR: {fault.reason}"
        return errors.QueryFault(reason, fault.kind, fault.category)
    text = str(error)
    words = {
        _TABLE: 'relation "{}" does not exist',
        _COLUMN: 'column "{}" does not exist',
        _SCHEMA: 'schema "{}" does not exist',
        _FUNCTION: "function {} does not exist",
        _NEAR: 'syntax error at or near "{}"',
        _THERE: 'Relation "{}" already exists',
        _VALUE: 'invalid input syntax for {1}: "{0}"',
    }
    for pattern, form in words.items():
        if found := pattern.search(text):
            groups = [errors.NAMES.get(one.lower(), one) for one in found.groups() if one]
            return errors.QueryFault(f"ERROR: {form.format(*groups)}")
    first = re.sub(r"^[\w ]+ Error: ", "", text.strip().splitlines()[0])
    return errors.QueryFault(f"ERROR: {first}")
