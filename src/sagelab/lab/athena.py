"""Files in S3, asked in SQL by Athena: a lake's tables, and a trail's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sagelab.lab import watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

# https://docs.aws.amazon.com/athena/latest/ug/cloudtrail-logs.html, the columns that are asked for here
TRAIL = """
CREATE EXTERNAL TABLE IF NOT EXISTS trail (
    eventtime STRING, eventsource STRING, eventname STRING, errorcode STRING, vpcendpointid STRING,
    useridentity STRUCT<type: STRING, arn: STRING, invokedby: STRING>)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://{bucket}/AWSLogs/{account}/CloudTrail/'
"""
TERABYTE, LEAST = 5.0, 10 << 20  # dollars; bytes that a query is charged for at least
NUMBERS = {"bigint": int, "integer": int, "double": float}


class QueryFailed(Exception):
    """Athena could not answer; the text is its reason."""


def ask(lab: Lab, sql: str, quiet: bool = False) -> pd.DataFrame:
    """What SQL says of the tables of the lab's database; prints what was read, and what that costs.

    The bytes are in the frame's `attrs`, as `read`. QueryFailed: Athena refuses the query, or fails.
    """
    query = _run(lab, sql, name(lab))
    read = int(query["Statistics"]["DataScannedInBytes"])
    if not quiet:
        print(f"read {read / 1000:,.0f} KB of S3: ${TERABYTE * max(read, LEAST) / 1e12:.5f} on AWS")
    found = _table(lab, query["QueryExecutionId"])
    found.attrs["read"] = read
    return found


def ask_trail(lab: Lab, bucket: str, sql: str) -> pd.DataFrame:
    """What SQL says of the files of a trail in a bucket, whose table is called `trail`; prints what was read.

    Makes a database of the lab's name at the first time. QueryFailed: Athena refuses the query, or fails.
    """
    _run(lab, f"CREATE DATABASE IF NOT EXISTS {name(lab)}", None)
    _run(lab, TRAIL.format(bucket=bucket, account=lab.account), name(lab))
    query = _run(lab, sql, name(lab))
    read = int(query["Statistics"]["DataScannedInBytes"])
    print(f"read {read / 1e6:.2f} MB of S3: ${TERABYTE * max(read, LEAST) / 1e12:.5f} on AWS")
    return _table(lab, query["QueryExecutionId"])


def name(lab: Lab) -> str:
    """The database of a lab in Glue's catalogue."""
    return lab.name.replace("-", "_")


def databases(lab: Lab) -> list[str]:
    """The lab's own, where it is there."""
    pages = lab.client("glue").get_paginator("get_databases").paginate()
    return [each["Name"] for page in pages for each in page["DatabaseList"] if each["Name"] == name(lab)]


def remove(lab: Lab) -> Iterator[str]:
    """Delete the lab's database and its tables; the files stay. Says what it did."""
    for database in databases(lab):
        lab.client("glue").delete_database(Name=database)
        yield f"deleted database {database} of Glue's catalogue"


def _run(lab: Lab, sql: str, database: str | None) -> dict[str, Any]:
    """A query at its end."""
    athena, context = lab.client("athena"), {"QueryExecutionContext": {"Database": database}} if database else {}
    output = {"OutputLocation": lab.uri("athena") + "/"}
    asked = {"QueryString": sql.strip(), "ResultConfiguration": output, **context}
    key = athena.start_query_execution(**asked)["QueryExecutionId"]

    def look() -> dict[str, Any]:
        return dict(athena.get_query_execution(QueryExecutionId=key)["QueryExecution"])

    found = watch.until(lab, look, lambda found: found["Status"]["State"] not in ("QUEUED", "RUNNING"))
    if found["Status"]["State"] != "SUCCEEDED":
        raise QueryFailed(found["Status"].get("StateChangeReason") or found["Status"]["State"])
    return found


def _table(lab: Lab, query: str) -> pd.DataFrame:
    import pandas as pd

    pages = list(lab.client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query))
    columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    rows = [
        [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
    ]
    frame = pd.DataFrame(rows[1:], columns=[column["Name"] for column in columns])
    kinds = {column["Name"]: NUMBERS[column["Type"]] for column in columns if column["Type"] in NUMBERS}
    return frame.astype(kinds)
