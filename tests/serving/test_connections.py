"""HTTP/1.1 as the model server speaks it, from the first byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from sagelab.serving.connections import GONE, Request, Response, Workers


class Echo:
    """A server that answers with what it was sent; `notes` is what it would log, (path, status, bytes)."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int, int]] = []
        self.noted = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.workers = Workers([self.listener], self.answer, self.note, 2)

    def answer(self, request: Request) -> Response:
        if request.path == "/parts":
            return Response(iter([b"one ", b"", b"two"]), kind="text/plain")
        if request.path == "/breaks":
            return Response((part * (1 // len(part)) for part in [b"x", b""]), kind="text/plain")
        return Response(request.body or request.path.encode(), kind="text/plain")

    def note(self, request: Request, status: int, size: int) -> None:
        with self.noted:
            self.notes.append((request.path, status, size))
            self.noted.notify_all()

    def ask(self, data: bytes) -> bytes:
        """All that comes back until the server hangs up, or has nothing more to say."""
        with socket.create_connection(self.listener.getsockname()) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(1 << 16), b""))


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.workers.close(10)
    server.listener.close()


def post(body: bytes, *headers: str, path: str = "/x") -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_requests_that_come_together_are_answered_in_turn(echo: Echo) -> None:
    answer = echo.ask(post(b"first") + post(b"second") + b"GET /third%20one?q=1 HTTP/1.1\r\n\r\n")
    assert [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"first",
        b"second",
        b"/third one",
    ]


def test_body_in_chunks_is_put_together(echo: Echo) -> None:
    chunks = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
    answer = echo.ask(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.endswith(b"\r\n\r\nabcde")


def test_answer_in_parts_goes_out_in_chunks(echo: Echo) -> None:
    answer = echo.ask(b"GET /parts HTTP/1.1\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in answer
    assert answer.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


def test_answer_that_breaks_off_has_no_end(echo: Echo, capfd: pytest.CaptureFixture[str]) -> None:
    answer = echo.ask(b"GET /breaks HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"1\r\nx\r\n")
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_head_has_no_body_and_a_client_may_ask_to_go_on_first(echo: Echo) -> None:
    assert echo.ask(b"HEAD /x HTTP/1.1\r\n\r\n").endswith(b"Content-Length: 2\r\n\r\n")
    answer = echo.ask(post(b"body", "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * (1 << 17) + b"\r\n\r\n", 431),
    ],
    ids=["line", "version", "header", "length", "both", "chunk", "long"],
)
def test_what_is_no_request_is_refused_and_hung_up_on(echo: Echo, data: bytes, status: int) -> None:
    assert echo.ask(data).startswith(f"HTTP/1.1 {status} ".encode())


def test_client_that_hangs_up_in_its_body_is_noted(echo: Echo) -> None:
    assert echo.ask(b"POST /half HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf") == b""
    with echo.noted:
        assert echo.noted.wait_for(lambda: ("/half", GONE, 0) in echo.notes, 60)


def test_connection_that_is_to_be_closed_is_closed(echo: Echo) -> None:
    for request in (post(b"a", "Connection: close"), b"GET /x HTTP/1.0\r\n\r\n"):
        with socket.create_connection(echo.listener.getsockname()) as client:
            client.sendall(request)
            assert b"".join(iter(lambda: client.recv(1 << 16), b"")).startswith(b"HTTP/1.1 200 OK")
