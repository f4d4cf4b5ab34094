from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelab import relay


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """What listens at the other end, at a path longer than a socket's name may be."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    listener = relay.listen(folder / "far.sock")
    yield folder / "far.sock", listener
    listener.close()


@pytest.fixture
def near(far: tuple[Path, socket.socket]) -> Iterator[int]:
    """The port of a relay to it."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = relay.Relay(listener, lambda: relay.dial(far[0]))
    yield listener.getsockname()[1]
    running.close()


def test_bytes_pass_both_ways_and_ends_too(near: int, far: tuple[Path, socket.socket]) -> None:
    with socket.create_connection(("127.0.0.1", near), 10) as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        server, _ = far[1].accept()
        with server:
            assert server.makefile("rb").read() == b"question"
            server.sendall(b"answer")
        assert client.makefile("rb").read() == b"answer"


def test_large_bodies_arrive_whole(near: int, far: tuple[Path, socket.socket]) -> None:
    body = bytes(range(256)) * 40_000
    received = bytearray()

    def take() -> None:
        server, _ = far[1].accept()
        with server:
            received.extend(server.makefile("rb").read())

    taker = threading.Thread(target=take)
    taker.start()
    with socket.create_connection(("127.0.0.1", near), 10) as client:
        client.sendall(body)
    taker.join(30)
    assert bytes(received) == body


def test_connection_is_closed_where_nobody_listens(near: int, far: tuple[Path, socket.socket]) -> None:
    far[1].close()
    with socket.create_connection(("127.0.0.1", near), 10) as client:
        assert client.recv(1) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_QUICKACK is Linux's")
def test_what_comes_is_acknowledged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes an answer in two packets waits for it with the second (Nagle's algorithm)."""
    acknowledged: list[tuple[str, int]] = []
    monkeypatch.setattr(relay, "acknowledge", lambda end: acknowledged.append(end.getpeername()))
    with socket.create_server(("127.0.0.1", 0)) as far, socket.create_server(("127.0.0.1", 0)) as near:
        running = relay.Relay(near, lambda: socket.create_connection(far.getsockname()))
        with socket.create_connection(near.getsockname(), 10) as client:
            client.sendall(b"question")
            server, _ = far.accept()
            with server:
                assert server.recv(8) == b"question"
                server.sendall(b"answer")
                assert client.recv(6) == b"answer"
            assert client.recv(1) == b""
            assert acknowledged == [client.getsockname(), far.getsockname()]
        running.close()


def test_acknowledging_is_of_tcp_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        relay.acknowledge(one)
    with socket.create_server(("127.0.0.1", 0)) as far, socket.create_connection(far.getsockname()) as client:
        relay.acknowledge(client)
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


def test_closed_relay_lets_go_of_its_port_and_its_connections(far: tuple[Path, socket.socket]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    running = relay.Relay(listener, lambda: relay.dial(far[0]))
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        server, _ = far[1].accept()
        with server:
            running.close()
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)


def test_relay_closed_as_it_begins_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the hosts of a job do that ends at once: what closes their relays hears the ends of all others."""
    begin, made, closed = asyncio.start_server, threading.Event(), threading.Event()

    def close() -> None:
        running.close()
        closed.set()

    async def begin_and_be_closed(*arguments: Any, **options: Any) -> asyncio.Server:
        server = await begin(*arguments, **options)
        made.wait()
        closer = threading.Thread(target=close, daemon=True)
        closer.start()
        closer.join(0.05)  # it has asked by then
        return server

    monkeypatch.setattr(asyncio, "start_server", begin_and_be_closed)
    running = relay.Relay(socket.create_server(("127.0.0.1", 0)), lambda: relay.dial(Path("/nowhere")))
    made.set()
    assert closed.wait(30)


def test_more_connections_than_its_share_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST", 2)
    listener, target = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    carrier = relay.Relay(listener, lambda: socket.create_connection(target.getsockname()))
    held = []
    for _ in range(2):
        held.append(socket.create_connection(listener.getsockname(), timeout=30))
        held.append(target.accept()[0])
    with socket.create_connection(listener.getsockname(), timeout=30) as more:
        assert more.recv(1) == b""
    held[0].sendall(b"x")
    assert held[1].recv(1) == b"x"
    for connection in held:
        connection.close()
    carrier.close()
    target.close()


def test_link_in_the_place_of_a_socket_is_not_followed(near: int, far: tuple[Path, socket.socket]) -> None:
    """What a host's code puts there must not lead to another program's socket."""
    path, listener = far
    path.rename(path.with_name("another.sock"))
    path.symlink_to("another.sock")
    with socket.create_connection(("127.0.0.1", near), 10) as client:
        assert client.recv(1) == b""
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()
