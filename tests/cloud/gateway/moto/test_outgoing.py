"""What moto would send to elsewhere is not sent, should a request for it ever come so far: nobody is dialled."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import requests
from moto.events.models import Rule
from moto.firehose.models import FirehoseBackend
from moto.sns.models import Subscription, Topic, sns_backends

from sagelab.cloud.errors import NotImplementedHere
from tests.cloud.gateway.conftest import Serving

pytestmark = pytest.mark.usefixtures("gateway")


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


def publish(url: str) -> None:
    topic = Topic("topic", sns_backends["123456789012"]["us-east-1"])
    Subscription("123456789012", topic, url, "http").publish("hello", "1")


def test_subscription_of_sns_is_not_called(url: str) -> None:
    with pytest.raises(NotImplementedHere, match=r"sends nothing to 127\.0\.0\.1:"):
        publish(url)


def test_nor_from_a_thread_of_moto_s_own(url: str) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(NotImplementedHere):
        pool.submit(publish, url).result()


def test_destination_of_eventbridge_is_not_called(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_EVENTS_INVOKE_HTTP", "true")
    destination = SimpleNamespace(invocation_endpoint=url, http_method="POST")
    monkeypatch.setattr(Rule, "_find_api_destination", lambda *_: destination)
    arn = "arn:aws:events:us-east-1:123456789012:api-destination/name/1"
    targets = [{"Id": "1", "Arn": arn}]
    rule = Rule("name", "123456789012", "us-east-1", None, None, None, None, "default", None, None, targets)
    send = inspect.unwrap(Rule.send_to_targets)  # moto's own, which nobody calls once EventBridge acts here
    with pytest.raises(NotImplementedHere):
        send(rule, {"source": "s", "detail-type": "t", "detail": {}}, transform_input=False)


def test_endpoint_of_firehose_is_not_called(url: str) -> None:
    with pytest.raises(RuntimeError, match="HTTP destination failed") as refused:
        FirehoseBackend.put_http_records({"EndpointConfiguration": {"Url": url}}, [{"Data": b"hello"}])
    assert isinstance(refused.value.__cause__, NotImplementedHere)


def test_others_in_the_same_process_call_whom_they_want(gateway: Serving) -> None:
    assert requests.get(f"{gateway.url}/bucket/key", timeout=30).status_code == 403
