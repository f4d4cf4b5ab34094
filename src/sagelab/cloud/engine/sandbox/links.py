"""The networks of a job's hosts, joined: what `ip link` does, said to the kernel (rtnetlink) without a program.

Each host has a network of its own with one device, eth0, which is one end of a pair (veth). The other ends are
ports of a bridge in the network of the group, where no process of a host is and which has no address:

    algo-1: eth0 10.0.3.1 ---- port ---- bridge of the group ---- port ---- eth0 10.0.3.2 :algo-2

A host has a route to each of the others and to nothing else. IPv4 alone is spoken: no device gets an address of
IPv6. What a host sends, and what it gets, can be held to the bandwidth of an instance: a token bucket at either
end of its pair. https://docs.kernel.org/networking/iproute2/index.html, rtnetlink(7), veth(4), tc-tbf(8)

Standard library alone, and all of it imported before the fork: the child of a warm Python must not import.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

DEVICE, BRIDGE = "eth0", "hosts"
INDEX = 1000  # of our devices, and upwards: below it a new network may have some of the kernel's own
MTU = 65_535  # the most that a pair carries, which is what a loopback does
CLONE_NEWNET, IFF_UP = 0x40000000, 1

NEW_LINK, NEW_ADDRESS, NEW_ROUTE, NEW_QUEUE, ERROR = 16, 20, 24, 36, 2
REQUEST, ACK, NEW = 1, 4, 0x600  # flags of a message; NEW: make it, and fail where there is one
NAME, MTU_OF, MASTER, LINK_INFO, FAMILIES, NETWORK = 3, 4, 10, 18, 26, 28
KIND, DATA, PEER = 1, 2, 1
MODE_OF_ADDRESSES, NO_ADDRESS = 8, 1  # of IPv6
ADDRESS, LOCAL = 1, 2
TO, DEVICE_OF, FROM = 1, 4, 7  # of a route
MAIN_TABLE, STATIC, OF_LINK, UNICAST = 254, 4, 253, 1
OPTIONS, ROOT, ETHERNET = 2, 0xFFFFFFFF, 1  # of a queue
BUCKET, RATE, SIZE = 1, 4, 6  # of a bucket of tokens

LOOPBACK = 1  # its index
BURST = 0.01, 1 << 17  # seconds of the rate that a device sends at once, and how many bytes at least: a packet
QUEUE = 0.05, 1 << 20  # the same of what may wait
MOST = 1 << 30  # bytes of either
NO_RATES: Mapping[str, int] = MappingProxyType({})

IPV6 = Path("/proc/net/if_inet6")  # where this kernel speaks it

_libc = ctypes.CDLL(None, use_errno=True)


class Kernel:
    """Asks the kernel about the devices of one network: that which its maker was in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def close(self) -> None:
        self._socket.close()

    def add_bridge(self, index: int) -> None:
        info = _attribute(LINK_INFO, _text(KIND, "bridge"))
        self._ask(NEW_LINK, NEW, _link(index), _text(NAME, BRIDGE), info)
        self._raise(index)

    def add_pair(self, network: int, port: int) -> None:
        """Make eth0, whose other end is the device of index `port` in another network (a file descriptor)."""
        peer = _link(port) + _text(NAME, f"port{port}") + _MTU + _attribute(NETWORK, struct.pack("I", network))
        info = _attribute(LINK_INFO, _text(KIND, "veth") + _attribute(DATA, _attribute(PEER, peer)))
        self._ask(NEW_LINK, NEW, _link(INDEX), _text(NAME, DEVICE), _MTU, info)
        self._raise(INDEX)

    def set_mtu(self, mtu: int) -> None:
        """Of eth0."""
        self._ask(NEW_LINK, 0, _link(INDEX), _attribute(MTU_OF, struct.pack("I", mtu)))

    def bring_up(self) -> None:
        """eth0."""
        self._raise(INDEX)

    def add_port(self, port: int, bridge: int) -> None:
        self._ask(NEW_LINK, 0, _link(port), _attribute(MASTER, struct.pack("I", bridge)))
        self._raise(port)

    def limit(self, index: int, rate: int) -> None:
        """Let a device send at most so many bits a second; what comes faster waits, and is lost where the queue
        is full. OSError: this kernel has no token buckets.
        """
        burst, queue = (min(max(int(rate / 8 * seconds), least), MOST) for seconds, least in (BURST, QUEUE))
        bucket = struct.pack("BBHhHI12xIII", 0, ETHERNET, 0, 0, 0, 0, burst + queue, 0, 0)
        told = _attribute(BUCKET, bucket) + _attribute(RATE, struct.pack("Q", rate // 8))
        options = _attribute(OPTIONS, told + _attribute(SIZE, struct.pack("I", burst)))
        head = struct.pack("BxxxiIII", socket.AF_UNSPEC, index, 0, ROOT, 0)
        self._ask(NEW_QUEUE, NEW, head, _text(KIND, "tbf"), options)

    def _raise(self, index: int) -> None:
        """A device that is up takes an address of IPv6, unless it was told not to."""
        if IPV6.exists():
            self._ask(NEW_LINK, 0, _link(index), _NO_IPV6)
        self._ask(NEW_LINK, 0, _link(index, up=True))

    def add_address(self, address: str) -> None:
        """Of eth0. Nothing comes with it: what else is of its network, routes say."""
        own = socket.inet_aton(address)
        head = struct.pack("4BI", socket.AF_INET, 32, 0, 0, INDEX)
        self._ask(NEW_ADDRESS, NEW, head, _attribute(LOCAL, own), _attribute(ADDRESS, own))

    def add_ways(self, own: str, others: Sequence[str]) -> None:
        """The address of eth0, and a route to each of the others."""
        self.add_address(own)
        for other in others:
            self.add_route(other, own)

    def add_route(self, address: str, own: str) -> None:
        """To another host, by eth0."""
        head = struct.pack("8BI", socket.AF_INET, 32, 0, 0, MAIN_TABLE, STATIC, OF_LINK, UNICAST, 0)
        to, source = (_attribute(kind, socket.inet_aton(text)) for kind, text in ((TO, address), (FROM, own)))
        self._ask(NEW_ROUTE, NEW, head, to, source, _attribute(DEVICE_OF, struct.pack("I", INDEX)))

    def _ask(self, kind: int, flags: int, *parts: bytes) -> None:
        """OSError: the kernel refuses."""
        body = b"".join(parts)
        self._socket.send(struct.pack("IHHII", 16 + len(body), kind, flags | REQUEST | ACK, 1, 0) + body)
        answer = self._socket.recv(1 << 16)
        number = -struct.unpack_from("i", answer, 16)[0]
        if struct.unpack_from("H", answer, 4)[0] != ERROR or number:
            raise OSError(number, os.strerror(number), "networks of hosts")


def join(
    addresses: Sequence[str], begin: Callable[[], None], rates: Mapping[str, int] = NO_RATES
) -> Iterator[int]:
    """A new network for each address, joined to the others: its file descriptor, while one is in it.

    begin: what is done first in each. rates: address -> bits a second that it may send, and get; any, where it is
    not there. Afterwards one is where one was. OSError: this kernel does not allow it.
    """
    hub, ports = here(), Kernel()
    try:
        ports.add_bridge(INDEX)
        for number, own in enumerate(addresses, start=INDEX + 1):
            enter_new()
            begin()
            _connect(hub, number, own, [address for address in addresses if address != own])
            ports.add_port(number, INDEX)
            if own in rates:
                ports.limit(number, rates[own])
                _limit(INDEX, rates[own])
            yield here()
    finally:
        enter(hub)
        os.close(hub)
        ports.close()


def _connect(hub: int, port: int, own: str, others: Sequence[str]) -> None:
    with closing(Kernel()) as kernel:
        kernel.add_pair(hub, port)
        kernel.add_ways(own, others)


def limit_loopback() -> None:
    """Hold the loopback to a bandwidth. OSError: this kernel cannot."""
    _limit(LOOPBACK, 1_000_000)


def _limit(device: int, rate: int) -> None:
    with closing(Kernel()) as kernel:
        kernel.limit(device, rate)


def lead(own: str, others: Sequence[str], mtu: int) -> None:
    """Let eth0, made already, lead to the others."""
    with closing(Kernel()) as kernel:
        kernel.set_mtu(mtu)
        kernel.bring_up()
        kernel.add_ways(own, others)


def here() -> int:
    """The network that one is in, as a file descriptor."""
    return os.open(Path("/proc/self/ns/net"), os.O_RDONLY | os.O_CLOEXEC)


def enter_new() -> None:
    """Enter a network of one's own, with nothing in it."""
    _check(_libc.unshare(CLONE_NEWNET))


def enter(network: int) -> None:
    """Enter a network by its file descriptor."""
    _check(_libc.setns(network, CLONE_NEWNET))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "networks of hosts")


def _link(index: int, *, up: bool = False) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, IFF_UP if up else 0, IFF_UP if up else 0)


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


_MTU = _attribute(MTU_OF, struct.pack("I", MTU))
_NO_IPV6 = _attribute(
    FAMILIES, _attribute(socket.AF_INET6, _attribute(MODE_OF_ADDRESSES, struct.pack("B", NO_ADDRESS)))
)
