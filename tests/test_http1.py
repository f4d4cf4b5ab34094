"""HTTP/1.1 from either side: what is read, and what is refused because it could be read in two ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelab import http1
from sagelab.http1 import HEAD_LIMIT, HEADERS_LIMIT, Asked, HungUp, Message, Refused, Served, head

GET = b"GET /next HTTP/1.1\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(30)
        there.settimeout(30)
        yield here, there


def requests(*pieces: bytes) -> list[tuple[str, str, bytes]]:
    """(method, target, body) of each request in bytes that come in these pieces, until the client hangs up."""
    found = []
    with connection() as (client, server):
        sender = threading.Thread(target=send, args=(client, pieces))
        sender.start()
        served = Served(server)
        try:
            while (message := served.next()) is not None:
                found.append((message.method, message.target, b"".join(served.body(message))))
        finally:
            server.close()
            sender.join()
    return found


def send(client: socket.socket, pieces: tuple[bytes, ...]) -> None:
    try:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
    except OSError:  # refused before the end
        pass


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + GET,
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456" + GET,
        POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345" + GET,
        POST + b"Content-Length: 5, 6\r\n\r\n123456" + GET,
        POST + b"Content-Length: +5\r\n\r\n12345",
        POST + b"Content-Length: 0x5\r\n\r\n12345",
        POST + b"Content-Length: 5 5\r\n\r\n12345",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999\r\n\r\n",
        POST + b"Content-Length : 5\r\n\r\n12345",
        POST + b"Content-Length\r\n\r\n12345",
        POST + b"Content-Length:\r\n\r\n12345",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length:\r\n 5\r\n\r\n12345",
        b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET,
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: y\r\n\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \x00y\r\n\r\n",
        b"GET / HTTP/1.1\r\n: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n X: y\r\n\r\n",
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 22\r\n\r\n" + GET,
        CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n",
        CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1 HTTP/1.1\r\n\r\n",
        b"G(T / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        requests(data)
    assert refused.value.status == 400
    with pytest.raises(Refused):
        requests(*(data[at : at + 1] for at in range(len(data))))


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"x" * 2 * HEAD_LIMIT,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 2 * HEAD_LIMIT,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (HEADERS_LIMIT + 1) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 900) for n in range(90)) + b"\r\n",
        CHUNKED + b"5;" + b"x" * 3 * HEAD_LIMIT,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * (HEADERS_LIMIT + 1) + b"\r\n",
    ],
    ids=["target", "header", "headers", "sum", "extension", "trailers"],
)
def test_more_than_a_head_may_have_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        requests(data)
    assert refused.value.status == 431


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 200), st.booleans())
def test_requests_are_read_alike_however_their_bytes_come(bodies: list[bytes], step: int, in_chunks: bool) -> None:
    data = b""
    for body in bodies:
        if in_chunks:
            parts = [body[at : at + 7] for at in range(0, len(body), 7)]
            data += (
                CHUNKED
                + b"".join(b"%x;e=1\r\n%b\r\n" % (len(part), part) for part in parts)
                + b"0\r\nT: t\r\n\r\n"
            )
        else:
            data += POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    assert requests(*pieces) == [("POST", "/x", body) for body in bodies]


def test_a_long_body_is_no_long_head() -> None:
    body = bytes(5 * HEAD_LIMIT)
    data = POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    assert requests(data * 2 + GET) == [("POST", "/x", body), ("POST", "/x", body), ("GET", "/next", b"")]


def test_headers_keep_their_values_and_the_same_names_are_joined() -> None:
    with connection() as (client, server):
        client.sendall(b"GET //a_b?c=%20 HTTP/1.1\r\nX_Y:\t v \t\r\nA: 1\r\na: 2\r\nE:\r\nU: \xc3\xa0\r\n\r\n")
        message = Served(server).next()
    assert message
    assert message.target == "//a_b?c=%20"
    assert message.fields == {"x_y": "v", "a": "1,2", "e": "", "u": "\xc3\xa0"}


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        (b"GET / HTTP/1.1\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_client_wishes(first: bytes, kept: bool) -> None:
    with connection() as (client, server):
        client.sendall(first + b"\r\n")
        message = Served(server).next()
        assert message
        assert message.kept is kept


def test_the_offer_of_another_protocol_is_not_taken() -> None:
    offer = b"GET /x HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert requests(offer + GET) == [("GET", "/x", b""), ("GET", "/next", b"")]


@pytest.mark.parametrize(
    "data", [POST + b"Content-Length: 5\r\n\r\nhel", CHUNKED + b"5\r\nhel", CHUNKED + b"5\r\nhello\r\n"]
)
def test_client_that_hangs_up_in_a_body_is_no_short_body(data: bytes) -> None:
    with pytest.raises(HungUp):
        requests(data)
    assert requests(b"GET / HTTP/1.1\r\nX: half") == []


def answered(
    request: bytes, body: bytes | list[bytes], status: int = 200, *headers: tuple[str, str]
) -> tuple[bytes, bool]:
    """(what goes out in answer to a request whose body is left unread, whether the connection is kept)."""
    with connection() as (client, server):
        client.sendall(request)
        served = Served(server)
        message = served.next()
        assert message
        served.answer(message, status, headers, body if isinstance(body, bytes) else iter(body))
        server.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b"")), message.kept


def test_an_answer_is_framed_by_what_is_known_of_its_end() -> None:
    parts = [b"one ", b"", b"two"]
    start = b"HTTP/1.1 200 OK\r\n"
    assert answered(GET, b"body") == (start + b"Content-Length: 4\r\n\r\nbody", True)
    chunks = b"Transfer-Encoding: chunked\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"
    assert answered(GET, parts) == (start + chunks, True)
    kept = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert answered(kept, parts) == (start + b"\r\none two", False)
    assert answered(b"HEAD / HTTP/1.1\r\n\r\n", b"body") == (start + b"Content-Length: 4\r\n\r\n", True)
    assert answered(GET, b"", 304) == (b"HTTP/1.1 304 Not Modified\r\n\r\n", True)


def test_answer_to_a_request_that_is_not_read_to_its_end_is_the_last() -> None:
    answer, kept = answered(POST + b"Content-Length: 5\r\n\r\n", b"no", 403)
    assert (answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:], kept) == (
        [b"Content-Length: 2", b"Connection: close"],
        False,
    )
    assert answered(GET, b"", 200, ("Connection", "close"))[1] is False


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nb", "a\rb"])
def test_a_header_with_a_line_break_is_not_sent(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        head("HTTP/1.1 200 OK", [("X", value)])


def test_a_client_that_waits_is_told_to_go_on_when_its_body_is_wanted() -> None:
    with connection() as (client, server):
        client.sendall(POST + b"Content-Length: 4\r\nExpect: 100-Continue\r\n\r\n")
        served = Served(server)
        message = served.next()
        assert message
        body = served.body(message)
        assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert b"".join(body) == b"body"


def replies(data: bytes) -> tuple[Message, bytes]:
    """The answer that a client reads in bytes of a server that hangs up after them, and its body."""
    with connection() as (client, server):
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        asked = Asked(client)
        answer = asked.ask("POST", "/x", [("Host", "h")], b"sent")
        assert server.recv(1 << 16) == b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nsent"
        return answer, b"".join(asked.body(answer))


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a\r\nllo\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", True),
    ],
)
def test_an_answer_is_read_to_its_end(data: bytes, kept: bool) -> None:
    answer, body = replies(data)
    assert (answer.status, body, answer.kept) == (200, b"hello", kept)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(status: int) -> None:
    answer, body = replies(b"HTTP/1.1 %d X\r\nConnection: keep-alive\r\n\r\n" % status)
    assert (answer.status, body, answer.kept) == (status, b"", True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\na",
        b"HTTP/2 200 OK\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2 * HEAD_LIMIT,
    ],
)
def test_an_answer_that_could_be_read_in_two_ways_is_none(data: bytes) -> None:
    with pytest.raises(Refused):
        replies(data)


def test_who_is_hung_up_on_is_not_listened_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends a byte now and then would keep a connection otherwise."""
    times = iter(range(1000))
    monkeypatch.setattr(http1, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with connection() as (client, server):
        client.sendall(b"x" * 100)

        class Slow(socket.socket):
            def recv(self, _size: int, _flags: int = 0) -> bytes:
                return super().recv(1)

        with Slow(fileno=server.detach()) as slow:
            Served(slow).hang_up()
            assert len(slow.recv(1)) == 1
        assert next(times) < 20
