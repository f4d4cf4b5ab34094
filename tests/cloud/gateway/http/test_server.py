"""A connection that finds no room is told so in the caller's own protocol; HTTP and TLS come to one port."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud import tls
from sagelab.cloud.gateway.http import server as front
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.server import Server
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.home import Home
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
    with serving(server):
        yield listener.getsockname()
    listener.close()


@contextmanager
def serving(server: Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


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


def test_one_that_begins_with_tls_is_told_by_tls(address: tuple[str, int]) -> None:
    context = ssl.create_default_context()
    connection = socket.create_connection(address, timeout=30)
    with connection, pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
        context.wrap_socket(connection, server_hostname="localhost")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def both(home: Home) -> Iterator[tuple[str, int]]:
    """A server that says by which way a request came."""
    listener = socket.create_server(("127.0.0.1", 0))
    spool = Spool(home.path, Disk(0))
    with serving(Server(listener, tell, spool, partial(tls.server_context, home))):
        yield listener.getsockname()
    listener.close()


def tell(request: Request) -> Answer:
    return Answer(200, [], f"{request.scheme} {request.secure}".encode())


def secured(address: tuple[str, int], home: Home) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(tls.folder(home) / tls.AUTHORITY))
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = socket.create_connection(address, timeout=30)
    return context.wrap_socket(connection, server_hostname="127.0.0.1", suppress_ragged_eofs=False)


def said(connection: socket.socket, head: bytes = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n") -> bytes:
    """The body of the answer to a request, after which the connection ends as it should."""
    connection.sendall(head)
    whole = b"".join(iter(partial(connection.recv, 1 << 16), b""))
    return whole.partition(b"\r\n\r\n")[2]


def test_http_and_tls_come_to_one_port(both: tuple[str, int], home: Home) -> None:
    with socket.create_connection(both, timeout=30) as plain:
        assert said(plain) == b"http False"
    with secured(both, home) as connection:
        assert (connection.version(), connection.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        assert said(connection) == b"https True"


def test_request_that_is_none_is_refused_by_tls_too(both: tuple[str, int], home: Home) -> None:
    with secured(both, home) as connection:
        connection.sendall(b"what is this?\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")


def test_half_open_handshakes_hold_nobody_up(
    both: tuple[str, int], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "HANDSHAKE", 0.2)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"  # the beginning of one
    with ExitStack() as held:
        silent = [held.enter_context(socket.create_connection(both, timeout=30)) for _ in range(40)]
        for each in silent:
            each.sendall(hello)
        assert said(held.enter_context(secured(both, home))) == b"https True"
        for each in silent:
            with suppress(ConnectionResetError):
                assert each.recv(1) == b""


def test_handshake_that_drips_has_no_more_time(both: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "HANDSHAKE", 0.3)
    with closing(socket.create_connection(both, timeout=0.05)) as dripping, suppress(ConnectionError):
        dripping.sendall(b"\x16\x03\x01\x40\x00")
        for _ in range(200):
            dripping.sendall(b"\x01")
            try:
                assert dripping.recv(1) == b""
                return
            except TimeoutError:
                continue
        pytest.fail("a handshake took ten seconds")


def test_garbage_after_the_first_byte_ends_one_connection_alone(both: tuple[str, int], home: Home) -> None:
    with socket.create_connection(both, timeout=30) as connection:
        connection.sendall(b"\x16" + bytes(100))
        with suppress(ConnectionResetError):
            while connection.recv(1 << 16):
                pass
    with secured(both, home) as connection:
        assert said(connection) == b"https True"
