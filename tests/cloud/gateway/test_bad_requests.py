"""Malformed and hostile requests to every operation that is ours: never a 500, a hang or a changed state.

Each request grows from botocore's model of its operation, and has something wrong with it.
"""

from __future__ import annotations

import errno
import http.client
import json
import random
import socket
import sqlite3
import string
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import OperationModel, Shape

from sagelab.cloud import resources
from sagelab.cloud.gateway.wire.planes import CONTROL, Planes
from tests.conftest import LocalCloud

FEW, MANY = 500, 20_000
JUNK: list[Any] = [
    None, True, -1, 2**63, 1e308, "", "x" * 5000, "\x00", "\ud800", "../../etc/passwd", "%00", "\U0001f98a",
    "'; DROP TABLE resources; --", "{{7*7}}", "s3://", "s3://b/../..", "arn:aws:sagemaker:::",
    [], {}, [[]], [None] * 2000, {"": {"": {}}},
]  # fmt: skip


@pytest.fixture(scope="module")
def operations() -> list[tuple[str, OperationModel]]:
    """Every operation that is answered here, with its plane."""
    planes, ours = Planes(), resources.operations()
    names = planes.names()
    return [
        (plane, planes._service(plane).operation_model(name))
        for plane in names
        for name in names[plane]
        if name in ours
    ]


def grow(shape: Shape | None, rng: random.Random, depth: int = 0) -> Any:
    """A value of a shape that is right, or nearly."""
    if shape is None or depth > 6:
        return {}
    if rng.random() < 0.12:
        return rng.choice(JUNK)
    kind = shape.type_name
    if kind == "structure":
        needed = set(shape.required_members)
        return {
            name: grow(member, rng, depth + 1)
            for name, member in shape.members.items()
            if (name in needed and rng.random() > 0.08) or rng.random() < 0.15
        }
    if kind == "list":
        return [grow(shape.member, rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 60)))]
    if kind == "map":
        return {word(rng): grow(shape.value, rng, depth + 1) for _ in range(rng.choice((0, 1, 3)))}
    if kind == "string":
        return rng.choice([*shape.enum, word(rng)]) if shape.enum else word(rng)
    return {"boolean": True, "timestamp": 1.7e9, "blob": "AAAA"}.get(kind, rng.choice((0, 1, 7, 10**6)))


def word(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits + "-", k=rng.choice((1, 8, 64, 300))))


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, default=str).encode()


def spoil(body: bytes, rng: random.Random) -> bytes:
    """A body that is no longer JSON, now and then."""
    chance = rng.random()
    if chance < 0.05:
        return body[: rng.randrange(len(body) + 1)]
    if chance < 0.08:
        return b"[" * 50_000
    return body if chance > 0.1 else rng.randbytes(200)


class Sender:
    """Signed requests over one connection at a time."""

    def __init__(self, cloud: LocalCloud) -> None:
        keys = cloud.home.credentials()
        self._keys = Credentials(keys.access_key_id, keys.secret_access_key)
        self._cloud = cloud

    def send(self, plane: str, model: OperationModel, rng: random.Random) -> int:
        body = spoil(dumps(grow(model.input_shape, rng)), rng)
        path, headers = "/", {"Content-Type": "application/x-amz-json-1.1"}
        if plane == CONTROL:
            headers["X-Amz-Target"] = f"SageMaker.{model.name}"
        else:
            path = "/".join(
                quote(word(rng)) if part.startswith("{") else part
                for part in model.http["requestUri"].partition("?")[0].split("/")
            )
        method = model.http["method"] if plane != CONTROL else "POST"
        request = AWSRequest(method, self._cloud.url + path, data=body, headers=headers)
        SigV4Auth(self._keys, "sagemaker", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self._cloud.url).port, timeout=60)
        try:
            connection.request(method, path, body, dict(request.headers.items()))
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def state(cloud: LocalCloud) -> list[str]:
    """The names of everything that requests could have made or removed."""
    with closing(sqlite3.connect(f"file:{cloud.home.database}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT arn FROM resources ORDER BY arn")]


def run(cloud: LocalCloud, operations: list[tuple[str, OperationModel]], count: int) -> None:
    """Send that many requests; whatever was refused has changed nothing."""
    rng, sender = random.Random(8), Sender(cloud)
    before = state(cloud)
    failed: list[str] = []
    accepted = 0
    for number in range(count):
        plane, model = operations[number % len(operations)]
        status = sender.send(plane, model, rng)
        accepted += status < 400
        if status >= 500:
            failed.append(f"{model.name} ({number}): {status}")
    assert failed == []
    assert len(set(state(cloud)) ^ set(before)) <= accepted


def test_a_bad_request_is_refused_whatever_the_operation(cloud: LocalCloud, operations: Any) -> None:
    run(cloud, operations, FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_bad_requests_are_refused_whatever_the_operation(cloud: LocalCloud, operations: Any) -> None:
    run(cloud, operations, MANY)


def raw(cloud: LocalCloud, data: bytes, seconds: float = 30) -> bytes:
    """What comes back for bytes on a connection, until it is closed or silent."""
    with socket.create_connection(("127.0.0.1", urlsplit(cloud.url).port), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            while part := connection.recv(1 << 16):
                found += part
        except OSError as error:
            if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
                raise
            return b""
        return found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
    ids=lambda data: data[:24].decode("latin-1").replace("\r\n", " ").replace("\x00", "") or "nothing",
)
def test_the_edge_answers_or_hangs_up_and_goes_on(cloud: LocalCloud, data: bytes) -> None:
    answer = raw(cloud, data)
    assert not answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 500", b"HTTP/1.0 2"))
    assert cloud.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_slow_client_holds_up_nobody(cloud: LocalCloud) -> None:
    port = urlsplit(cloud.url).port
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx")
        assert cloud.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    finally:
        for connection in slow:
            connection.close()
