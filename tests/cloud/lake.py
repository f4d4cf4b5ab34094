"""Queries of Athena as tests make them: a bucket and a database of a test module's own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import LocalCloud
from tests.waiting import until

Row = list[str | None]
# Minutes of a processor for one number.
SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 100000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(y)"
    " WHERE x * y % 7 = 3"
)


@dataclass
class Lake:
    """athena: by default with the home's own key. there: whether bucket and database are made already."""

    cloud: LocalCloud
    bucket: str = field(default_factory=lambda: f"lake-{uuid.uuid4().hex[:8]}")
    database: str = field(default_factory=lambda: f"db_{uuid.uuid4().hex[:8]}")
    there: bool = False

    def __post_init__(self) -> None:
        self.athena, self.glue = self.cloud.client("athena"), self.cloud.client("glue")
        self.s3: Any = self.cloud.client("s3")
        if not self.there:
            self.s3.create_bucket(Bucket=self.bucket)
            self.glue.create_database(DatabaseInput={"Name": self.database})

    def put(self, key: str, body: str | bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def uri(self, key: str = "") -> str:
        return f"s3://{self.bucket}/{key}"

    def start(self, sql: str, athena: Any = None, **more: Any) -> str:
        usual: dict[str, Any] = {"QueryExecutionContext": {"Database": self.database}}
        usual["ResultConfiguration"] = {"OutputLocation": self.uri("results")}
        found = (athena or self.athena).start_query_execution(QueryString=sql, **(usual | more))
        return str(found["QueryExecutionId"])

    def get(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=key)["QueryExecution"]
        return found

    def wait(self, key: str) -> dict[str, Any]:
        return until(lambda: self.get(key), lambda one: one["Status"]["State"] not in ("QUEUED", "RUNNING"))

    def run(self, sql: str, athena: Any = None, **more: Any) -> dict[str, Any]:
        """A query that has ended, in whatever way."""
        return self.wait(self.start(sql, athena, **more))

    def rows(self, sql: str, **more: Any) -> list[Row]:
        """The rows of a query that succeeds, without the head."""
        found = self.run(sql, **more)
        assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
        rows = self.read(found["QueryExecutionId"])
        return rows[1:] if found["StatementType"] == "DML" else rows

    def read(self, key: str, **more: Any) -> list[Row]:
        found = self.athena.get_query_results(QueryExecutionId=key, **more)["ResultSet"]["Rows"]
        return [[one.get("VarCharValue") for one in row["Data"]] for row in found]

    def reason(self, sql: str, athena: Any = None, **more: Any) -> str:
        """Why a query fails."""
        found = self.run(sql, athena, **more)
        assert found["Status"]["State"] in ("FAILED", "CANCELLED"), found
        return str(found["Status"]["StateChangeReason"])
