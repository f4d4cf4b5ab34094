"""The networks of a job's hosts, joined through WireGuard: EnableInterContainerTrafficEncryption.

Each host has a network of its own with one device, eth0, as in links.py. Here it is the mouth of a tunnel, whose
WireGuard stands in another network, the instance's, that no process of the host is in. Those are what a bridge
joins, so that nothing plain can go from host to host: there is no way for it.

    algo-1: eth0 10.0.128.1 -- wireguard-go -- eth0 100.64.0.1 :instance ---- bridge of the group ---- ...

A keeper, forked from the group before any host is, reads the keys from a file that it alone reads, runs a
wireguard-go for each host, and ends all of them together. https://www.wireguard.com/xplatform/

Standard library alone, and all of it imported before the fork: the child of a warm Python must not import.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

from sagelab.cloud.engine.sandbox import links, namespaces, privileges

PROGRAM, DEVICE_FILE = "wireguard-go", Path("/dev/net/tun")
PORT, MTU = 51820, 64_000  # few large packets: what each costs is what this takes
SECONDS = 10.0  # in which a tunnel must stand
SET_INDEX, SET_DEVICE, TUN, NO_HEADER = 0x400454DA, 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
UP = b"up"
ENDED = "the tunnels between the hosts of the job ended"
_VERSION = re.compile(r"v\d+\.\d+\.(\d{8})")
_HEADERLESS = 20230000  # from this version on it takes packets as they are


@dataclass(frozen=True)
class Tunnel:
    """One host's. address: of the host. outside: of its instance. network, instance: file descriptors, of its own
    network and of the one that WireGuard is in."""

    address: str
    outside: str
    network: int
    instance: int


def unavailable() -> str | None:
    """Why traffic between hosts cannot be encrypted on this machine; None where it can, as far as files tell."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed here; run: apt-get install wireguard-go"
    if not os.access(DEVICE_FILE, os.R_OK | os.W_OK):
        return f"{DEVICE_FILE} cannot be opened here"
    return None


def order(hosts: int) -> bytes:
    """What the keeper of so many hosts' tunnels is told: their keys, and how the program here reads a device.

    Made in the local cloud's process: a warm Python has no library for keys, and its forks are to have no keys.
    """
    import subprocess

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    made = [X25519PrivateKey.generate() for _ in range(hosts)]
    pairs = [(key.private_bytes_raw().hex(), key.public_key().public_bytes_raw().hex()) for key in made]
    said = subprocess.run(
        [PROGRAM, "--version"], capture_output=True, text=True, check=True, timeout=SECONDS
    ).stdout
    version = _VERSION.search(said)
    header = version is not None and int(version[1]) < _HEADERLESS
    return json.dumps({"pairs": pairs, "header": header}).encode()


@dataclass(frozen=True)
class Order:
    """What the keeper is given. told: a file with an `order`. on_end: what it does where a tunnel has ended, and
    `kept` the file that it does it by."""

    told: int
    on_end: Callable[[], None]
    kept: int


def join(
    addresses: Sequence[str], begin: Callable[[], None], given: Order, rates: Mapping[str, int] = links.NO_RATES
) -> Iterator[int]:
    """A new network for each address, joined to the others by tunnels: its file descriptor, while one is in it.

    begin: what is done first in each. rates: address -> bits a second that its instance may send, and get.
    Afterwards one is where one was, and the tunnels stand. OSError: they do not.
    """
    hub = links.here()
    outsides = [f"100.64.{number >> 8}.{number & 255}" for number in range(1, len(addresses) + 1)]
    outer = {outside: rates[own] for own, outside in zip(addresses, outsides, strict=True) if own in rates}
    instances = list(links.join(outsides, lambda: None, outer))
    networks: list[int] = []
    try:
        for _ in addresses:
            links.enter_new()
            begin()
            networks.append(links.here())
            yield networks[-1]
    finally:
        links.enter(hub)
        os.close(hub)
    _fork_keeper(list(starmap(Tunnel, zip(addresses, outsides, networks, instances, strict=True))), given)
    for file in (given.told, *instances):
        os.close(file)


