"""The network of a job's hosts: their own, with ways out of it that the local cloud's process serves.

    host --127.0.0.1, the local cloud's port--> Relay --> the local cloud
    host --127.0.0.1:3128--> Door --> the internet; the keys of its role
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
from sagelab.cloud.engine.sandbox.door import PATH, Door, Keys
from sagelab.cloud.engine.sandbox.internet import CERTIFICATES, Internet
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.relay import Carrier, Relay

DOOR = 3128
BUNDLE, AUTHORITY, TRUSTED = "certificates.pem", "authority.pem", "trusted.pem"
TRUSTING = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS")
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Trust:
    """Whom a host trusts that speaks TLS with the local cloud, as PEM: its authority; that and all others."""

    authority: bytes
    everybody: bytes


@dataclass(frozen=True)
class Network:
    """What a job reaches. url: of the local cloud. keys: of its role. internet: with the user's package index.

    trust: None for a host that speaks no TLS with it.
    """

    url: str
    keys: Keys | None = None
    internet: bool = True
    trust: Trust | None = None


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
        return [urlsplit(self.network.url).port or 80, DOOR, *here]

    def open(self, listeners: list[socket.socket]) -> None:
        """Serve the sockets of `ports`, of one of the job's networks."""
        with self._lock:
            for port, listener in zip(self.ports, listeners, strict=True):
                if self._closed:
                    listener.close()
                elif port == DOOR:
                    internet = self._internet if self.network.internet else None
                    self._served.append(Door(listener, internet, self.network.keys))
                else:
                    self._served.append(Relay(listener, partial(socket.create_connection, (HERE, port), 10)))

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
        if self.network.keys:
            env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{HERE}:{self.door[1]}{PATH}"
            env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = self.network.keys.token
        return replace(host, env=env | host.env)


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
