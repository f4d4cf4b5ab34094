"""The network of a job's hosts: their own, with ways out of it that the local cloud's process serves.

    host --127.0.0.1, the local cloud's port--> Relay --> the local cloud
    host --127.0.0.1:3128--> Door --> the internet; the keys of its role
    host --127.0.0.1:3129--> Relay --> the one server that a replication reads (servers.py)
    host --127.0.0.1, a port of an index of packages that the user has on this machine--> Relay --> that index

The sockets are made inside, by the group of the hosts (namespaces.py), and handed out by file descriptor: nothing
more runs for them, and whoever connects before they are served waits.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.sandbox import servers
from sagelab.cloud.engine.sandbox.door import EVERYWHERE, PATH, Door, Keys
from sagelab.cloud.engine.sandbox.internet import CERTIFICATES, Internet, Refused
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.vpc.firewalls import HTTPS
from sagelab.cloud.engine.vpc.reach import NoWay
from sagelab.cloud.engine.vpc.sources import Source, Sources
from sagelab.relay import Carrier, Relay

DOOR, SERVER = 3128, 3129
BUNDLE, AUTHORITY, TRUSTED = "certificates.pem", "authority.pem", "trusted.pem"
TRUSTING = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS")
HERE = "127.0.0.1"
DIAL_SECONDS = 10


@dataclass(frozen=True)
class Trust:
    """Whom a host trusts that speaks TLS with the local cloud, as PEM: its authority; that and all others."""

    authority: bytes
    everybody: bytes


@dataclass(frozen=True)
class Network:
    """What a job reaches. url: of the local cloud. keys: of its role. internet: with the user's package index.

    trust: None for a host that speaks no TLS with it. source: where its hosts are in a VPC, whose records say
    which services and whether the internet. sources: makes the connections that are theirs.
    server: the one server of a database that they reach beside.
    """

    url: str
    keys: Keys | None = None
    internet: bool = True
    trust: Trust | None = None
    source: Source | None = None
    sources: Sources | None = None
    server: tuple[str, int] | None = None


class Ways:
    """The ways out of one job's network, from `open` to `close`."""

    def __init__(self, network: Network, internet: Internet) -> None:
        self.network, self._internet = network, internet
        self._served: list[Carrier] = []
        self._closed, self._lock = False, threading.Lock()
        self.door = (HERE, DOOR)

    @property
    def ports(self) -> list[int]:
        """On what the group is to listen."""
        here = self._internet.here if self.network.internet else []
        return [self._cloud, DOOR, *([SERVER] if self.network.server else []), *here]

    def open(self, listeners: list[socket.socket], number: int) -> None:
        """Serve the sockets of `ports`, of the network of a host of that number, from 1 on."""
        source = self.network.source.of_host(number) if self.network.source else None
        with self._lock:
            for port, listener in zip(self.ports, listeners, strict=True):
                if self._closed:
                    listener.close()
                elif port == DOOR:
                    internet = self._internet if self.network.internet else None
                    self._served.append(Door(listener, internet, self.network.keys, partial(permit, source)))
                elif port == SERVER and self.network.server:
                    self._served.append(Relay(listener, partial(servers.dial, *self.network.server)))
                elif port == self._cloud:
                    self._served.append(Relay(listener, partial(self._dial_cloud, source)))
                else:
                    self._served.append(Relay(listener, partial(_dial_index, source, port)))

    @property
    def _cloud(self) -> int:
        return urlsplit(self.network.url).port or 80

    def _dial_cloud(self, source: Source | None) -> socket.socket:
        """A connection to the local cloud, which is told where in a VPC it comes from. OSError: there is none."""
        if source and self.network.sources:
            return self.network.sources.connect(source)
        return socket.create_connection((HERE, self._cloud), DIAL_SECONDS)

    def open_here(self) -> None:
        """For hosts that have no network of their own: the keys alone, at a port of this machine."""
        if self.network.keys:
            listener = socket.create_server((HERE, 0))
            self.door = listener.getsockname()
            self._served.append(Door(listener, None, self.network.keys))

    def close(self) -> None:
        with self._lock:
            self._closed, served, self._served = True, self._served, []
        for each in served:
            each.close()
        if self.network.keys:
            self.network.keys.end()

    def prepare(self, host: HostSpec, apart: bool) -> HostSpec:
        """The host, told of the ways. apart: it has a network of its own. What it is told itself counts more."""
        env = self._internet.environment() | _certify(host, self._internet.certificates, apart)
        if self.network.trust:
            env |= _trust(host, self.network.trust, apart)
        if apart and self.network.internet:
            env |= _proxies(host, self.door)
        if self.network.server:
            host_name, port = (HERE, SERVER) if apart else self.network.server
            env["SAGELAB_SERVER"] = f"{host_name}:{port}"
        if self.network.keys:
            env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{HERE}:{self.door[1]}{PATH}"
            env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = self.network.keys.token
        return replace(host, env=env | host.env)


def permit(source: Source | None, address: str, port: int) -> None:
    """Refused: there is no way for a host to an address of the internet."""
    try:
        if source:
            source.internet(address, port)
    except NoWay as why:
        raise Refused(f"no way to the internet: {why}") from None


def _dial_index(source: Source | None, port: int) -> socket.socket:
    """A connection to the user's index of packages, which stands for the internet's. OSError: there is none."""
    permit(source, EVERYWHERE, HTTPS)
    return socket.create_connection((HERE, port), DIAL_SECONDS)


def _certify(host: HostSpec, certificates: bytes, apart: bool) -> dict[str, str]:
    """Give a host the certificates that its user trusts."""
    if not certificates:
        return {}
    return dict.fromkeys(CERTIFICATES, _put(host, BUNDLE, certificates, apart))


def _trust(host: HostSpec, trust: Trust, apart: bool) -> dict[str, str]:
    """Give a host the certificates by which it trusts the local cloud."""
    trusted = _put(host, TRUSTED, trust.everybody, apart)
    authority = _put(host, AUTHORITY, trust.authority, apart)
    return dict.fromkeys(TRUSTING, trusted) | {"AWS_CA_BUNDLE": authority}


def _put(host: HostSpec, name: str, content: bytes, apart: bool) -> str:
    """Write a file that a host reads; its path there."""
    Tree(Path(host.folder, "run")).replace(name, content)
    return f"/run/sagelab/{name}" if apart else f"{host.folder}/run/{name}"


def _proxies(host: HostSpec, door: tuple[str, int]) -> dict[str, str]:
    url = f"http://{door[0]}:{door[1]}"
    direct = ",".join(["localhost", HERE, "::1", host.name, *host.peers, *host.peers.values()])
    names = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": direct}
    return names | {name.lower(): value for name, value in names.items()}
