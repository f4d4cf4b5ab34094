"""Servers of databases that replications reach: this machine's own among them, for there a learner's listens.

What is sent to one is PostgreSQL's protocol alone, by a program that nobody has shaped; addresses that no database
has are refused all the same.
"""

from __future__ import annotations

import ipaddress
import socket

CONNECT_SECONDS = 10.0


class Unreachable(OSError):
    """There is no way to a server; in the words of PostgreSQL's own client."""


def dial(host: str, port: int) -> socket.socket:
    """A connection to a server. Unreachable: why there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(
            f'could not translate host name "{host}" to address: Name or service not known'
        ) from None
    why = "Network is unreachable"
    for _, _, _, _, address in found:
        try:
            if not _may_be(str(address[0])):
                continue
            return socket.create_connection((str(address[0]), port), CONNECT_SECONDS)
        except TimeoutError:
            why = "timeout expired"
        except OSError as error:
            why = error.strerror or str(error)
    raise Unreachable(f'connection to server at "{host}", port {port} failed: {why}')


def check(host: str, port: int) -> None:
    """Unreachable: there is no way to it."""
    dial(host, port).close()


def _may_be(text: str) -> bool:
    """Whether a database may be at an address: not at those of a cloud's metadata, and of no machine."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return _may_be(str(address.ipv4_mapped))
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)
