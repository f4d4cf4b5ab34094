"""Functions of a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.functions import Functions
from tests.cloud.gateway.test_functions import received
from tests.cloud.kills import kill

pytestmark = pytest.mark.slow

CODE = """
import boto3
def handler(event, context):
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=event["told"], MessageBody="begun")
    while not sqs.receive_message(QueueUrl=event["go"], WaitTimeSeconds=1).get("Messages"):
        pass
    return "done"
"""


def test_functions_and_their_events_outlive_a_kill(home: Home, unique: Callable[[str], str]) -> None:
    before = clouds.start(home)
    functions, sqs = Functions(before, unique, ["sqs:*"]), before.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("told", "go")}
    arn = sqs.get_queue_attributes(QueueUrl=urls["told"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name, gone = functions.make(CODE, Timeout=100), functions.make("")
    functions.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    functions.client.delete_function(FunctionName=gone)
    functions.client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(urls))
    assert received(sqs, urls["told"])["Body"] == "begun"
    kill(home)
    sqs = clouds.start(home).client("sqs")
    assert received(sqs, urls["told"])["Body"] == "begun"
    assert len(list(Path(home.path, "functions/packages").iterdir())) == 1
    sqs.send_message(QueueUrl=urls["go"], MessageBody="go")
    record = json.loads(received(sqs, urls["told"])["Body"])
    assert (record["responsePayload"], record["requestContext"]["approximateInvokeCount"]) == ("done", 1)
