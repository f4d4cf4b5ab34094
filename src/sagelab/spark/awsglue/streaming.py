"""Streams of Kinesis as frames, and batches of them, one after the other.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-connect-kinesis-home.html
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-glue-context.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 # as all name it

from sagelab.spark.awsglue import choices

INFERRED = "$json$data_infer_schema$_temporary$"  # the column of what has no schema before it is there
TIME = "__src_timestamp"
RETRIES = 3  # of a batch
# Options that the source reads; nothing comes of the others here, which are about a reader's pace.
_PASSED_ON = (
    *("streamARN", "streamName", "endpointUrl", "region", "maxFetchRecordsPerShard", "fanoutConsumerARN"),
    *("awsSTSRoleARN", "failOnDataLoss"),
)


def _is(given: Mapping[str, Any], name: str) -> bool:
    return str(given.get(name, False)).lower() == "true"


def read(session: SparkSession, given: Mapping[str, Any], schema: str = "") -> DataFrame:
    """given: Glue's connection options. schema: in SQL, where a catalogue has it. ValueError: nothing reads so."""
    reader = session.readStream.format("kinesis")
    for name in _PASSED_ON:
        if name in given:
            reader = reader.option(name, str(given[name]))
    raw = reader.option("startingPosition", str(given.get("startingPosition", "latest"))).load()
    form, schema = str(given.get("classification", "")).lower(), schema or str(given.get("schema", ""))
    if not form:
        return raw
    text, own = F.col("data").cast("string"), [F.col("approximateArrivalTimestamp").alias(TIME)]
    own = own if _is(given, "addRecordTimestamp") else []
    if schema:
        return raw.select(_parsed(text, form, schema, given).alias("_"), *own).select(
            "_.*", *(one for one in _names(own))
        )
    if form != "json" or not _is(given, "inferSchema"):
        raise ValueError(
            f"classification {form!r} without a schema: inferSchema of json is what the local cloud can do"
        )
    return raw.select(text.alias(INFERRED), *own)


def _names(own: list[Column]) -> list[str]:
    return [TIME] if own else []


def _parsed(text: Column, form: str, schema: str, given: Mapping[str, Any]) -> Column:
    """A record that is none is null in each column."""
    if form == "json":
        return F.from_json(text, schema)
    if form == "csv":
        return F.from_csv(text, schema, {"sep": str(given.get("delimiter", ","))})
    raise ValueError(
        f"classification {form!r} is not something the local cloud can read of a stream: json, csv are"
    )


def inferred(frame: DataFrame) -> DataFrame:
    """A batch with the columns that its records have."""
    if INFERRED not in frame.columns:
        return frame
    session = frame.sparkSession
    if TIME not in frame.columns:
        return session.read.json(frame.rdd.map(lambda row: row[INFERRED]))
    found = session.read.json(frame.rdd.map(lambda row: row[INFERRED])).schema
    parsed = F.from_json(F.col(f"`{INFERRED}`"), found).alias("_")
    return frame.select(parsed, TIME).select("_.*", TIME)


def for_each_batch(frame: DataFrame, act: Callable[[DataFrame, int], None], options: Mapping[str, Any]) -> None:
    """Until the query ends, which is when the job is stopped. A batch that fails is tried again, then it has."""
    place, window = options.get("checkpointLocation"), str(options.get("windowSize", "100 seconds"))
    if not place:
        raise ValueError("options needs a checkpointLocation")
    retries = int(options.get("batchMaxRetries", RETRIES))

    def once(batch: DataFrame, number: int) -> None:
        for left in range(retries, -1, -1):
            try:
                act(inferred(batch), number)
                break
            except Exception:
                if not left:
                    raise
            time.sleep(1)

    writer = frame.writeStream.foreachBatch(once).option("checkpointLocation", str(place))
    writer.trigger(processingTime=window).start().awaitTermination()


def is_stream(table: Mapping[str, Any]) -> bool:
    """Whether a table of the catalogue is a stream of Kinesis."""
    storage = table.get("StorageDescriptor") or {}
    return str((storage.get("Parameters") or {}).get("typeOfData", "")).lower() == "kinesis"


def of_table(session: SparkSession, table: Mapping[str, Any], more: Mapping[str, Any]) -> DataFrame:
    """more: Glue's additional options, which go before the table's."""
    storage = table["StorageDescriptor"]
    library = str((storage.get("SerdeInfo") or {}).get("SerializationLibrary", "")).lower()
    form = (table.get("Parameters") or {}).get("classification") or ("json" if "json" in library else "csv")
    columns = [
        f"`{one['Name']}` {choices.spark_type(one.get('Type', 'string'))}" for one in storage.get("Columns") or ()
    ]
    given = dict(storage["Parameters"]) | {"classification": form} | dict(more)
    return read(session, given, "" if _is(given, "inferSchema") else ", ".join(columns))
