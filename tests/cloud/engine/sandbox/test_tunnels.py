"""Networks joined through WireGuard: what passes between them, seen from where the wire is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sagelab.cloud.engine.sandbox import links, namespaces, probes, tunnels
from tests.cloud.engine.sandbox.test_links import apart

ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.9.0.3"]
SECRET = b"the gradients of a model that is nobody's business " * 40
ALL_PROTOCOLS = 0x0003
OF_IPV4, IGMP, UDP = b"\x08\x00", 2, 17
PORTS = tunnels.PORT.to_bytes(2, "big") * 2  # from and to


@pytest.fixture(autouse=True)
def _allowed() -> None:
    if reason := probes.probe() or probes.probe_links() or tunnels.unavailable():
        pytest.skip(f"networks cannot be joined by tunnels here: {reason}")


def joined(on_end: Callable[[], None] = lambda: None) -> Iterator[int]:
    told = os.memfd_create("told")
    os.write(told, tunnels.order(len(ADDRESSES)))
    os.lseek(told, 0, os.SEEK_SET)
    return tunnels.join(ADDRESSES, namespaces.raise_loopback, tunnels.Order(told, on_end, 1))


def send(networks: list[int]) -> bytes:
    """What the second network gets of what the first one sends it."""
    links.enter(networks[1])
    listener = socket.create_server((ADDRESSES[1], 0))
    links.enter(networks[0])
    with socket.create_connection(listener.getsockname(), timeout=20) as sender:
        accepted, (source, _) = listener.accept()
        sender.sendall(SECRET)
        sender.shutdown(socket.SHUT_WR)
        with accepted, accepted.makefile("rb") as got:
            assert source == ADDRESSES[0]
            return got.read()


class Capture:
    """Every packet of every device of the network that one is in, from now on."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.settimeout(0.05)
        self._ended, self._packets = threading.Event(), list[bytes]()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                self._packets.append(self._socket.recv(1 << 17))
            except TimeoutError:
                if self._ended.is_set():
                    return

    def end(self) -> list[bytes]:
        """What of IPv4 was there, without the heads of its wire."""
        self._ended.set()
        self._thread.join()
        self._socket.close()
        return [packet[14:] for packet in self._packets if packet[12:14] == OF_IPV4]


def test_what_passes_is_on_no_wire() -> None:
    def seen(join: Callable[[], Iterator[int]]) -> tuple[bool, bool]:
        """Whether what was sent is on the wire as it is, and whether anything but WireGuard's packets is."""
        capture = Capture()
        assert send(list(join())) == SECRET
        packets = [packet for packet in capture.end() if packet[9] != IGMP]  # a bridge's own questions
        assert sum(map(len, packets)) > len(SECRET)
        others = [packet for packet in packets if packet[9] != UDP or packet[20:24] != PORTS]
        return any(SECRET[:51] in packet for packet in packets), bool(others)

    assert apart(lambda: seen(lambda: links.join(ADDRESSES, namespaces.raise_loopback))) == [True, True]
    assert apart(lambda: seen(joined)) == [False, False]


def test_there_is_no_way_but_the_tunnel() -> None:
    def act() -> list[object]:
        networks = list(joined())
        links.enter(networks[0])
        devices = sorted(name for _, name in socket.if_nameindex())
        routes = [line.split()[1] for line in Path("/proc/self/net/route").read_text().splitlines()[1:]]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dialing, suppress(OSError):
            dialing.connect(("100.64.0.2", tunnels.PORT))
            return ["another instance is reached"]
        return [devices, sorted(routes)]

    assert apart(act) == [["eth0", "lo"], ["0200000A", "0300090A"]]


def test_one_that_ends_ends_all_and_says_so(tmp_path: Path) -> None:
    said = tmp_path / "said"

    def act() -> None:
        list(joined(said.touch))
        keeper = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0])
        first = int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0])
        os.kill(first, signal.SIGKILL)
        time.sleep(30)

    with pytest.raises(ValueError, match="Expecting value"):
        apart(act)  # it was killed, and said nothing
    assert said.exists()


def test_they_end_with_the_process_that_they_were_made_for() -> None:
    def act() -> list[int]:
        list(joined())
        keeper = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0])
        programs = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        return [keeper, *map(int, programs)]

    started = apart(act)
    assert len(started) == 1 + len(ADDRESSES)
    until = time.monotonic() + 20
    while left := [pid for pid in started if _runs(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_where_the_program_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "apt-get install wireguard-go" in str(tunnels.unavailable())
