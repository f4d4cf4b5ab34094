"""Kinesis's data streams: a log in shards, held to its limits."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.cloud.builds import make_role
from tests.cloud.firehoses import Firehoses
from tests.conftest import LocalCloud
from tests.waiting import until

ACCOUNT = "123456789012"


class Streams:
    """Makes streams and reads them whole."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.api = cloud.client("kinesis")

    def make(self, name: str, shards: int = 1, **more: Any) -> str:
        self.api.create_stream(StreamName=name, ShardCount=shards, **more)
        return name

    def arn(self, name: str) -> str:
        return str(self.api.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"])

    def put(self, name: str, *data: bytes, key: str = "") -> list[dict[str, Any]]:
        entries = [{"Data": one, "PartitionKey": key or one.decode()[:200]} for one in data]
        answer = self.api.put_records(StreamName=name, Records=entries)
        assert answer["FailedRecordCount"] == 0
        found: list[dict[str, Any]] = answer["Records"]
        return found

    def iterator(self, name: str, shard: str, kind: str = "TRIM_HORIZON", **more: Any) -> str:
        where = {"StreamName": name, "ShardId": shard, "ShardIteratorType": kind}
        return str(self.api.get_shard_iterator(**where, **more)["ShardIterator"])

    def shards(self, name: str) -> list[str]:
        return [one["ShardId"] for one in self.api.list_shards(StreamName=name)["Shards"]]

    def read(self, name: str, shard: str = "shardId-000000000000", kind: str = "TRIM_HORIZON", **more: Any) -> Any:
        return self.api.get_records(ShardIterator=self.iterator(name, shard, kind, **more))

    def all(self, name: str) -> Iterator[bytes]:
        for shard in self.shards(name):
            yield from (one["Data"] for one in self.read(name, shard)["Records"])


@pytest.fixture(scope="module")
def streams(cloud: LocalCloud) -> Streams:
    return Streams(cloud)


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def test_records_of_a_key_are_in_one_shard_in_order(streams: Streams, unique: Any) -> None:
    name = streams.make(unique("stream"), 3)
    for number in range(5):
        streams.put(name, *[f"{key}{number}".encode() for key in "abc"], key="k")
    (shard,) = {one["ShardId"] for one in streams.put(name, b"last", key="k")}
    hashed = int(hashlib.md5(b"k", usedforsecurity=False).hexdigest(), 16)
    assert shard == f"shardId-{hashed * 3 >> 128:012d}"
    found = streams.read(name, shard)
    assert [one["Data"] for one in found["Records"]][-4:] == [b"a4", b"b4", b"c4", b"last"]
    numbers = [int(one["SequenceNumber"]) for one in found["Records"]]
    assert (numbers, len(set(numbers)), found["MillisBehindLatest"]) == (sorted(numbers), 16, 0)
    assert {one["PartitionKey"] for one in found["Records"]} == {"k"}


def test_iterators_of_all_types_stand_where_they_say(streams: Streams, unique: Any) -> None:
    name = streams.make(unique("stream"))
    first, second = (one["SequenceNumber"] for one in streams.put(name, b"1", b"2"))
    latest = streams.iterator(name, "shardId-000000000000", "LATEST")
    now = datetime.now(UTC) + timedelta(milliseconds=1)
    until(lambda: datetime.now(UTC), lambda seen: seen > now)
    streams.put(name, b"3")

    def read(kind: str, **more: Any) -> list[bytes]:
        return [one["Data"] for one in streams.read(name, kind=kind, **more)["Records"]]

    assert read("TRIM_HORIZON") == [b"1", b"2", b"3"]
    assert read("AT_SEQUENCE_NUMBER", StartingSequenceNumber=second) == [b"2", b"3"]
    assert read("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first) == [b"2", b"3"]
    assert read("AT_TIMESTAMP", Timestamp=now) == [b"3"]
    assert [one["Data"] for one in streams.api.get_records(ShardIterator=latest)["Records"]] == [b"3"]


def test_shards_are_split_and_merged_and_lead_to_their_children(streams: Streams, unique: Any) -> None:
    name, api = streams.make(unique("stream"), 1), streams.api
    streams.put(name, b"before")
    api.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 127))
    streams.put(name, b"after")
    found = streams.read(name)
    assert "NextShardIterator" not in found
    assert [one["ShardId"] for one in found["ChildShards"]] == ["shardId-000000000001", "shardId-000000000002"]
    merged = {"ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000002"}
    api.merge_shards(StreamName=name, **merged)
    opened = api.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    assert [(one["ShardId"], one["AdjacentParentShardId"]) for one in opened] == [
        ("shardId-000000000003", "shardId-000000000002")
    ]
    assert sorted(streams.all(name)) == [b"after", b"before"]
    with pytest.raises(ClientError, match="has already been merged or split"):
        api.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="5")
    told = api.update_shard_count(StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    assert (told["CurrentShardCount"], told["TargetShardCount"]) == (1, 2)
    with pytest.raises(ClientError, match="can be doubled or halved"):
        api.update_shard_count(StreamName=name, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    summary = api.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2


def test_a_shard_takes_and_gives_no_more_than_aws_s(cloud: LocalCloud, streams: Streams, unique: Any) -> None:
    once = Config(retries={"total_max_attempts": 1})
    name, api = streams.make(unique("stream")), cloud.client("kinesis", config=once)
    entries = [{"Data": b"x" * 4000, "PartitionKey": "k"}] * 500
    answer = api.put_records(StreamName=name, Records=entries)
    failed = [one for one in answer["Records"] if "ErrorCode" in one]
    assert answer["FailedRecordCount"] == len(failed) > 0
    assert failed[0]["ErrorCode"] == "ProvisionedThroughputExceededException"
    words = f"Rate exceeded for shard shardId-000000000000 in stream {name} under account {ACCOUNT}."
    assert failed[0]["ErrorMessage"] == words
    with pytest.raises(ClientError) as put:
        repeat(api.put_record, StreamName=name, Data=b"x" * 1_000_000, PartitionKey="k")
    assert refusal(put) == ("ProvisionedThroughputExceededException", words)
    token = streams.iterator(name, "shardId-000000000000")
    with pytest.raises(ClientError) as read:
        repeat(api.get_records, ShardIterator=token, Limit=1)
    assert refusal(read)[0] == "ProvisionedThroughputExceededException"


def repeat(call: Any, **asked: Any) -> None:
    """Ask far more often in a moment than a shard is asked in a second."""
    for _ in range(50):
        call(**asked)


CONSUMER = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/a/consumer/b:1"
SUBSCRIBE = {"ConsumerARN": CONSUMER, "ShardId": "s", "StartingPosition": {"Type": "LATEST"}}
RECORD = {"Data": b"", "PartitionKey": "k"}
INVALID = "InvalidArgumentException"
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("put_record", RECORD | {"StreamName": "nobody"}, "ResourceNotFoundException", "not found"),
    ("put_record", RECORD, INVALID, "Either StreamName or StreamARN"),
    ("get_records", {"ShardIterator": "AAAA"}, INVALID, "Invalid ShardIterator"),
    ("get_records", {"ShardIterator": "=" * 512}, INVALID, "Invalid ShardIterator"),
    ("create_stream", {"StreamName": "many", "ShardCount": 501}, "LimitExceededException", "shard limit"),
    ("create_stream", {"StreamName": "x" * 129, "ShardCount": 1}, "ValidationException", "or equal to 128"),
    ("subscribe_to_shard", SUBSCRIBE, INVALID, "Enhanced fan-out"),
]


@pytest.mark.parametrize(("call", "asked", "code", "why"), BAD, ids=[f"{one[0]}-{one[3][:12]}" for one in BAD])
def test_what_cannot_be_is_refused(
    streams: Streams, call: str, asked: dict[str, Any], code: str, why: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(streams.api, call)(**asked)
    assert refusal(refused)[0] == code
    assert why in refusal(refused)[1]


def test_what_a_stream_does_not_take_is_refused(streams: Streams, unique: Any) -> None:
    name, api = streams.make(unique("stream")), streams.api
    cases = [
        ({"Data": b"x" * ((1 << 20) + 1), "PartitionKey": "k"}, "less than or equal to 1048576"),
        ({"Data": b"", "PartitionKey": "k", "ExplicitHashKey": str(1 << 128)}, "Invalid ExplicitHashKey"),
        ({"Data": b"", "PartitionKey": "k" * 257}, "less than or equal to 256"),
    ]
    for record, why in cases:
        with pytest.raises(ClientError, match=why):
            api.put_record(StreamName=name, **record)
    other = streams.make(unique("stream"), 2)
    (sequence,) = (one["SequenceNumber"] for one in streams.put(other, b"x", key="a"))
    for number in (sequence[:-1], "1", "9" * 128):
        with pytest.raises(ClientError, match="did not come from this stream"):
            streams.read(other, "shardId-000000000001", "AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    with pytest.raises(ClientError, match="Could not find shard"):
        streams.read(name, "shardId-000000000009")
    with pytest.raises(ClientError, match="maximum 8760 hours"):
        api.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=9000)
    api.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    with pytest.raises(ClientError, match="longer than existing retention period"):
        api.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=72)
    with pytest.raises(ClientError, match="already exists"):
        streams.make(name)


def test_a_stream_is_tagged_listed_and_deleted(streams: Streams, unique: Any) -> None:
    name, api = streams.make(unique("a-stream"), Tags={"a": "b"}), streams.api
    api.add_tags_to_stream(StreamName=name, Tags={"c": "d"})
    api.remove_tags_from_stream(StreamName=name, TagKeys=["a"])
    assert api.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "c", "Value": "d"}]
    assert api.list_tags_for_resource(ResourceARN=streams.arn(name))["Tags"] == [{"Key": "c", "Value": "d"}]
    assert api.list_streams(ExclusiveStartStreamName=name[:-1], Limit=1)["StreamNames"] == [name]
    api.delete_stream(StreamName=name)
    with pytest.raises(ClientError, match=f"Stream {name} under account {ACCOUNT} not found."):
        streams.put(name, b"x")


