"""Security groups and network ACLs: whether they let a connection to some networks through, by EC2's records.

A security group knows of connections, so what goes out may be answered; an ACL knows of packets, so it must let
the answers in as well. https://docs.aws.amazon.com/vpc/latest/userguide/infrastructure-security.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import Any, cast

Record = Mapping[str, Any]
Networks = Sequence[IPv4Network]
Prefixes = Mapping[str, Networks]  # id of a prefix list -> its networks

ANYWHERE = (IPv4Network("0.0.0.0/0"),)
HTTPS = 443
ANSWERS = (32768, 60999)  # the ports of Linux that connections come from
TCP, ALL = ("tcp", "6"), "-1"
LAST = 32767  # of an ACL's rules: it refuses the rest


@lru_cache(maxsize=1024)
def network(text: str) -> IPv4Network:
    """Of "10.0.0.0/16"."""
    return cast("IPv4Network", ip_network(text, strict=False))


def groups_allow(
    permissions: Iterable[Record], port: int, to: Networks, groups: Iterable[str], prefixes: Prefixes
) -> bool:
    """Whether rules of security groups let TCP through to all of some networks, or to one of some groups."""
    found, named = list[IPv4Network](), set[str]()
    for rule in permissions:
        if _is_about(rule.get("IpProtocol", ALL), rule.get("FromPort"), rule.get("ToPort"), (port, port)):
            found += [network(each["CidrIp"]) for each in rule.get("IpRanges", [])]
            for each in rule.get("PrefixListIds", []):
                found += prefixes.get(each["PrefixListId"], ())
            named |= {each["GroupId"] for each in rule.get("UserIdGroupPairs", []) if "GroupId" in each}
    return bool(named & set(groups)) or covers(found, to)


def covers(allowed: Iterable[IPv4Network], wanted: Networks) -> bool:
    """Whether every address of some networks is in others."""
    whole = list(collapse_addresses(allowed))
    return all(any(one.subnet_of(other) for other in whole) for one in wanted)


def acl_allows(acl: Record, port: int, to: Networks) -> bool:
    """Whether an ACL lets TCP out to a port of all of some networks, and its answers in."""
    ways = (("out", (port, port)), ("in", ANSWERS))
    return all(_lets(acl, way == "out", ports, one) for way, ports in ways for one in to)


def acl_admits(acl: Record, port: int, source: IPv4Network) -> bool:
    """Whether an ACL lets TCP in to a port from a network, and its answers out."""
    return _lets(acl, False, (port, port), source) and _lets(acl, True, ANSWERS, source)


def _lets(acl: Record, out: bool, ports: tuple[int, int], other: IPv4Network) -> bool:
    """The first rule about all of it decides; one that refuses a part of it refuses it."""
    for rule in _in_order(acl, out):
        limits = rule.get("PortRange", {})
        about = network(rule.get("CidrBlock", "::/0")) if "CidrBlock" in rule else None
        if about is None or not about.overlaps(other) or not _touches(rule, limits, ports):
            continue
        whole = _is_about(rule["Protocol"], limits.get("From"), limits.get("To"), ports)
        if rule["RuleAction"] == "deny":
            return False
        if whole and other.subnet_of(about):
            return True
    return False


def _in_order(acl: Record, out: bool) -> Iterator[Record]:
    rules = [rule for rule in acl.get("Entries", []) if rule["Egress"] == out]
    yield from sorted(rules, key=lambda rule: int(rule["RuleNumber"]))


def _touches(rule: Record, limits: Record, ports: tuple[int, int]) -> bool:
    if rule["Protocol"] == ALL:
        return True
    return rule["Protocol"] in TCP and limits.get("From", 0) <= ports[1] and limits.get("To", 65535) >= ports[0]


def _is_about(protocol: str, first: int | None, last: int | None, ports: tuple[int, int]) -> bool:
    """Whether a rule is about TCP at all of some ports."""
    if protocol == ALL:
        return True
    return protocol in TCP and (first or 0) <= ports[0] and (65535 if last is None else last) >= ports[1]
