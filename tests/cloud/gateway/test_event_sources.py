"""Event source mappings: functions that get a stream's records, batch by batch, whatever becomes of a batch."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.functions import Functions
from tests.conftest import LocalCloud
from tests.waiting import until

# Puts what it is given into a queue, and fails with what it is told to fail with.
TELLS = """
import base64, json, os
import boto3

sqs, URL = boto3.client("sqs"), os.environ["URL"]

def handler(event, context):
    records = event["Records"]
    said = [base64.b64decode(one["kinesis"]["data"]).decode() for one in records]
    one = records[0]
    sqs.send_message(QueueUrl=URL, MessageBody=json.dumps({"data": said, "source": one["eventSourceARN"]}))
    if os.environ.get("REPORTS"):
        bad = [one for one, text in zip(records, said) if text.startswith("bad")]
        return {"batchItemFailures": [{"itemIdentifier": one["kinesis"]["sequenceNumber"]} for one in bad]}
    if any(text.startswith("bad") for text in said):
        raise ValueError("a bad record")
"""


class Sources:
    """Makes streams, functions that tell a queue, and mappings between them."""

    def __init__(self, cloud: LocalCloud, unique: Any) -> None:
        self.unique, self.kinesis, self.sqs = unique, cloud.client("kinesis"), cloud.client("sqs")
        actions = ["logs:*", "kinesis:*", "sqs:*"]
        self.functions = Functions(cloud, unique, actions)
        self.api = self.functions.client
        self.url = self.sqs.create_queue(QueueName=unique("told"))["QueueUrl"]
        self.lost = self.sqs.create_queue(QueueName=unique("lost"))["QueueUrl"]

    def arn(self, url: str) -> str:
        asked = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(asked["Attributes"]["QueueArn"])

    def stream(self, shards: int = 1) -> tuple[str, str]:
        name = self.unique("stream")
        self.kinesis.create_stream(StreamName=name, ShardCount=shards)
        return name, self.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]

    def map(self, arn: str, reports: bool = False, **more: Any) -> dict[str, Any]:
        variables = {"URL": self.url} | ({"REPORTS": "1"} if reports else {})
        function = self.functions.make(TELLS, Environment={"Variables": variables}, Timeout=30)
        usual = {"StartingPosition": "TRIM_HORIZON", "BatchSize": 10}
        found: dict[str, Any] = self.api.create_event_source_mapping(
            FunctionName=function, EventSourceArn=arn, **(usual | more)
        )
        return found

    def put(self, name: str, *texts: str) -> None:
        entries = [{"Data": one.encode(), "PartitionKey": "k"} for one in texts]
        assert self.kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0

    def told(self, url: str, found: list[Any]) -> list[Any]:
        """All messages so far."""
        got = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for one in got:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            found.append(json.loads(one["Body"]))
        return found

    def batches(self, is_enough: Any) -> list[list[str]]:
        """What the function was given, call by call, once that is enough."""
        seen: list[Any] = []
        return until(
            lambda: [one["data"] for one in self.told(self.url, seen)],
            lambda calls: is_enough([text for call in calls for text in call]),
        )


@pytest.fixture
def sources(cloud: LocalCloud, unique: Any) -> Sources:
    return Sources(cloud, unique)


def test_a_function_gets_records_in_order_and_in_batches(cloud: LocalCloud, sources: Sources) -> None:
    name, arn = sources.stream()
    texts = [f"r{number}" for number in range(25)]
    sources.put(name, *texts)
    made = sources.map(arn)
    assert (made["State"], made["BatchSize"], made["MaximumRetryAttempts"]) == ("Enabled", 10, -1)
    calls = sources.batches(lambda said: len(said) >= 25)
    assert [text for call in calls for text in call] == texts
    assert [len(call) for call in calls] == [10, 10, 5]
    key = made["UUID"]
    until(lambda: sources.api.get_event_source_mapping(UUID=key), lambda one: one["LastProcessingResult"] == "OK")
    assert sources.api.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"][0]["UUID"] == key
    sources.api.update_event_source_mapping(UUID=key, Enabled=False)
    sources.put(name, "while it rests")
    sources.api.update_event_source_mapping(UUID=key, Enabled=True, BatchSize=1)
    assert sources.batches(bool) == [["while it rests"]]
    assert sources.api.delete_event_source_mapping(UUID=key)["State"] == "Deleting"
    with pytest.raises(ClientError, match="does not exist"):
        sources.api.get_event_source_mapping(UUID=key)
    cloudwatch = cloud.client("cloudwatch")
    asked = {"Namespace": "AWS/Lambda", "MetricName": "IteratorAge"}
    found = until(lambda: cloudwatch.list_metrics(**asked)["Metrics"], bool)
    assert {one["Dimensions"][0]["Name"] for one in found} == {"FunctionName"}


def test_a_bad_record_is_found_by_halves_and_told_to_a_queue(sources: Sources) -> None:
    name, arn = sources.stream()
    sources.put(name, "a", "b", "bad", "c", "d")
    failure = {"OnFailure": {"Destination": sources.arn(sources.lost)}}
    sources.map(
        arn, BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, DestinationConfig=failure, BatchSize=5
    )
    seen: list[Any] = []
    calls = until(
        lambda: [one["data"] for one in sources.told(sources.url, seen)],
        lambda calls: sound(calls) == ["a", "b", "c", "d"],
    )
    assert [call for call in calls if call == ["bad"]] == [["bad"], ["bad"]]
    (lost,) = until(lambda: sources.told(sources.lost, []), bool)
    assert lost["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert lost["requestContext"]["approximateInvokeCount"] == 2
    info = lost["KinesisBatchInfo"]
    assert (info["batchSize"], info["streamArn"], info["shardId"]) == (1, arn, "shardId-000000000000")
    assert info["startSequenceNumber"] == info["endSequenceNumber"]


def sound(calls: list[list[str]]) -> list[str]:
    """The records of calls without a bad one."""
    return [text for call in calls if "bad" not in call for text in call]


def test_a_function_reports_where_it_failed(sources: Sources) -> None:
    name, arn = sources.stream()
    sources.put(name, "a", "b", "bad", "c")
    sources.map(arn, reports=True, MaximumRetryAttempts=1, FunctionResponseTypes=["ReportBatchItemFailures"])
    sources.put(name, "later")
    calls = sources.batches(lambda said: "later" in said and said.count("bad") >= 2)
    assert calls[0][:4] == ["a", "b", "bad", "c"]
    assert calls[1][:2] == ["bad", "c"]
    assert sum("a" in call for call in calls) == 1


def test_a_mapping_begins_now_or_at_a_time_and_follows_shards(sources: Sources) -> None:
    name, arn = sources.stream()
    sources.put(name, "before")
    sources.map(arn, StartingPosition="LATEST", MaximumBatchingWindowInSeconds=1)
    sources.put(name, "after")
    sources.kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 127)
    )
    sources.put(name, "in a child")
    calls = sources.batches(lambda said: len(said) >= 2)
    assert [text for call in calls for text in call] == ["after", "in a child"]


def test_what_no_mapping_can_be_is_refused(cloud: LocalCloud, sources: Sources) -> None:
    _, arn = sources.stream()
    refused: list[tuple[dict[str, Any], str]] = [
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:q"}, "Kinesis streams are"),
        ({"EventSourceArn": arn + "-not"}, "Stream not found"),
        ({"ParallelizationFactor": 2}, "ParallelizationFactor of an event source is not something"),
        ({"TumblingWindowInSeconds": 5}, "TumblingWindowInSeconds of an event source is not"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "FilterCriteria of an event source is not"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp must be specified"),
        ({"BatchSize": 10_001}, "less than or equal to 10000"),
        ({"MaximumRecordAgeInSeconds": 5}, "must be -1, or between 60"),
    ]
    for more, why in refused:
        with pytest.raises(ClientError, match=why):
            sources.map(more.pop("EventSourceArn", arn), **more)
    poor = Functions(cloud, sources.unique, ["logs:*"])
    function = poor.make("def handler(event, context): pass")
    with pytest.raises(ClientError, match=f"Cannot access stream {arn}") as denied:
        poor.client.create_event_source_mapping(
            FunctionName=function, EventSourceArn=arn, StartingPosition="LATEST"
        )
    assert denied.value.response["Error"]["Code"] == "InvalidParameterValueException"
    with pytest.raises(ClientError, match="Function not found"):
        poor.client.create_event_source_mapping(
            FunctionName="nobody", EventSourceArn=arn, StartingPosition="LATEST"
        )


def test_a_function_that_never_returns_is_called_again(sources: Sources) -> None:
    name, arn = sources.stream()
    code = "import time\ndef handler(event, context):\n    time.sleep(600)\n"
    function = sources.functions.make(code, Timeout=1)
    failure = {"OnFailure": {"Destination": sources.arn(sources.lost)}}
    sources.put(name, "a")
    sources.api.create_event_source_mapping(
        FunctionName=function,
        EventSourceArn=arn,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=1,
        DestinationConfig=failure,
    )
    began = time.monotonic()
    (lost,) = until(lambda: sources.told(sources.lost, []), bool)
    assert lost["requestContext"]["approximateInvokeCount"] == 2
    assert time.monotonic() - began < 120
