"""Records on their way into a lake: poured into a stream, landed in S3, found by a crawler."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sagelab.lab import security, watch
from sagelab.lab.calls import write_call

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

BATCH = 500  # records a call, of both Firehose and Kinesis
PAUSE = 0.3  # seconds until what was refused is sent again
LATE = {"local": 400.0, "aws": 3600.0}  # seconds, after which what is missing in a lake will not come

BUFFER = {"SizeInMBs": 64, "IntervalInSeconds": 5}  # the least size with partitions; soon, for a lab
FORM = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


def database(lab: Lab, name: str, table: str, columns: list[str]) -> None:
    """A database of Glue's catalogue, and in it a table without files: the form of a Parquet record, of texts."""
    glue = lab.client("glue")
    if name not in [one["Name"] for page in _pages(glue) for one in page["DatabaseList"]]:
        glue.create_database(DatabaseInput={"Name": name})
    described = [{"Name": each, "Type": "string"} for each in columns]
    place = {"Columns": described, "Location": lab.uri("form") + "/", **FORM}
    asked = {"Name": table, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": place}
    there = [one["Name"] for one in glue.get_tables(DatabaseName=name)["TableList"]]
    (glue.update_table if table in there else glue.create_table)(DatabaseName=name, TableInput=asked)


def _pages(glue: Any) -> Iterator[dict[str, Any]]:
    yield from glue.get_paginator("get_databases").paginate()


def remove_table(lab: Lab, name: str, table: str) -> None:
    """Take a table out of a database of Glue's, and its files, as far as they are there."""
    with suppress(lab.client("glue").exceptions.EntityNotFoundException):
        lab.client("glue").delete_table(DatabaseName=name, Name=table)
    clear(lab, lab.uri("lake", table))


def clear(lab: Lab, uri: str) -> None:
    """Delete all files below an address, so that what is written there begins anew."""
    keys = [{"Key": key} for key, _ in _objects(lab, f"{uri}/", "")]
    for start in range(0, len(keys), 1000):
        asked = {"Objects": keys[start : start + 1000], "Quiet": True}
        lab.client("s3").delete_objects(Bucket=lab.bucket, Delete=asked)


def deliver(lab: Lab, role: str, uri: str, keys: Mapping[str, str], form: tuple[str, str]) -> None:
    """A delivery stream, called as the lab, that writes Parquet below an address; shows the call. It may be there.

    keys: of partitions, each with the jq query that takes it from a record. form: the database and the table of
    Glue's catalogue that say which columns a record has. RuntimeError: it could not be made.
    """
    firehose, asked = lab.client("firehose"), _delivery(lab, role, uri, keys, form)
    print(write_call('lab.client("firehose").create_delivery_stream', asked))
    with suppress(firehose.exceptions.ResourceInUseException):
        security.patiently(lambda: firehose.create_delivery_stream(**asked))

    def look() -> str:
        found = firehose.describe_delivery_stream(DeliveryStreamName=lab.name)["DeliveryStreamDescription"]
        return str(found["DeliveryStreamStatus"])

    if (status := watch.until(lab, look, lambda status: status != "CREATING")) != "ACTIVE":
        raise RuntimeError(f"The delivery stream is {status}.")


def _delivery(lab: Lab, role: str, uri: str, keys: Mapping[str, str], form: tuple[str, str]) -> dict[str, Any]:
    """What CreateDeliveryStream is asked for."""
    place = urlsplit(uri)
    queries = "{" + ", ".join(f"{name}: {query}" for name, query in keys.items()) + "}"
    given = {"MetadataExtractionQuery": queries, "JsonParsingEngine": "JQ-1.6"}
    parameters = [{"ParameterName": name, "ParameterValue": value} for name, value in given.items()]
    folders = "/".join(f"{name}=!{{partitionKeyFromQuery:{name}}}" for name in keys)
    schema = {"RoleARN": role, "DatabaseName": form[0], "TableName": form[1], "Region": lab.region}
    destination = {
        "RoleARN": role,
        "BucketARN": f"arn:aws:s3:::{place.netloc}",
        "Prefix": f"{place.path.lstrip('/')}/{folders}/",
        "ErrorOutputPrefix": f"{place.path.lstrip('/')}-errors/!{{firehose:error-output-type}}/",
        "BufferingHints": BUFFER,
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "ProcessingConfiguration": {
            "Enabled": True,
            "Processors": [{"Type": "MetadataExtraction", "Parameters": parameters}],
        },
        "DataFormatConversionConfiguration": {
            "SchemaConfiguration": schema,
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
        },
    }
    return {"DeliveryStreamName": lab.name, "Tags": lab.tags, "ExtendedS3DestinationConfiguration": destination}


def table(lab: Lab, name: str, *keys: str) -> str:
    """A table of DynamoDB with these keys, paid by the request; returns its name. It may be there."""
    dynamodb = lab.client("dynamodb")
    schema = [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)]
    types = [{"AttributeName": key, "AttributeType": "S"} for key in keys]
    asked = {"TableName": name, "KeySchema": schema, "AttributeDefinitions": types, "Tags": lab.tags}
    with suppress(dynamodb.exceptions.ResourceInUseException):
        dynamodb.create_table(**asked, BillingMode="PAY_PER_REQUEST")
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    return name


