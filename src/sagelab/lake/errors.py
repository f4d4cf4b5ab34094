"""Why a query fails, in Athena's words; DuckDB's errors put into them.

    QueryFault          reason: the StateChangeReason. kind: of the AthenaError
      Cutoff            it has read more than its workgroup lets a query read

https://docs.aws.amazon.com/athena/latest/ug/error-reference.html
"""

from __future__ import annotations

import re

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

SYSTEM, USER, OTHER = 1, 2, 3  # of an AthenaError's ErrorCategory
GENERIC_USER, NO_TABLE, NO_COLUMN, SYNTAX, BAD_DATA, RESOURCES, DENIED = 1006, 1301, 1301, 1302, 1306, 401, 1401
INTERNAL = 233
CUTOFF = "Bytes scanned limit was exceeded"
_UNRESOLVED = "cannot be resolved or requester is not authorized to access requested resources"
_LONGEST = 900  # characters of a reason


class QueryFault(Exception):
    """reason: what StateChangeReason says. kind: AthenaError's ErrorType. category: its ErrorCategory."""

    def __init__(self, reason: str, kind: int = GENERIC_USER, category: int = USER) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.category = reason[:_LONGEST], kind, category


class Cutoff(QueryFault):
    """More bytes were asked for than BytesScannedCutoffPerQuery."""

    def __init__(self) -> None:
        super().__init__(CUTOFF, 1003)


def syntax(what: str, line: int = 1, column: int = 1) -> QueryFault:
    return QueryFault(f"SYNTAX_ERROR: line {line}:{column}: {what}", SYNTAX)


def no_table(database: str, name: str, line: int = 1, column: int = 1) -> QueryFault:
    words = f"Table 'awsdatacatalog.{database}.{name}' does not exist"
    return QueryFault(f"TABLE_NOT_FOUND: line {line}:{column}: {words}", NO_TABLE)


def no_database(name: str) -> QueryFault:
    return QueryFault(f"SCHEMA_NOT_FOUND: line 1:1: Schema {name} not found", NO_TABLE)


def bad_data(what: str) -> QueryFault:
    return QueryFault(f"HIVE_BAD_DATA: {what}", BAD_DATA)


def denied(error: ClientError) -> QueryFault:
    """What AWS's service has refused for the caller."""
    said = error.response["Error"]
    words = f"{said.get('Message', '')}"
    return QueryFault(f"Insufficient permissions to execute the query. {words}", DENIED)


def is_denial(error: ClientError) -> bool:
    return error.response["Error"].get("Code") in ("AccessDenied", "AccessDeniedException", "403", "Forbidden")


def explain(error: BaseException) -> QueryFault:
    """What a query comes to that DuckDB, S3 or Glue has ended."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, QueryFault):
            return inner
        inner = inner.__cause__ or inner.__context__
    if isinstance(error, ClientError):
        if is_denial(error):
            return denied(error)
        said = error.response["Error"]
        return QueryFault(f"{said.get('Code')}: {said.get('Message')}")
    if isinstance(error, BotoCoreError):
        return QueryFault(f"INTERNAL_ERROR: {error}", INTERNAL, SYSTEM)
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return QueryFault("EXCEEDED_MEMORY_LIMIT: Query exhausted resources at this scale factor", RESOURCES)
    if isinstance(error, RecursionError):
        return QueryFault("GENERIC_USER_ERROR: The query is nested too deeply.")
    if isinstance(error, duckdb.Error):
        return _of_duckdb(error)
    return QueryFault(f"INTERNAL_ERROR: {type(error).__name__}: {error}", INTERNAL, SYSTEM)


_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')
_OF_TABLE = re.compile(r'(?:Table|table) "([^"]+)" does not have a column named "([^"]+)"')
_ALIAS = re.compile(r'Referenced table "([^"]+)" not found')
_FUNCTION = re.compile(
    r"(?:Scalar|Aggregate|Table|Macro|Scalar Macro|Window)? ?Function with name \"?(\w+)\"? does not"
)
_CAST = re.compile(r"Could not convert string ['\"](.*?)['\"] to (\S+)", re.S)
_BAD = re.compile(r"HIVE_(?:BAD_DATA|CURSOR_ERROR): .*", re.S)
_GROUPED = re.compile(r'column "([^"]+)" must appear in the GROUP BY')
NAMES = {"int8": "tinyint", "int16": "smallint", "int32": "integer", "int64": "bigint"}


def _of_duckdb(error: duckdb.Error) -> QueryFault:
    text = str(error)
    if found := _BAD.search(text):
        return QueryFault(found[0].strip(), BAD_DATA)
    if found := _OF_TABLE.search(text):
        return QueryFault(f"COLUMN_NOT_FOUND: line 1:1: Column '{found[1]}.{found[2]}' {_UNRESOLVED}", NO_COLUMN)
    if found := _COLUMN.search(text) or _ALIAS.search(text):
        name = next(group for group in found.groups() if group)
        return QueryFault(f"COLUMN_NOT_FOUND: line 1:1: Column '{name}' {_UNRESOLVED}", NO_COLUMN)
    if found := _FUNCTION.search(text):
        return QueryFault(f"FUNCTION_NOT_FOUND: line 1:1: Function '{found[1]}' not registered", SYNTAX)
    if found := _GROUPED.search(text):
        words = f"'{found[1]}' must be an aggregate expression or appear in GROUP BY clause"
        return QueryFault(f"EXPRESSION_NOT_AGGREGATE: line 1:1: {words}", SYNTAX)
    if isinstance(error, duckdb.ConversionException):
        found = _CAST.search(text)
        kind = found[2].lower() if found else ""
        words = f"Cannot cast '{found[1]}' to {NAMES.get(kind, kind)}" if found else _first(text)
        return QueryFault(f"INVALID_CAST_ARGUMENT: {words}")
    if isinstance(error, duckdb.OutOfRangeException):
        return QueryFault(f"NUMERIC_VALUE_OUT_OF_RANGE: {_first(text)}")
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        kind = "TYPE_MISMATCH" if "function matches" in text or "Cannot compare" in text else "SYNTAX_ERROR"
        return QueryFault(f"{kind}: line 1:1: {_first(text)}", SYNTAX)
    if isinstance(error, duckdb.PermissionException):
        return QueryFault(f"NOT_SUPPORTED: {_first(text)}", SYNTAX)
    return QueryFault(f"GENERIC_USER_ERROR: {_first(text)}")


def _first(text: str) -> str:
    """The first line of what DuckDB says, without its heading."""
    return re.sub(r"^[\w ]+ Error: ", "", text.strip().splitlines()[0] if text.strip() else "unknown")
