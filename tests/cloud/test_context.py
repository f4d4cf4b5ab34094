"""Clients and keys of a role, for work that outlasts the hour that a role's keys are good for."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from sagelab.cloud.clock import Clock
from sagelab.cloud.context import CLIENTS, Cloud
from sagelab.cloud.engine.context import EngineContext

ROLE = "arn:aws:iam::123456789012:role/Worker"
HOUR = timedelta(hours=1)


class Sts:
    """Hands out numbered keys, good for as long as asked, and keeps the requests."""

    def __init__(self, lasting: timedelta = HOUR) -> None:
        self.lasting, self.asked = lasting, list[dict[str, Any]]()

    def assume_role(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        names = "AccessKeyId", "SecretAccessKey", "SessionToken"
        keys = {name: f"{name}-{len(self.asked)}" for name in names}
        return {"Credentials": keys | {"Expiration": datetime.now(UTC) + self.lasting}}


class Home:
    account, path = "123456789012", Path("/nowhere")
    filesystems = path / "filesystems"

    class Keys:
        access_key_id, secret_access_key = "AKIAIOSFODNN7EXAMPLE", "secret"

    def credentials(self) -> Keys:
        return self.Keys()

    def settings(self) -> dict[str, Any]:
        return {}


def key_of(client: Any) -> str:
    """The access key that a client would sign with now."""
    return str(client._request_signer._credentials.get_frozen_credentials().access_key)


@pytest.fixture
def sts() -> Sts:
    return Sts()


@pytest.fixture
def cloud(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    home: Any = Home()
    unused: Any = None
    cloud = Cloud(home, unused, unused, "http://127.0.0.1:1", "us-east-1")
    monkeypatch.setattr(cloud, "assuming", lambda name, region: sts)  # noqa: ARG005
    return cloud


def test_a_roles_client_is_made_once_and_keeps_its_keys_while_they_are_good(cloud: Cloud, sts: Sts) -> None:
    client = cloud.client_as(ROLE, "s3")
    assert cloud.client_as(ROLE, "s3") is client
    assert [key_of(client), key_of(client)] == ["AccessKeyId-1"] * 2
    assert [one["RoleArn"] for one in sts.asked] == [ROLE]


def test_what_runs_in_a_region_writes_there(cloud: Cloud, sts: Sts) -> None:
    there, here = cloud.engine_context("eu-west-1"), cloud.engine_context("us-east-1")
    for service in ("logs", "cloudwatch", "s3"):
        assert there.client(service) is there.client(service)
        assert [place.client(service).meta.region_name for place in (there, here)] == ["eu-west-1", "us-east-1"]
    assert there.client_as(ROLE, "s3").meta.region_name == "eu-west-1"
    assert cloud.client_as(ROLE, "s3").meta.region_name == cloud.client("s3").meta.region_name == "us-east-1"
    assert len(sts.asked) == 2


def test_a_roles_client_renews_its_keys_before_they_expire(cloud: Cloud, sts: Sts) -> None:
    sts.lasting = timedelta(minutes=5)
    client = cloud.client_as(ROLE, "s3")
    assert len({key_of(client), key_of(client)}) == 2
    sts.lasting = HOUR
    assert key_of(client) == key_of(client)


def test_a_roles_client_takes_it_on_anew_when_it_may_be_another_role(cloud: Cloud, sts: Sts) -> None:
    client = cloud.client_as(ROLE, "s3")
    key_of(client)
    for service, number in (("s3", 1), ("iam", 2), ("cloudformation", 3)):
        cloud.tell(service, "")
        assert [key_of(client), key_of(client)] == [f"AccessKeyId-{number}"] * 2
    assert len(sts.asked) == 3


def test_so_many_clients_are_kept_and_one_that_is_forgotten_is_renewed_while_it_is_used(
    cloud: Cloud, sts: Sts
) -> None:
    first = cloud.client_as(ROLE, "s3")
    for number in range(CLIENTS):
        cloud._clients_as[number] = cloud._roles[number] = object()
        cloud._clients_with[number] = object()
    assert [len(kept) for kept in (cloud._clients_as, cloud._roles, cloud._clients_with)] == [CLIENTS] * 3
    assert cloud.client_as(ROLE, "s3") is not first
    cloud.tell("iam", "")
    assert (key_of(first), len(sts.asked)) == ("AccessKeyId-3", 3)


def test_what_runs_has_keys_of_its_role_that_are_renewed_before_they_expire(sts: Sts) -> None:
    unused: Any = None
    ended = list[Any]()
    place = EngineContext(
        unused,
        lambda _: sts,
        unused,
        "http://127.0.0.1:1",
        "us-east-1",
        1,
        lambda *key: ended.append(key),
        Clock(),
        unused,
    )
    keys = place.network(ROLE).keys
    assert keys
    assert [json.loads(keys.read())["AccessKeyId"] for _ in range(2)] == ["AccessKeyId-1"] * 2
    sts.lasting = timedelta(0)
    again = place.network(ROLE).keys
    assert again
    assert again.token != keys.token
    assert json.loads(again.read())["AccessKeyId"] == "AccessKeyId-3"
    assert {one["RoleArn"] for one in sts.asked} == {ROLE}
    again.end()
    assert [key for key, _ in ended] == ["AccessKeyId-2", "AccessKeyId-3"]
    with pytest.raises(RuntimeError):
        again.read()


def test_an_ended_key_is_remembered_until_it_would_expire(cloud: Cloud) -> None:
    now = datetime.now(UTC).timestamp()
    cloud.end_key("long", now + 3600)
    cloud.end_key("short", now - 1)
    assert cloud.has_ended("short")
    cloud.end_key("other", now + 3600)
    assert [cloud.has_ended(name) for name in ("long", "short", "other", "none")] == [True, False, True, False]


@pytest.mark.parametrize(("code", "times", "asked"), [("RequestTimeTooSkewed", 2, 3), ("AccessDenied", 2, 1)])
def test_what_was_signed_before_the_clock_jumped_is_asked_again(
    cloud: Cloud, code: str, times: int, asked: int
) -> None:
    client = cloud.client("s3")
    seen = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        seen.append(request.headers["Authorization"])
        refused = len(seen) <= times
        body = f"<Error><Code>{code}</Code></Error>".encode() if refused else b""
        return AWSResponse(request.url, 403 if refused else 200, {}, Raw(body))

    client.meta.events.register("before-send.s3", answer)
    with contextlib.suppress(ClientError):
        client.put_object(Bucket="bucket", Key="key", Body=b"text")
    assert len(seen) == asked


class Raw(io.BytesIO):
    """A response as urllib3 has it."""

    def stream(self, **_: Any) -> list[bytes]:
        return [self.read()]
