"""Streams in a local cloud that is killed again and again: what was acknowledged is delivered, and once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.firehoses import Firehoses
from tests.cloud.functions import Functions
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until

BATCH = 100
NO_RETRIES = Config(retries={"total_max_attempts": 1})  # what was put twice would be the producer's doing
# Puts some records; raises where that is not acknowledged.
Put = Callable[[LocalCloud, list[bytes]], None]


@dataclass
class Producer:
    """Puts numbered records for as long as there is a local cloud, and knows what was acknowledged."""

    put: Put
    next: int = 0
    acknowledged: set[int] = field(default_factory=set)

    def run(self, cloud: LocalCloud, stop: threading.Event) -> None:
        while not stop.is_set():
            numbers = range(self.next, self.next + BATCH)
            self.next += BATCH
            try:
                self.put(cloud, [json.dumps({"n": number}).encode() + b"\n" for number in numbers])
            except (BotoCoreError, ClientError):
                return
            self.acknowledged |= set(numbers)

    def until_killed(self, home: Home, cloud: LocalCloud) -> None:
        """Put some, and more while the kill comes."""
        stop, before = threading.Event(), len(self.acknowledged)
        thread = threading.Thread(target=self.run, args=(cloud, stop))
        thread.start()
        until(lambda: len(self.acknowledged), lambda count: count >= before + 5 * BATCH)
        kill(home)
        stop.set()
        thread.join()


def once(hoses: Firehoses, prefix: str, producer: Producer) -> bool:
    """Whether all that was acknowledged has come; AssertionError: something came twice, or was never put."""
    counts = Counter(one["n"] for one in hoses.lines(prefix))
    assert set(counts.values()) <= {1}
    assert max(counts, default=0) < producer.next
    return producer.acknowledged <= counts.keys()


COUNTS = [2, pytest.param(20, marks=pytest.mark.long)]


@pytest.fixture
def home(tmp_path: Any, sagelab: Callable[..., Any]) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    assert sagelab("down", home=made.path).returncode == 0


@pytest.mark.parametrize("count", COUNTS)
def test_what_firehose_has_acknowledged_is_in_s3_once_whenever_it_is_killed(home: Home, count: int) -> None:
    hoses = Firehoses(clouds.start(home))
    name = hoses.make(Prefix="killed/", CompressionFormat="GZIP")

    def put(cloud: LocalCloud, records: list[bytes]) -> None:
        client = cloud.client("firehose", config=NO_RETRIES)
        answer = client.put_record_batch(DeliveryStreamName=name, Records=[{"Data": one} for one in records])
        assert answer["FailedPutCount"] == 0

    producer = Producer(put)
    for _ in range(count):
        producer.until_killed(home, clouds.start(home))
    after = Firehoses(clouds.start(home), hoses.bucket, hoses.role, there=True)
    until(lambda: once(after, "killed/", producer), bool)


@pytest.mark.parametrize("count", COUNTS)
def test_what_kinesis_has_acknowledged_is_delivered_once_whenever_it_is_killed(home: Home, count: int) -> None:
    hoses = Firehoses(clouds.start(home))
    kinesis = hoses.cloud.client("kinesis")
    kinesis.create_stream(StreamName="killed", ShardCount=4)
    arn = kinesis.describe_stream_summary(StreamName="killed")["StreamDescriptionSummary"]["StreamARN"]
    source = {"KinesisStreamARN": arn, "RoleARN": hoses.role}
    asked = {"DeliveryStreamType": "KinesisStreamAsSource", "KinesisStreamSourceConfiguration": source}
    hoses.make(Prefix="killed/", source=asked)

    def put(cloud: LocalCloud, records: list[bytes]) -> None:
        entries = [{"Data": one, "PartitionKey": one.decode()} for one in records]
        cloud.client("kinesis", config=NO_RETRIES).put_records(StreamName="killed", Records=entries)

    producer = Producer(put)
    for _ in range(count):
        producer.until_killed(home, clouds.start(home))
    after = Firehoses(clouds.start(home), hoses.bucket, hoses.role, there=True)
    until(lambda: once(after, "killed/", producer), bool)


TELLS = """
import base64, json, os
import boto3

sqs = boto3.client("sqs")

def handler(event, context):
    said = [base64.b64decode(one["kinesis"]["data"]).decode() for one in event["Records"]]
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="told")["QueueUrl"], MessageBody=json.dumps(said))
"""


@pytest.mark.long
def test_a_function_gets_all_records_at_least_once_and_in_order_through_kills(home: Home) -> None:
    cloud = clouds.start(home)
    functions = Functions(cloud, lambda name: name, ["logs:*", "kinesis:*", "sqs:*"])
    cloud.client("sqs").create_queue(QueueName="told")
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="killed", ShardCount=1)
    arn = kinesis.describe_stream_summary(StreamName="killed")["StreamDescriptionSummary"]["StreamARN"]
    asked = {"EventSourceArn": arn, "StartingPosition": "LATEST", "BatchSize": 10}
    functions.client.create_event_source_mapping(FunctionName=functions.make(TELLS), **asked)
    expected = [str(number) for number in range(300)]
    for start in range(0, 300, 100):
        entries = [{"Data": one.encode(), "PartitionKey": "k"} for one in expected[start : start + 100]]
        client = clouds.start(home).client("kinesis")
        assert client.put_records(StreamName="killed", Records=entries)["FailedRecordCount"] == 0
        kill(home)
    found: list[str] = []
    sqs = clouds.start(home).client("sqs")
    url = sqs.get_queue_url(QueueName="told")["QueueUrl"]

    def take() -> list[str]:
        for one in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found.extend(json.loads(one["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return list(dict.fromkeys(found))

    assert until(take, lambda seen: len(seen) == 300) == expected
    assert len(found) <= 300 + 3 * 10  # a batch that was under way is done again, and no more