def test_firehose_reads_a_stream_once_and_follows_its_shards(
    cloud: LocalCloud, streams: Streams, unique: Any
) -> None:
    hoses, name = Firehoses(cloud), streams.make(unique("stream"), 2)
    streams.put(name, b'{"n": -1}\n')  # before there is anybody who reads
    source = {"KinesisStreamARN": streams.arn(name), "RoleARN": hoses.role}
    asked = {"DeliveryStreamType": "KinesisStreamAsSource", "KinesisStreamSourceConfiguration": source}
    hose = hoses.make(Prefix="read/", source=asked)
    with pytest.raises(ClientError, match="not permitted on KinesisStreamAsSource delivery stream type"):
        hoses.put(hose, b"x")
    streams.put(name, *[b'{"n": %d}\n' % number for number in range(50)])
    streams.api.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 126))
    streams.put(name, *[b'{"n": %d}\n' % number for number in range(50, 100)])
    found = hoses.await_lines("read/", 100)
    assert sorted(one["n"] for one in found) == list(range(100))


def test_lines_of_a_log_go_to_streams(cloud: LocalCloud, streams: Streams, unique: Any) -> None:
    logs, group, name = cloud.client("logs"), unique("group"), streams.make(unique("stream"))
    role = make_role(cloud, "logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    usual = {"logGroupName": group, "filterName": "f", "filterPattern": "ERROR", "roleArn": role}
    with pytest.raises(ClientError, match="Could not deliver test message to specified Kinesis stream"):
        logs.put_subscription_filter(destinationArn=streams.arn(name) + "-not", **usual)
    logs.put_subscription_filter(destinationArn=streams.arn(name), **usual)
    now = int(time.time() * 1000)
    lines = [{"timestamp": now, "message": text} for text in ("ERROR one", "fine")]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=lines)
    (record,) = streams.read(name)["Records"]
    told = json.loads(gzip.decompress(record["Data"]))
    assert [one["message"] for one in told["logEvents"]] == ["ERROR one"]


