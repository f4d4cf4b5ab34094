"""Where a request comes from: interfaces of hosts in VPCs, and how the local cloud knows a request of theirs.

A host reaches the local cloud by a relay of this process alone (sandbox/network.py). The relay is given one end of
a pair of sockets, whose other end goes to the front door together with where it comes from: nothing that a host
sends says so, and there is no port or address that somebody else could have meanwhile. What SageMaker moves for a
host from this process carries a word in a header that no host ever sees.
"""

from __future__ import annotations

import secrets
import socket
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sagelab.cloud.engine.vpc import reach
from sagelab.cloud.engine.vpc.firewalls import HTTPS, network
from sagelab.cloud.engine.vpc.reach import NoWay, Reach, Way
from sagelab.cloud.engine.vpc.records import EC2

HEADER = "x-sagelab-source"  # of requests that this process makes for a host


class Voice:
    """Says once for each thing why it is not reached. tell: hears it."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = lambda _: None
        self._told = set[str]()

    def say(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.tell(line)


@dataclass(frozen=True)
class Source:
    """An interface in a subnet of a region. word: what the requests of this process have that come from it.

    clients: of boto3, whose requests do.
    """

    ec2: EC2
    region: str
    subnet: str
    groups: tuple[str, ...]
    block: str
    address: str
    vpc: str
    voice: Voice = field(default_factory=Voice, compare=False)
    word: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    clients: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    def of_host(self, number: int) -> Source:
        """That of one of several hosts in the subnet, from 1 on. ValueError: it has not so many addresses."""
        return replace(self, address=reach.address(self.block, number))

    def way(self, service: str, region: str = "") -> Way:
        """To a service, as the names of endpoints have it. NoWay: it is not reached, as the log says then."""
        try:
            return self._reach.way(service, region)
        except NoWay as why:
            self.voice.say(f"no way to {service}: {why}")
            raise

    def internet(self, address: str = "", port: int = HTTPS) -> Way:
        """To an address or a network of the internet, by default to any that the firewalls allow.

        NoWay: it is not reached, as the log says then.
        """
        try:
            if ":" in address:
                raise NoWay(f"{self.subnet} has no addresses of IPv6")
            return self._reach.internet([network(address)] if address else (), port)
        except NoWay as why:
            self.voice.say(f"no way to the internet: {why}")
            raise

    def connect_to(self, name: str, subnet: str, groups: Sequence[str], port: int) -> None:
        """To an interface of something else in a VPC. NoWay: it is not reached."""
        self._reach.check_interfaces(name, [subnet], groups, port)

    @property
    def zone(self) -> str:
        """Of availability, that its subnet is in; "" where it is gone."""
        subnets = self.ec2.records(self.region).subnets
        return next((str(one["AvailabilityZone"]) for one in subnets if one["SubnetId"] == self.subnet), "")

    @property
    def leads_anywhere(self) -> bool:
        """Whether any service is reached."""
        return self._reach.leads_anywhere

    @property
    def _reach(self) -> Reach:
        return Reach(self.ec2.records(self.region), self.subnet, self.groups, self.address)


class Sources:
    """The interfaces of one local cloud. take: has a connection answered that comes from one; the front door's."""

    def __init__(self, ec2: EC2) -> None:
        self._ec2, self._lock = ec2, threading.Lock()
        self.take: Callable[[socket.socket, Source], None] = _refuse
        self._words: weakref.WeakValueDictionary[str, Source] = weakref.WeakValueDictionary()

    def attach(self, region: str, subnets: Sequence[str], groups: Sequence[str], zone: str = "") -> Source:
        """An interface in the first of some subnets, or the first of them in a zone. NoWay: they are gone.

        groups: by default that of the VPC.
        """
        records = self._ec2.records(region)
        known = {one["SubnetId"]: one for one in records.subnets}
        there = [known[name] for name in subnets if name in known]
        chosen = next((one for one in there if zone in ("", one["AvailabilityZone"])), None)
        if chosen is None:
            raise NoWay(f"{', '.join(subnets)} are not there any more")
        of_vpc = [one for one in records.groups if one["VpcId"] == chosen["VpcId"]]
        usual = [one["GroupId"] for one in of_vpc if one["GroupName"] == "default"]
        block = chosen["CidrBlock"]
        place = (tuple(groups or usual), block, reach.address(block, 1), chosen["VpcId"])
        source = Source(self._ec2, region, chosen["SubnetId"], *place)
        with self._lock:
            self._words[source.word] = source
        return source

    def connect(self, source: Source) -> socket.socket:
        """A connection to the front door for a host. OSError: there is none."""
        here, there = socket.socketpair()
        try:
            self.take(there, source)
        except (OSError, RuntimeError) as error:  # no thread is left for it
            here.close()
            there.close()
            raise ConnectionRefusedError(str(error)) from None
        return here

    def close(self) -> None:
        """Nobody is answered any more."""
        self.take = _refuse

    def of_word(self, word: str | None) -> Source | None:
        """Whose request this process makes, that has a word in its header."""
        with self._lock:
            return self._words.get(word) if word else None


def _refuse(_connection: socket.socket, _source: Source) -> None:
    raise ConnectionRefusedError("nobody answers")
