"""What moto would send to elsewhere is not sent: nobody is dialled, and the caller hears why."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions
import pytest
import requests

from tests.cloud.gateway.conftest import Serving


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server of this machine's that a service may be told to call, and that nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture
def url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/secret"


def refused(call: Callable[..., Any], **params: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"sends nothing to 127\.0\.0\.1:") as error:
        call(**params)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_subscription_of_sns_is_not_called(gateway: Serving, unique: Callable[[str], str], url: str) -> None:
    sns = gateway.client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    refused(sns.publish, TopicArn=topic, Message="hello")


def test_destination_of_eventbridge_is_not_called(
    gateway: Serving, unique: Callable[[str], str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_EVENTS_INVOKE_HTTP", "true")
    events, name = gateway.client("events"), unique("destination")
    auth = {"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}}
    connection = events.create_connection(Name=name, AuthorizationType="API_KEY", AuthParameters=auth)
    way = {"ConnectionArn": connection["ConnectionArn"], "InvocationEndpoint": url, "HttpMethod": "POST"}
    destination = events.create_api_destination(Name=name, **way)["ApiDestinationArn"]
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": destination}])
    entry = {"Source": name, "DetailType": "t", "Detail": "{}"}
    refused(events.put_events, Entries=[entry])


def test_endpoint_of_firehose_is_not_called(gateway: Serving, unique: Callable[[str], str], url: str) -> None:
    firehose, name = gateway.client("firehose"), unique("stream")
    s3 = {"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": "arn:aws:s3:::none"}
    endpoint = {"EndpointConfiguration": {"Url": url}, "S3Configuration": s3}
    firehose.create_delivery_stream(DeliveryStreamName=name, HttpEndpointDestinationConfiguration=endpoint)
    refused(firehose.put_record, DeliveryStreamName=name, Record={"Data": b"hello"})


def test_others_in_the_same_process_call_whom_they_want(gateway: Serving) -> None:
    assert requests.get(f"{gateway.url}/bucket/key", timeout=30).status_code == 403
