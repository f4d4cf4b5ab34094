"""A connection that finds no room is told so in the caller's own protocol."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud.gateway.http.server import Server
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.cloud.gateway.wire.faults import Answer
from tests import signers


class Full(Server):
    """Every connection is one too many."""

    def get_request(self) -> tuple[socket.socket, object]:
        self._refuse()
        raise OSError(errno.EMFILE, "no descriptor is left")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Full(listener, lambda _: Answer(500, []), Spool(tmp_path_factory.mktemp("tmp"), Disk(0)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield listener.getsockname()
    server.shutdown()
    thread.join()
    server.server_close()
    listener.close()


def ask(address: tuple[str, int], head: bytes) -> tuple[bytes, bytes]:
    """The head and the body of the answer."""
    said = b""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(head)
        with suppress(ConnectionResetError):
            while piece := connection.recv(1 << 16):
                said += piece
    first, _, body = said.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Retry-After: 1" in first
    return first, body


def test_refusal_is_in_the_protocol_of_the_caller(address: tuple[str, int]) -> None:
    scope = b"Authorization: AWS4-HMAC-SHA256 Credential=A/20260131/us-east-1/%b/aws4_request, x\r\n\r\n"
    assert b"<Error><Code>ServiceUnavailable</Code>" in ask(address, b"GET /b/k HTTP/1.1\r\n" + scope % b"s3")[1]
    target = b"POST / HTTP/1.1\r\nX-Amz-Target: SageMaker.X\r\nContent-Length: 9\r\n" + scope % b"sagemaker"
    assert json.loads(ask(address, target)[1])["__type"] == "ServiceUnavailable"
    form = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n" + scope % b"sts"
    assert b"<ErrorResponse><Error><Type>" in ask(address, form)[1]
    assert ask(address, b"HEAD /b/k HTTP/1.1\r\n" + scope % b"s3")[1] == b""


@pytest.mark.parametrize("head", [b"GET /b", b"what is this?\r\n\r\n"])
def test_caller_whose_protocol_cannot_be_told_is_refused_too(address: tuple[str, int], head: bytes) -> None:
    assert b"<Code>ServiceUnavailable</Code>" in ask(address, head)[1]


@pytest.mark.parametrize(("service", "operation"), [("s3", "list_buckets"), ("sagemaker", "list_models")])
def test_boto3_understands_and_tries_again(address: tuple[str, int], service: str, operation: str) -> None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 2})
    url = f"http://127.0.0.1:{address[1]}"
    client = signers.session("A", "b").client(service, endpoint_url=url, config=config)
    with pytest.raises(botocore.exceptions.ClientError, match="no file descriptor left") as refused:
        getattr(client, operation)()
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 1
