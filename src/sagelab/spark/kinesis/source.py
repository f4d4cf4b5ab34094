"""The formats themselves, in Python's API for data sources: a partition a shard, offsets that a checkpoint keeps.

https://github.com/awslabs/spark-sql-kinesis-connector
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-connect-kinesis-home.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.types import StructType

from sagelab.spark.kinesis import offsets
from sagelab.spark.kinesis.offsets import Offset
from sagelab.spark.kinesis.stream import Settings, Stream

SCHEMA = (
    "data binary, streamName string, partitionKey string, sequenceNumber string,"
    " approximateArrivalTimestamp timestamp"
)
Row = tuple[bytes, str, str, str, Any]


class Part(InputPartition):  # type: ignore[misc]
    """Records of one shard: after one number, up to another."""

    def __init__(self, shard: str, after: str | None, end: str, position: list[Any]) -> None:
        super().__init__(shard)
        self.shard, self.after, self.end, self.position = shard, after, end, position


class Reader(DataSourceStreamReader):  # type: ignore[misc]
    """Made for a query, and again for each task."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stream: Stream | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_stream": None}

    @property
    def stream(self) -> Stream:
        if self._stream is None:
            self._stream = Stream(self._settings)
        return self._stream

    def initialOffset(self) -> Offset:  # noqa: N802 # Spark's name
        return {"position": offsets.position(self._settings.position, time.time()), "shards": {}}

    def latestOffset(self, start: Offset, limit: Any) -> Offset:  # noqa: N802, ARG002
        return self.stream.look(start)

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        return [Part(*one, end["position"]) for one in offsets.ranges(start, end)]

    def read(self, partition: InputPartition) -> Iterator[Row]:
        assert isinstance(partition, Part)
        stream = self.stream
        for one in stream.records(partition.shard, partition.after, partition.end, partition.position):
            arrived = one["ApproximateArrivalTimestamp"]
            yield bytes(one["Data"]), stream.name, one["PartitionKey"], one["SequenceNumber"], arrived


class Kinesis(DataSource):  # type: ignore[misc]
    """Glue's format."""

    @classmethod
    def name(cls) -> str:
        return "kinesis"

    def schema(self) -> str:
        return SCHEMA

    def streamReader(self, schema: StructType) -> Reader:  # noqa: N802, ARG002
        return Reader(Settings.of(self.options))


class AwsKinesis(Kinesis):
    """EMR's format."""

    @classmethod
    def name(cls) -> str:
        return "aws-kinesis"
