"""What EC2 takes as a network in a rule of an ACL or a prefix list, which moto keeps as it comes.

Every request of a host in a VPC is judged by all records of its region: one that cannot be read would stop them
all. Each check is given a method's arguments.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

Asked = dict[str, Any]


def check_rule(asked: Asked) -> None:
    """EC2ClientError: a rule of an ACL is about no network."""
    for name, kind in (("cidr_block", IPv4Network), ("ipv6_cidr_block", IPv6Network)):
        if asked.get(name):
            _check(asked[name], kind)


def check_new_list(asked: Asked) -> None:
    """EC2ClientError: an entry of a new prefix list is no network of its family."""
    for entry in asked.get("entry") or ():
        _check(entry.get("Cidr"), _kind(asked.get("address_family")))


def check_entries(asked: Asked) -> None:
    """EC2ClientError: what is added to a prefix list is no network of its family."""
    known = asked["self"].managed_prefix_lists.get(asked.get("prefix_list_id"))
    for entry in asked.get("add_entry") or ():
        _check(entry.get("Cidr"), _kind(known.address_family if known else None))


def _kind(family: str | None) -> type[IPv4Network | IPv6Network]:
    return IPv6Network if family == "IPv6" else IPv4Network


def _check(block: Any, kind: type[IPv4Network | IPv6Network]) -> None:
    from moto.ec2.exceptions import InvalidCIDRBlockParameterError  # it loads all of EC2

    try:
        kind(str(block), strict=False)
    except ValueError:
        raise InvalidCIDRBlockParameterError(str(block)[:100]) from None
