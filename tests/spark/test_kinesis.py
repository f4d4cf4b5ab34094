"""A data stream as Spark reads it: offsets that a checkpoint keeps, and the pace and order of shards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.spark.kinesis import offsets
from sagelab.spark.kinesis.offsets import Offset
from sagelab.spark.kinesis.stream import Settings, Stream
from tests.conftest import LocalCloud

FIRST = "shardId-000000000000"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without pauses of its own: the stream says when it comes too often."""
    for name in ("PAUSE", "REST"):
        monkeypatch.setattr(f"sagelab.spark.kinesis.stream.{name}", 0.0)


def test_a_position_is_read_as_spark_and_glue_write_it() -> None:
    assert offsets.position("LATEST", 5.0) == ["AT_TIMESTAMP", 5.0]
    for text in ("TRIM_HORIZON", "trim_horizon", "EARLIEST", "earliest"):
        assert offsets.position(text, 5.0) == ["TRIM_HORIZON"]
    for text in ("AT_TIMESTAMP 2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"):
        assert offsets.position(text, 5.0) == ["AT_TIMESTAMP", 1769860800.0]
    for text in ("", "yesterday", "AT_TIMESTAMP 2026-13-31T12:00:00Z"):
        with pytest.raises(ValueError, match="is no starting position"):
            offsets.position(text, 5.0)


def test_a_shard_comes_after_both_of_its_parents() -> None:
    shards = [
        {"ShardId": "a"},
        {"ShardId": "b"},
        {"ShardId": "c", "ParentShardId": "a", "AdjacentParentShardId": "b"},
        {"ShardId": "d", "ParentShardId": "gone"},
    ]
    done = {"after": "1", "done": True}
    assert offsets.ready(shards, {}) == ["a", "b", "d"]
    assert offsets.ready(shards, {"a": done}) == ["b", "d"]
    assert offsets.ready(shards, {"a": done, "b": done}) == ["c", "d"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinesis.streamName": "s", "kinesis.consumerType": "SubscribeToShard"}, "Enhanced fan-out"),
        ({"streamARN": "s", "fanoutConsumerARN": "arn"}, "Enhanced fan-out"),
        ({"kinesis.streamName": "s", "kinesis.metadataCommitterType": "DYNAMODB"}, "in the checkpoint"),
        ({"kinesis.streamName": "s", "kinesis.stsRoleArn": "arn"}, "with its own role"),
        ({"kinesis.region": "us-east-1"}, "streamName is needed"),
    ],
)
def test_what_no_stream_is_read_by_is_refused_in_words(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.of(options)


class Reader:
    """A query over a stream: batch after batch, by offsets that went through JSON as a checkpoint's do."""

    def __init__(self, cloud: LocalCloud, name: str, **more: Any) -> None:
        self.api: Any = cloud.client("kinesis")
        position = more.pop("position", "TRIM_HORIZON")
        self.stream = Stream(Settings(name, position, **more), self.api)
        self.start: Offset = {"position": offsets.position(position, 0), "shards": {}}

    def batch(self, end: Offset | None = None) -> dict[str, list[str]]:
        """Shard -> the records between the last offset and the next one. end: that one, as it is kept."""
        start, end = self.start, json.loads(json.dumps(end or self.stream.look(self.start)))
        found = {}
        for shard, after, last in offsets.ranges(start, end):
            rows = self.stream.records(shard, after, last, end["position"])
            found[shard.removeprefix("shardId-00000000000")] = [one["Data"].decode() for one in rows]
        self.start = end
        return found


def put(api: Any, name: str, *data: str, low: bool = True) -> None:
    """Records for the lower or the upper half of the keys."""
    key = {"PartitionKey": "a", "ExplicitHashKey": "0" if low else str((1 << 128) - 1)}
    assert (
        api.put_records(StreamName=name, Records=[key | {"Data": one.encode()} for one in data])[
            "FailedRecordCount"
        ]
        == 0
    )


def test_each_record_is_in_one_batch_through_a_split_and_a_merge(cloud: LocalCloud, unique: Any) -> None:
    reader, name = Reader(cloud, name := unique("stream")), name
    api = reader.api
    api.create_stream(StreamName=name, ShardCount=1)
    assert reader.batch() == {}
    assert reader.start["shards"] == {}  # so no batch begins for nothing
    put(api, name, "a", "b")
    assert reader.batch() == {"0": ["a", "b"]}
    put(api, name, "c")
    api.split_shard(StreamName=name, ShardToSplit=FIRST, NewStartingHashKey=str(1 << 127))
    put(api, name, "d")
    put(api, name, "e", low=False)
    assert reader.batch() == {"0": ["c"]}  # the parent first
    assert reader.batch() == {"1": ["d"], "2": ["e"]}
    one, other = "shardId-000000000001", "shardId-000000000002"
    api.merge_shards(StreamName=name, ShardToMerge=one, AdjacentShardToMerge=other)
    put(api, name, "f")
    reader.batch()
    assert reader.batch() == {"3": ["f"]}
    assert reader.batch() == {}


def test_a_batch_is_the_same_when_it_is_done_again(cloud: LocalCloud, unique: Any) -> None:
    name = unique("stream")
    reader = Reader(cloud, name, most=2)
    reader.api.create_stream(StreamName=name, ShardCount=1)
    put(reader.api, name, *"abcde")
    begin, end = reader.start, reader.stream.look(reader.start)
    assert reader.batch(end) == {"0": ["a", "b"]}  # no more at a time than is asked for
    put(reader.api, name, "f")
    reader.start = begin
    assert reader.batch(end) == {"0": ["a", "b"]}
    assert [reader.batch(), reader.batch()] == [{"0": ["c", "d"]}, {"0": ["e", "f"]}]


def test_a_stream_is_begun_at_a_time_and_misses_nothing_after_it(cloud: LocalCloud, unique: Any) -> None:
    name = unique("stream")
    api = cloud.client("kinesis")
    api.create_stream(StreamName=name, ShardCount=1)
    put(api, name, "before")
    where = {"StreamName": name, "ShardId": FIRST, "ShardIteratorType": "TRIM_HORIZON"}
    (before,) = api.get_records(ShardIterator=api.get_shard_iterator(**where)["ShardIterator"])["Records"]
    reader = Reader(cloud, name)
    reader.start = {
        "position": ["AT_TIMESTAMP", before["ApproximateArrivalTimestamp"].timestamp() + 0.001],
        "shards": {},
    }
    put(api, name, "after")
    assert reader.batch() == {"0": ["after"]}


def test_a_reader_that_comes_too_often_waits(cloud: LocalCloud, unique: Any) -> None:
    name = unique("stream")
    reader = Reader(cloud, name)
    reader.api.create_stream(StreamName=name, ShardCount=1)
    put(reader.api, name, *"abcdefghijkl")
    rows = [reader.stream.pages(FIRST, None, ["TRIM_HORIZON"], 1) for _ in range(8)]
    assert [next(one).records[0]["Data"] for one in rows] == [b"a"] * 8  # five a second are given
    reader.api.delete_stream(StreamName=name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        reader.stream.shards(["TRIM_HORIZON"])
