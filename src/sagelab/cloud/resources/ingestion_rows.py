"""What an ingestion takes in: a data set's query run by Athena, and its rows by the types that were declared."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

SECONDS = 1800.0  # that a query may run
ROWS, BYTES = 500_000, 256 << 20  # that a data set takes in
GOING = ("QUEUED", "RUNNING")
PAUSES = (0.05, 0.1, 0.2, 0.5)  # seconds between two looks at a query, and then each second
CANCELLED = "INGESTION_CANCELED"
# Athena's number of an error, or the code by which it refuses to begin -> QuickSight's type.
ERRORS = {1301: "SQL_TABLE_NOT_FOUND", 1401: "PERMISSION_DENIED", "AccessDeniedException": "PERMISSION_DENIED"}
TIMEOUT = "Query timeout"
TRUTHS = {"true": 1, "false": 0, "1": 1, "0": 0}


class Failed(Exception):
    """An ingestion fails. kind: as QuickSight names it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message[:1000])
        self.kind = kind


def failed(message: str, kind: int | str = "") -> Failed:
    """Why Athena has not answered, in its words. kind: of ERRORS."""
    return Failed("QUERY_TIMEOUT" if message == TIMEOUT else ERRORS.get(kind, "SQL_EXCEPTION"), message)


def sql_of(table: Params) -> str:
    """The query of a physical table."""
    if query := table.get("SqlQuery"):
        return str(query)
    quoted = [
        '"{}"'.format(str(name).replace('"', '""')) for name in (table.get("Schema") or "default", table["Name"])
    ]
    names = ", ".join('"{}"'.format(one["Name"].replace('"', '""')) for one in table["InputColumns"])
    return f"SELECT {names} FROM {'.'.join(quoted)}"


def run(athena: Any, sql: str, group: str, over: threading.Event) -> Document:
    """A query of Athena's that has succeeded. Failed: it has not, or `over` is set. ClientError: it is refused."""
    key = athena.start_query_execution(QueryString=sql, WorkGroup=group)["QueryExecutionId"]
    pauses = iter(PAUSES)
    while True:
        found: Document = athena.get_query_execution(QueryExecutionId=key)["QueryExecution"]
        status = found["Status"]
        if status["State"] == "SUCCEEDED":
            return found
        if status["State"] not in GOING:
            why = status.get("StateChangeReason", "The query was cancelled.")
            raise failed(why, status.get("AthenaError", {}).get("ErrorType", ""))
        if over.wait(next(pauses, 1.0)):
            athena.stop_query_execution(QueryExecutionId=key)
            raise Failed(CANCELLED, "The ingestion was cancelled.")


class Rows:
    """The rows of a query, for SPICE. columns: (name, type). counts: ingested and dropped."""

    def __init__(self, athena: Any, query: str, columns: list[tuple[str, str]], over: threading.Event) -> None:
        self._athena, self._query, self._over = athena, query, over
        self.columns, self.counts = columns, Counter[str]()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Failed: a column is missing, it is too much, or it was cancelled."""
        order: list[int] = []
        size = 0
        for number, page in enumerate(self._pages()):
            if not order:
                order = self._order(page["ResultSetMetadata"]["ColumnInfo"])
            for row in page["Rows"][1 if number == 0 else 0 :]:
                texts = [cell.get("VarCharValue") for cell in row["Data"]]
                size += sum(map(len, filter(None, texts)))
                if self.counts["ingested"] >= ROWS or size > BYTES:
                    words = f"A data set takes in {ROWS:,} rows and {BYTES >> 20} MB here."
                    raise Failed("DATA_SET_SIZE_LIMIT_EXCEEDED", words)
                try:
                    found = tuple(
                        _value(texts[at], kind) for at, (_, kind) in zip(order, self.columns, strict=True)
                    )
                except (ValueError, OverflowError):
                    self.counts["dropped"] += 1
                    continue
                self.counts["ingested"] += 1
                yield found

    def _pages(self) -> Iterator[Any]:
        asked: dict[str, Any] = {"QueryExecutionId": self._query, "MaxResults": 1000}
        while True:
            if self._over.is_set():
                raise Failed(CANCELLED, "The ingestion was cancelled.")
            found = self._athena.get_query_results(**asked)
            yield found["ResultSet"]
            if not found.get("NextToken"):
                return
            asked["NextToken"] = found["NextToken"]

    def _order(self, told: list[Params]) -> list[int]:
        places = {str(one["Name"]).lower(): number for number, one in reversed(list(enumerate(told)))}
        for name, _ in self.columns:
            if name.lower() not in places:
                raise Failed("SQL_SCHEMA_MISMATCH_ERROR", f"The query has no column {name}.")
        return [places[name.lower()] for name, _ in self.columns]


def _value(text: str | None, kind: str) -> Any:
    """As SQLite keeps it. ValueError: it is none of that type."""
    if text is None or (text == "" and kind != "STRING"):
        return None
    if kind == "INTEGER":
        if abs(whole := int(text)) >= 1 << 63:
            raise OverflowError(text)
        return whole
    if kind == "DECIMAL":
        if not math.isfinite(number := float(text)):
            raise ValueError(text)
        return number
    if kind in ("BIT", "BOOLEAN"):
        if (found := TRUTHS.get(text.lower())) is None:
            raise ValueError(text)
        return found
    if kind == "DATETIME":
        return datetime.fromisoformat(text.removesuffix(" UTC")).isoformat(" ", "seconds")[:19]
    return text
