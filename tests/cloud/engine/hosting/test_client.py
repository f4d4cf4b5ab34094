"""The way to a server: what a container may answer, however it frames it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sagelab.cloud.engine.hosting import client
from sagelab.cloud.engine.hosting.client import Channel, ServerUnavailable

Answering = Callable[[bytes], Channel]


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    """A channel to a server that says these bytes to each connection and hangs up."""
    listener, channel = socket.socket(socket.AF_UNIX), Channel(tmp_path / "s")

    def start(data: bytes) -> Channel:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        threading.Thread(target=serve, args=(listener, data), daemon=True).start()
        return channel

    yield start
    channel.forget()
    listener.close()


def serve(listener: socket.socket, data: bytes) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client, suppress(OSError):
            client.recv(1 << 16)
            client.sendall(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name:  v \r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-Name: v\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nX-Name: v\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nx-name: v\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["length", "chunks", "until-close", "continue"],
)
def test_answer_is_read_however_it_is_framed(answering: Answering, data: bytes) -> None:
    channel = answering(data)
    for _ in range(2):  # the second time, a kept connection has been hung up on
        reply = channel.ask("POST", "/invocations", {"Accept": "*/*"}, b"body")
        assert (reply.status, reply.headers["x-name"], reply.body) == (200, "v", b"hello")
    head, parts = channel.stream("/invocations", {}, b"body")
    assert (head.status, b"".join(parts)) == (200, b"hello")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 17),
    ],
    ids=["nothing", "garbage", "short", "short-chunk", "long-line"],
)
def test_answer_that_breaks_off_is_no_answer(answering: Answering, data: bytes) -> None:
    with pytest.raises(ServerUnavailable) as trouble:
        answering(data).ask("POST", "/invocations", {}, b"")
    assert trouble.value.silent == (data == b"")  # another server may be asked the same


def test_header_with_a_line_break_is_not_sent(answering: Answering) -> None:
    channel = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(ServerUnavailable, match="line break"):
        channel.ask("POST", "/invocations", {"Accept": "a\r\nX-Evil: b"}, b"")


def test_nobody_there_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable) as trouble:
        Channel(tmp_path / "s").ask("GET", "/ping", {}, b"")
    assert trouble.value.silent


def test_who_takes_too_long_may_still_be_at_work(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(ServerUnavailable) as trouble:
            Channel(tmp_path / "s", timeout=0.01).ask("POST", "/invocations", {}, b"")
    assert (trouble.value.timed_out, trouble.value.silent) == (True, False)


def test_a_request_has_one_host_and_one_length(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        heard: list[bytes] = []

        def serve_one() -> None:
            client, _ = listener.accept()
            with client:
                heard.append(client.recv(1 << 16))
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve_one)
        thread.start()
        channel = Channel(tmp_path / "s")
        channel.ask("GET", "/api", {"Host": "localhost"}, b"")
        channel.forget()
        thread.join()
    lines = heard[0].split(b"\r\n")
    assert [line for line in lines if line.startswith((b"Host:", b"Content-Length:"))] == [
        b"Host: localhost",
        b"Content-Length: 0",
    ]


def test_answer_without_end_fills_no_memory(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LARGEST", 1 << 20)
    channel = answering(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(3 << 20))
    with pytest.raises(ServerUnavailable, match="larger than 1 MB"):
        channel.ask("POST", "/invocations", {}, b"")


def test_answer_that_drips_takes_no_longer_than_an_invocation_may() -> None:
    parts = iter([b"a"] * 3)
    with pytest.raises(TimeoutError):
        client._join(parts, 0.0)
    assert len(list(parts)) == 2