def shards(lab: Lab, name: str, count: int) -> str:
    """A data stream of Kinesis with so many shards; returns its ARN when it is active. It may be there."""
    kinesis = lab.client("kinesis")
    with suppress(kinesis.exceptions.ResourceInUseException):
        kinesis.create_stream(StreamName=name, ShardCount=count)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    kinesis.add_tags_to_stream(StreamName=name, Tags={tag["Key"]: tag["Value"] for tag in lab.tags})
    return str(kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"])


def read_by(lab: Lab, stream: str, function: str) -> None:
    """Have a function read a data stream from its beginning. stream, function: ARNs."""
    asked = {
        "EventSourceArn": stream,
        "FunctionName": function,
        "BatchSize": BATCH,
        "StartingPosition": "TRIM_HORIZON",
    }
    print(write_call('lab.client("lambda").create_event_source_mapping', asked))
    with suppress(lab.client("lambda").exceptions.ResourceConflictException):
        security.patiently(lambda: lab.client("lambda").create_event_source_mapping(**asked))


def counted(lab: Lab, table: str, hour: str, count: int) -> pd.Series[Any]:
    """Wait until a table has so many clicks of an hour; clicks by article, the most first. RuntimeError: never."""
    import pandas as pd

    asked = {
        "KeyConditionExpression": "#hour = :hour",
        "ExpressionAttributeNames": {"#hour": "hour"},
        "ExpressionAttributeValues": {":hour": {"S": hour}},
    }

    def look() -> dict[str, int]:
        pages = lab.client("dynamodb").get_paginator("query").paginate(TableName=table, **asked)
        items = [one for page in pages for one in page["Items"] if "clicks" in one]
        return {one["article"]["S"]: int(one["clicks"]["N"]) for one in items}

    found = watch.until(lab, look, lambda found: sum(found.values()) >= count, LATE[lab.target])
    if (there := sum(found.values())) < count:
        raise RuntimeError(f"Of {count} clicks {there} were counted.")
    return pd.Series(found, name="clicks").sort_values(ascending=False)


def pour(lab: Lab, stream: str, rows: pd.DataFrame, to: str = "firehose") -> int:
    """Put each row as a line of JSON, 500 a call; what is refused is sent again. Returns how many were refused.

    to: "firehose", or "kinesis", where a row goes to the shard of its first column's value but one.
    """
    key, refused = rows.columns[1], 0
    for start in range(0, len(rows), BATCH):
        waiting = rows[start : start + BATCH].to_dict("records")
        while waiting:
            waiting = [
                row for row, fault in zip(waiting, _put(lab, stream, waiting, to, key), strict=True) if fault
            ]
            refused += len(waiting)
            if waiting:
                time.sleep(PAUSE)
    return refused


def _put(lab: Lab, stream: str, rows: list[dict[str, Any]], to: str, key: str) -> list[bool]:
    """Which of the rows were refused."""
    data = [json.dumps(row).encode() + b"\n" for row in rows]
    if to == "firehose":
        records = [{"Data": each} for each in data]
        told = lab.client("firehose").put_record_batch(DeliveryStreamName=stream, Records=records)
        return ["ErrorCode" in one for one in told["RequestResponses"]]
    entries = [{"Data": each, "PartitionKey": row[key]} for each, row in zip(data, rows, strict=True)]
    told = lab.client("kinesis").put_records(StreamName=stream, Records=entries)
    return ["ErrorCode" in one for one in told["Records"]]


def landed(lab: Lab, uri: str, count: int) -> pd.DataFrame:
    """Wait until so many rows lie below an address as Parquet; a row a partition: its files, rows and KB.

    RuntimeError: they do not come.
    """
    known: dict[str, tuple[int, int]] = {}

    def look() -> int:
        for key, size in _objects(lab, uri):
            if key not in known:
                known[key] = (_rows(lab, key), size)
        return sum(rows for rows, _ in known.values())

    if (there := watch.until(lab, look, lambda found: found >= count, LATE[lab.target])) < count:
        raise RuntimeError(f"Of {count} rows {there} have come to {uri}.")
    return _told(known)


def _objects(lab: Lab, uri: str, ending: str = ".parquet") -> Iterator[tuple[str, int]]:
    place = urlsplit(uri)
    asked = {"Bucket": place.netloc, "Prefix": place.path.lstrip("/")}
    for page in lab.client("s3").get_paginator("list_objects_v2").paginate(**asked):
        yield from ((one["Key"], one["Size"]) for one in page.get("Contents", []) if one["Key"].endswith(ending))


def _rows(lab: Lab, key: str) -> int:
    import pyarrow.parquet

    body = lab.client("s3").get_object(Bucket=lab.bucket, Key=key)["Body"].read()
    return int(pyarrow.parquet.read_metadata(io.BytesIO(body)).num_rows)


def _told(known: dict[str, tuple[int, int]]) -> pd.DataFrame:
    import pandas as pd

    rows = [(re.findall(r"(\w+=[^/]+)/", key), rows, size / 1000) for key, (rows, size) in known.items()]
    table = pd.DataFrame([("/".join(parts), *rest) for parts, *rest in rows], columns=["partition", "rows", "KB"])
    found = table.groupby("partition").agg(files=("rows", "size"), rows=("rows", "sum"), KB=("KB", "sum"))
    return found.round({"KB": 1})


def crawl(lab: Lab, crawler: str) -> dict[str, Any]:
    """Run a crawler and follow it to its end; returns how its crawl ended. RuntimeError: it failed, and why."""
    glue, before = lab.client("glue"), time.time()
    glue.start_crawler(Name=crawler)

    def look() -> dict[str, Any]:
        found: dict[str, Any] = glue.get_crawler(Name=crawler)["Crawler"]
        return found

    def tell(found: dict[str, Any]) -> str:
        ended = found["State"] == "READY"
        return f"{found['LastCrawl']['Status'] if ended else found['State']} · {time.time() - before:.0f} s"

    found = watch.follow_by(lab, look, tell, lambda found: bool(found["State"] == "READY"))
    last: dict[str, Any] = found["LastCrawl"]
    if last["Status"] != "SUCCEEDED":
        raise RuntimeError(f"The crawl {last['Status']}: {last.get('ErrorMessage', 'no reason given')}")
    return last
