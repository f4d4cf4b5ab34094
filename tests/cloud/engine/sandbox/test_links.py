"""Networks joined by a bridge, what they carry, and what is left where one stands afterwards."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.sandbox import links, namespaces, probes


@pytest.fixture(autouse=True)
def _allowed() -> None:
    if reason := probes.probe() or probes.probe_links():
        pytest.skip(f"networks cannot be joined here: {reason}")


def apart(act: Callable[[], Any]) -> Any:
    """What a function returns in a user namespace and a network of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            namespaces.isolate_users()
            os.write(writer, json.dumps(act()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    return json.loads(text)


def routes() -> list[str]:
    lines = Path("/proc/self/net/route").read_text().splitlines()
    return sorted(line.split()[1] for line in lines[1:])


def test_each_network_has_a_route_to_every_other_and_to_nothing_else() -> None:
    def act() -> list[list[str]]:
        return [routes() for _ in links.join(["10.0.0.1", "10.0.0.2", "10.9.0.3"], namespaces.raise_loopback)]

    first, second, third = "0100000A", "0200000A", "0300090A"
    assert apart(act) == [sorted([second, third]), sorted([first, third]), sorted([first, second])]


def test_one_stands_where_one_stood_and_the_bridge_has_no_address() -> None:
    def act() -> tuple[bool, list[str]]:
        before = Path("/proc/self/ns/net").stat().st_ino
        for network in links.join(["10.0.0.1", "10.0.0.2"], namespaces.raise_loopback):
            os.close(network)
        return Path("/proc/self/ns/net").stat().st_ino == before, routes()

    assert apart(act) == [True, []]


def test_what_the_kernel_refuses_is_said() -> None:
    def act() -> str:
        kernel = links.Kernel()
        try:
            kernel.add_port(7, 8)
        except OSError as error:
            return str(error)
        return "done"

    assert "No such device" in apart(act)


SIZE, RATE = 2 << 20, 40_000_000  # bytes, bits a second
SENDER, TAKER = "10.0.0.1", "10.0.0.2"
LARGEST = links.MTU - 28  # bytes of a message, whose packet has the heads of IP and UDP, too


def joined(rates: Mapping[str, int]) -> Iterator[int]:
    return links.join([SENDER, TAKER], namespaces.raise_loopback, rates)


def carry(rates: Mapping[str, int]) -> tuple[int, float]:
    """How many bytes came from the first host to the second, and in how many seconds."""
    hub, (first, second) = links.here(), joined(rates)  # what nobody is in, or holds, is gone
    links.enter(second)
    with socket.create_server(("", 0)) as listener:
        links.enter(first)
        sending = socket.create_connection((TAKER, listener.getsockname()[1]))
        taking, _ = listener.accept()
    began = time.monotonic()
    sender = threading.Thread(target=sending.sendall, args=[bytes(SIZE)])
    sender.start()
    size = 0
    while size < SIZE:
        size += len(taking.recv(1 << 20))
    took = time.monotonic() - began
    os.close(hub)
    return size, took


@pytest.fixture
def _limited() -> None:
    if reason := probes.try_apart(links.limit_loopback):
        pytest.skip(f"no bandwidth can be set here: {reason}")


@pytest.mark.usefixtures("_limited")
@pytest.mark.parametrize("limited", [SENDER, TAKER])
def test_a_host_sends_and_gets_no_faster_than_its_bandwidth(limited: str) -> None:
    size, seconds = apart(lambda: carry({limited: RATE}))
    assert size == SIZE
    assert seconds >= 8 * (SIZE - links.BURST[1]) / RATE


@pytest.mark.usefixtures("_limited")
def test_the_largest_message_passes_a_small_bandwidth() -> None:
    def act() -> int:
        hub, (first, second) = links.here(), joined(dict.fromkeys([SENDER, TAKER], 1_000_000))
        links.enter(first)
        sending = socket.socket(type=socket.SOCK_DGRAM)
        links.enter(second)
        taking = socket.socket(type=socket.SOCK_DGRAM)
        taking.bind((TAKER, 0))
        taking.settimeout(30)
        sending.sendto(bytes(LARGEST), taking.getsockname())
        size = len(taking.recv(1 << 17))
        os.close(hub)
        return size

    assert apart(act) == LARGEST
