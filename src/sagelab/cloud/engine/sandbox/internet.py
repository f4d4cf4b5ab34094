"""Where a host may go in the internet: to public addresses, and to the package index of this machine's user.

A host has no way out but a proxy of the local cloud's, which asks here. The machine's own addresses, those of its
networks and of a cloud's metadata are no internet: there, what trusts its neighbours would trust a job.
"""

from __future__ import annotations

import base64
import configparser
import ipaddress
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

NETWORKS = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]
INSIDE = (".local", ".localhost", ".internal", ".lan", ".home.arpa")  # names that no public server knows
INDEXES = ("index-url", "extra-index-url", "find-links")
PYPI = (("pypi.org", 443), ("files.pythonhosted.org", 443))  # pip's index where nobody has set one
UV = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "trusted-host": "UV_INSECURE_HOST"}
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")  # a private key beside them stays outside
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
LOOPBACK, MOST = ("127.0.0.1", "localhost"), 4
PORTS = {"http": 80, "https": 443}

Address = tuple[str, int]


class Refused(OSError):
    """That is not for a host to reach."""


class Internet:
    """outside: the variables of whoever started the local cloud, that may name a proxy and an index."""

    def __init__(self, outside: Mapping[str, str]) -> None:
        self._outside = outside
        self.pip = dict(_pip(outside))
        self._trusted = {_place(urlsplit(url)) for name in INDEXES for url in self.pip.get(name, "").split()}
        self._trusted |= {place for host in self.pip.get("trusted-host", "").split() for place in _places(host)}

    @property
    def here(self) -> list[int]:
        """Ports of this machine's loopback at which the user has an index."""
        return sorted({port for host, port in self._trusted if host in LOOPBACK})[:MOST]

    def environment(self) -> dict[str, str]:
        """pip's settings, in the environment of a host, and what they are for uv."""
        uv = {UV[name]: value for name, value in self.pip.items() if name in UV}
        return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in self.pip.items()} | uv

    @cached_property
    def certificates(self) -> bytes:
        """Those that this machine's user trusts beyond the system's own, as PEM; empty if there are none."""
        named = (self._outside.get(name) for name in CERTIFICATES)
        file = next((Path(path) for path in named if path), None)
        try:
            return b"\n".join(CERTIFICATE.findall(file.read_bytes())) if file else b""
        except OSError:
            return b""

    def upstream(self, scheme: str, host: str) -> SplitResult | None:
        """The proxy that this machine's user goes by, if one does for such an address."""
        names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
        url = next((self._outside[name] for name in names if self._outside.get(name)), None)
        bypass = self._outside.get("no_proxy") or self._outside.get("NO_PROXY") or ""
        if url is None or proxy_bypass_environment(host, {"no": bypass}):
            return None
        return urlsplit(url if "//" in url else f"http://{url}")

    def find(self, host: str, port: int) -> list[Address]:
        """The addresses of a server that a host may reach. Refused: there are none. OSError: nobody knows it."""
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if (host.lower(), port) not in self._trusted:
            found = [address for address in found if is_public(address) or self._is_mirror(host, port, address)]
        if not found:
            raise Refused(f"{host} is not in the internet")
        return [(address, port) for address in dict.fromkeys(found)]

    def _is_mirror(self, host: str, port: int, address: str) -> bool:
        """Whether this machine's network has PyPI's names lead to a mirror of its own, on another machine."""
        return "index-url" not in self.pip and (host.lower(), port) in PYPI and not _is_own(address)

    def check_name(self, host: str, port: int) -> None:
        """Refused: another proxy, which is to look this name up, would find nothing of the internet by it."""
        if (host.lower(), port) in self._trusted:
            return
        try:
            self.find(host, port)
        except Refused:
            raise
        except OSError:  # this machine looks nothing up itself
            name = host.lower().rstrip(".")
            if "." not in name or name.endswith(INSIDE) or name.replace(".", "").isdigit():
                raise Refused(f"{host} is not in the internet") from None


def is_public(text: str) -> bool:
    """Whether an address is of the internet, and of another machine."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    inside = any(address in net for net in NETWORKS if net.version == address.version)
    return address.is_global and not address.is_multicast and not inside and not _is_own(str(address))


def _is_own(address: str) -> bool:
    """Whether it is one of this machine's: only to those can a socket be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def authorization(proxy: SplitResult) -> str:
    """The header that a proxy asks for, with its end of line; empty where its URL has no user."""
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


def _pip(outside: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """pip's settings that say where packages are. An index whose URL has a password in it is the user's alone."""
    config = configparser.RawConfigParser(strict=False)
    for file in pip_files(outside):
        try:
            config.read(file)
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
    for name in (*INDEXES, "trusted-host"):
        value = (
            outside.get(f"PIP_{name.upper().replace('-', '_')}") or config.get("global", name, fallback="") or ""
        )
        urls = [url for url in value.split() if name not in INDEXES or _is_open(url)]
        if urls:
            yield name, " ".join(urls)


def pip_files(outside: Mapping[str, str]) -> list[Path]:
    """Weakest first: https://pip.pypa.io/en/stable/topics/configuration/"""
    home = Path(outside.get("HOME", "/"))
    user = Path(outside.get("XDG_CONFIG_HOME") or home / ".config")
    of_all = (outside.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    site = [*(Path(folder, "pip/pip.conf") for folder in of_all), Path("/etc/pip.conf")]
    files = [*site, home / ".pip/pip.conf", user / "pip/pip.conf", Path(sys.prefix, "pip.conf")]
    own = outside.get("PIP_CONFIG_FILE")
    return [] if own == os.devnull else [*files, *([Path(own)] if own else [])]


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in PORTS and bool(parts.hostname) and parts.username is None


def _place(parts: SplitResult) -> Address:
    return (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)


def _places(host: str) -> list[Address]:
    """Where pip goes that trusts a host: to its port, or to those of the web."""
    name, _, port = host.lower().partition(":")
    return [(name, int(port))] if port.isdigit() else [(name, each) for each in PORTS.values()]