def _fork_keeper(tunnels: Sequence[Tunnel], given: Order) -> None:
    """Fork the keeper of the tunnels, and return when they stand. OSError: they do not."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _become_keeper(tunnels, given, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as words:
        said = words.readline()
    if said != UP:
        raise OSError(0, said.decode(errors="replace") or ENDED, "tunnels of hosts")


def _become_keeper(tunnels: Sequence[Tunnel], given: Order, report: int) -> None:
    group = os.getppid()
    try:
        privileges.die_with_parent()
        networks = [file for tunnel in tunnels for file in (tunnel.network, tunnel.instance)]
        privileges.close_others(given.told, given.kept, report, *networks)
        with os.fdopen(given.told, "rb") as file:
            asked = json.load(file)
        namespaces.isolate_run()
        Path("/run/wireguard").mkdir()
        Path(f"/run/wireguard/{links.DEVICE}.sock").touch()  # whose end would be the program's
        for number, tunnel in enumerate(tunnels):
            _dig(number, tunnels, _settings(number, tunnels, asked["pairs"]), header=asked["header"])
            os.close(tunnel.network)
        os.write(report, UP)
        os.close(report)
        os.wait()  # for ever, unless one ends that should not: then nothing would pass any more
        given.on_end()
        os.kill(group, signal.SIGKILL)
    except BaseException as error:
        os.write(report, str(error).encode())
    finally:
        os._exit(1)


def _settings(number: int, tunnels: Sequence[Tunnel], pairs: Sequence[Sequence[str]]) -> str:
    """What one WireGuard is told: https://www.wireguard.com/xplatform/#configuration-protocol"""
    lines = ["set=1", f"private_key={pairs[number][0]}", f"listen_port={PORT}"]
    for other, (tunnel, (_, public)) in enumerate(zip(tunnels, pairs, strict=True)):
        if other != number:
            lines += [
                f"public_key={public}",
                f"endpoint={tunnel.outside}:{PORT}",
                f"allowed_ip={tunnel.address}/32",
            ]
    return "\n".join([*lines, "", ""])


def _dig(number: int, tunnels: Sequence[Tunnel], settings: str, *, header: bool) -> None:
    """Make one host's tunnel. OSError: it cannot be made, or its WireGuard does not take its settings."""
    tunnel = tunnels[number]
    links.enter(tunnel.network)
    mouth = _open(tunnel.address, [other.address for other in tunnels if other is not tunnel], header=header)
    links.enter(tunnel.instance)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as connection:
        listener.bind(f"/run/{number}")
        listener.listen(1)
        if os.fork() == 0:
            _become_wireguard(mouth, listener.fileno())
        connection.settimeout(SECONDS)
        connection.connect(f"/run/{number}")
        connection.sendall(settings.encode())
        said = connection.recv(1 << 12)
    os.close(mouth)
    if said.strip() != b"errno=0":
        raise OSError(0, f"{PROGRAM} said {said!r}", "tunnels of hosts")
    kernel = links.Kernel()  # the program takes the instance's device for the tunnel's, and lowers what it carries
    kernel.set_mtu(links.MTU)
    kernel.close()


def _open(address: str, others: Sequence[str], *, header: bool) -> int:
    """Make eth0 of the network that one is in, the mouth of a tunnel; where its other end is read and written.

    header: four bytes stand before each packet.
    """
    mouth = os.open(DEVICE_FILE, os.O_RDWR | os.O_CLOEXEC)
    flags = TUN if header else TUN | NO_HEADER
    fcntl.ioctl(mouth, SET_INDEX, struct.pack("I", links.INDEX))
    fcntl.ioctl(mouth, SET_DEVICE, struct.pack("16sH22x", links.DEVICE.encode(), flags))
    links.lead(address, others, MTU)
    return mouth


def _become_wireguard(mouth: int, listener: int) -> None:
    try:
        privileges.die_with_parent()
        for file in (mouth, listener):
            os.set_inheritable(file, True)
        told = {"WG_TUN_FD": str(mouth), "WG_UAPI_FD": str(listener), "WG_PROCESS_FOREGROUND": "1"}
        os.execve(shutil.which(PROGRAM) or PROGRAM, [PROGRAM, "-f", links.DEVICE], told | {"LOG_LEVEL": "error"})
    finally:
        os._exit(127)
