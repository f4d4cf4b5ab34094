"""A host's port to the internet and to its role's keys, from outside of any host."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from sagelab.cloud.engine.sandbox.door import Door, Keys
from sagelab.cloud.engine.sandbox.internet import Internet


class Index(http.server.BaseHTTPRequestHandler):
    """A package index on this machine: tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.path} {self.headers['Connection']} {self.headers['Proxy-Authorization']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def index() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def opened(outside: dict[str, str] | None, keys: Keys | None = None) -> Iterator[int]:
    """The port of a door."""
    listener = socket.create_server(("127.0.0.1", 0))
    internet = None if outside is None else Internet({"PIP_CONFIG_FILE": "/dev/null"} | outside)
    door = Door(listener, internet, keys)
    yield listener.getsockname()[1]
    door.close()


def ask(port: int, text: str) -> str:
    """All that is answered to a request."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        connection.sendall(text.encode("latin-1"))
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return answer.decode("latin-1")


def test_plain_requests_and_tunnels_reach_the_users_index(index: int) -> None:
    with opened({"PIP_INDEX_URL": f"http://127.0.0.1:{index}/simple"}) as port:
        request = (
            f"GET http://127.0.0.1:{index}/simple/?a=1 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: no\r\n\r\n"
        )
        assert ask(port, request).endswith("\r\n\r\n/simple/?a=1 close None")
        tunnel = (
            f"CONNECT 127.0.0.1:{index} HTTP/1.1\r\n\r\nGET /in HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert ask(port, tunnel).startswith("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("CONNECT 127.0.0.1:{} HTTP/1.1", 403),
        ("CONNECT localhost:{} HTTP/1.1", 403),
        ("CONNECT [::1]:{} HTTP/1.1", 403),
        ("CONNECT [::ffff:127.0.0.1]:{} HTTP/1.1", 403),
        ("CONNECT 169.254.169.254:80 HTTP/1.1", 403),
        ("CONNECT 127.0.0.1:99999 HTTP/1.1", 400),
        ("CONNECT 127.0.0.1 HTTP/1.1", 400),
        ("CONNECT a@127.0.0.1:{} HTTP/1.1", 400),
        ("GET http://127.0.0.1:{}/ HTTP/1.1", 403),
        ("GET http://8.8.8.8@127.0.0.1:{}/ HTTP/1.1", 400),
        ("GET http://[::1/ HTTP/1.1", 400),
        ("GET ftp://127.0.0.1:{}/ HTTP/1.1", 400),
        ("GET / HTTP/1.1", 400),
        ("GET /credentials HTTP/1.1", 404),
        ("nonsense", 400),
        ("GET http://8.8.8.8/x\nGET http://10.0.0.1/ HTTP/1.1", 400),
        ("POST http://8.8.8.8/ HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
        ("POST http://8.8.8.8/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        ("GET http://8.8.8.8/ HTTP/1.1\r\nX: a\n\nGET http://10.0.0.1/ HTTP/1.1", 400),
        ("GET " + "x" * 70_000 + " HTTP/1.1", 400),
    ],
)
def test_what_is_no_internet_is_refused(index: int, request_line: str, status: int) -> None:
    with opened({}) as port:
        assert ask(port, f"{request_line.replace('{}', str(index))}\r\n\r\n").startswith(f"HTTP/1.1 {status} ")


def test_the_users_proxy_is_told_who_the_user_is_and_not_by_the_host(index: int) -> None:
    with opened({"HTTP_PROXY": f"http://me:secret@127.0.0.1:{index}"}) as port:
        answer = ask(port, "GET http://8.8.8.8/x HTTP/1.1\r\nHost: 8.8.8.8\r\nProxy-Authorization: other\r\n\r\n")
        assert answer.endswith("http://8.8.8.8/x close Basic bWU6c2VjcmV0")
        assert ask(port, "GET http://10.0.0.1/x HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 403 ")
        second = "GET http://10.0.0.1/y HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"
        answer = ask(port, f"GET http://8.8.8.8/x HTTP/1.1\r\nHost: 8.8.8.8\r\n\r\n{second}")
        assert answer.count("HTTP/1.1 200") == 1


def test_keys_are_for_whoever_has_the_token() -> None:
    with opened(None, Keys("of-the-job", lambda: b'{"AccessKeyId": "A"}')) as port:
        for header in ("", "Authorization: other\r\n", "Authorization: of-the-job\r\nAuthorization: x\r\n"):
            assert ask(port, f"GET /credentials HTTP/1.1\r\n{header}\r\n").startswith("HTTP/1.1 401 ")
        given = ask(port, "GET /credentials HTTP/1.1\r\nauthorization: of-the-job\r\n\r\n")
        assert given.startswith("HTTP/1.1 200 OK")
        assert given.endswith('{"AccessKeyId": "A"}')
        assert ask(port, "CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 403 ")


def test_keys_that_cannot_be_had_are_refused() -> None:
    def fail() -> bytes:
        raise RuntimeError("the role is gone")

    with opened(None, Keys("t", fail)) as port:
        answer = ask(port, "GET /credentials HTTP/1.1\r\nAuthorization: t\r\n\r\n")
        assert answer.startswith("HTTP/1.1 503 ")
        assert "gone" not in answer