def test_rules_put_events_into_streams(cloud: LocalCloud, streams: Streams, unique: Any) -> None:
    events, rule, name = cloud.client("events"), unique("rule"), streams.make(unique("stream"))
    hoses, role = Firehoses(cloud), make_role(cloud, "events")
    hose = hoses.api.describe_delivery_stream(DeliveryStreamName=hoses.make(Prefix="events/"))
    to_hose = {"Id": "2", "Arn": hose["DeliveryStreamDescription"]["DeliveryStreamARN"], "RoleArn": role}
    key = {"KinesisParameters": {"PartitionKeyPath": "$.detail.user"}}
    to_stream = {"Id": "1", "Arn": streams.arn(name), "RoleArn": role, **key}
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))
    with pytest.raises(ClientError, match="RoleArn is required for target"):
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": streams.arn(name)}])
    assert events.put_targets(Rule=rule, Targets=[to_stream, to_hose])["FailedEntryCount"] == 0
    events.put_events(Entries=[{"Source": rule, "DetailType": "t", "Detail": json.dumps({"user": "ann"})}])
    (record,) = until(lambda: streams.read(name)["Records"], bool)
    assert (record["PartitionKey"], json.loads(record["Data"])["detail"]) == ("ann", {"user": "ann"})
    assert hoses.await_lines("events/", 1)[0]["source"] == rule
