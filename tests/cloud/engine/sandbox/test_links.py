"""Networks joined by a bridge, and what is left where one stands afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.sandbox import links, namespaces


@pytest.fixture(autouse=True)
def _allowed() -> None:
    if reason := namespaces.probe() or namespaces.probe_links():
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
