"""Whose a request is: known by its connection before anything is read, and said by nothing that is sent."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagelab.cloud import tls
from sagelab.cloud.engine.sandbox.internet import Refused
from sagelab.cloud.engine.sandbox.network import HERE, Network, Ways, permit
from sagelab.cloud.engine.vpc.firewalls import network as networks
from sagelab.cloud.engine.vpc.reach import NoWay, Records
from sagelab.cloud.engine.vpc.records import EC2
from sagelab.cloud.engine.vpc.sources import HEADER, Source, Sources
from sagelab.cloud.gateway.http.server import Server
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.cloud.gateway.origins import Dropped, Origins
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.home import Home
from sagelab.relay import Relay

REGION = "us-east-1"
ASKED = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
S3 = f"com.amazonaws.{REGION}.s3"
RECORDS = Records(
    REGION,
    vpcs=[{"VpcId": "vpc-1"}],
    subnets=[
        {
            "SubnetId": f"subnet-{number}", "VpcId": "vpc-1", "CidrBlock": f"10.0.{number}.0/28",
            "AvailabilityZone": zone,
        }
        for number, zone in enumerate(("us-east-1a", "us-east-1b"))
    ],
    tables=[{"VpcId": "vpc-1", "RouteTableId": "rtb-1", "Associations": [{"Main": True}]}],
    endpoints=[
        {
            "VpcId": "vpc-1", "VpcEndpointId": "vpce-1", "ServiceName": S3, "State": "available",
            "VpcEndpointType": "Gateway", "RouteTableIds": ["rtb-1"], "PolicyDocument": "{}",
        }
    ],
    groups=[
        {
            "GroupId": "sg-1", "GroupName": "default", "VpcId": "vpc-1",
            "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        }
    ],
    prefixes={"pl-1": (networks("52.216.0.0/15"),)},
    lists={S3: "pl-1"},
)  # fmt: skip


@pytest.fixture
def sources() -> Sources:
    return Sources(cast("EC2", SimpleNamespace(records=lambda _: RECORDS)))


@pytest.fixture
def source(sources: Sources) -> Source:
    return sources.attach(REGION, ["subnet-0", "subnet-1"], [])


def test_an_interface_is_in_the_first_subnet_or_in_that_of_its_zone(sources: Sources, source: Source) -> None:
    assert (source.vpc, source.subnet, source.groups, source.address) == (
        "vpc-1",
        "subnet-0",
        ("sg-1",),
        "10.0.0.4",
    )
    assert sources.attach(REGION, ["subnet-0", "subnet-1"], ["sg-2"], "us-east-1b").subnet == "subnet-1"
    assert source.of_host(3).address == "10.0.0.6"
    with pytest.raises(NoWay):
        sources.attach(REGION, ["subnet-9"], [])


def test_what_is_not_reached_is_said_once(source: Source) -> None:
    heard: list[str] = []
    source.voice.tell = heard.append
    for one in (source, source.of_host(2)):
        with pytest.raises(NoWay):
            one.way("sts")
    assert len(heard) == 1
    assert heard[0].startswith("no way to sts: ")


def test_a_word_is_good_as_long_as_its_job(sources: Sources, source: Source) -> None:
    word = source.word
    assert sources.of_word(word) is source
    assert sources.of_word("") is sources.of_word(None) is sources.of_word("guessed") is None
    short = sources.attach(REGION, ["subnet-1"], []).word
    gc.collect()
    assert sources.of_word(short) is None


def context(service: str, path: str = "/", source: Source | None = None, **headers: str) -> Any:
    request = SimpleNamespace(path=path, source=source, headers=headers)
    return SimpleNamespace(request=request, found=None, service=service, region=REGION, origin=None)


def test_a_request_has_the_way_that_it_came(sources: Sources, source: Source) -> None:
    asked = context("s3", source=source)
    Origins(sources).check(asked)
    assert (asked.origin.vpc, asked.origin.endpoint, asked.origin.address) == ("vpc-1", "vpce-1", "10.0.0.4")
    with pytest.raises(Dropped):
        Origins(sources).check(context("sts", source=source))
    outside = context("sts")
    Origins(sources).check(outside)
    assert outside.origin is None


def test_a_host_cannot_say_that_it_is_elsewhere(sources: Sources, source: Source) -> None:
    """The connection counts, even where it sends the word of another job."""
    other = sources.attach(REGION, ["subnet-1"], [])
    asked = context("s3", source=source, **{HEADER: other.word})
    Origins(sources).check(asked)
    assert asked.origin.address == "10.0.0.4"
    assert asked.request.headers == {}  # nobody sees the word after that


def test_gits_requests_go_the_same_way(sources: Sources, source: Source) -> None:
    with pytest.raises(Dropped):
        Origins(sources).admit(context("", "/v1/repos/mine/info/refs", source))
    Origins(sources).admit(context("", "/v1/repos/mine/info/refs"))


@pytest.fixture
def door(tmp_path: Path, sources: Sources) -> Iterator[tuple[tuple[str, int], list[Any]]]:
    """A front door of these interfaces: its address, and where each request came from."""
    listener, known = socket.create_server((HERE, 0)), list[Any]()

    def answer(request: Any) -> Answer:
        known.append(request.source)
        return Answer(200, [])

    server = Server(listener, answer, Spool(tmp_path, Disk(0)), partial(tls.server_context, Home(tmp_path)))
    sources.take = server.take
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield listener.getsockname(), known
    server.shutdown()
    thread.join()
    server.server_close()
    listener.close()


def ask(connection: socket.socket, times: int = 1) -> None:
    connection.settimeout(20)
    connection.sendall(ASKED * times)
    said = b""
    while said.count(b"HTTP/1.1 200") < times:
        part = connection.recv(1 << 16)
        assert part
        said += part


def test_a_relay_is_known_by_its_connection(sources: Sources, source: Source, door: Any) -> None:
    """Every request that comes by it, pipelined ones too."""
    (host, port), known = door
    ways = Ways(Network(f"http://{host}:{port}", source=source, sources=sources), cast("Any", None))
    with ways._dial_cloud(source) as inside, ways._dial_cloud(None) as outside:
        ask(inside, 3)
        ask(outside)
        ask(inside)
    assert known == [source, source, source, None, source]


def test_a_relay_carries_to_the_front_door(sources: Sources, source: Source, door: Any) -> None:
    _, known = door
    listener = socket.create_server((HERE, 0))
    relay = Relay(listener, lambda: sources.connect(source))
    with socket.create_connection(listener.getsockname()) as host:
        ask(host, 2)
        host.sendall(b"no HTTP\r\n\r\n")
        host.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: host.recv(1 << 16), b""))
    assert said.startswith(b"HTTP/1.1 400 ")
    relay.close()
    listener.close()
    assert known == [source, source]


def test_tls_is_spoken_there_too(sources: Sources, source: Source, door: Any, tmp_path: Path) -> None:
    _, known = door
    trusting = ssl.create_default_context(cafile=str(tls.folder(Home(tmp_path)) / tls.AUTHORITY))
    with trusting.wrap_socket(sources.connect(source), server_hostname="localhost") as host:
        ask(host)
    assert known == [source]


def test_no_port_makes_a_stranger_a_host(sources: Sources, source: Source, door: Any) -> None:
    """A relay has no port that somebody could have before it, after it or at the same time."""
    address, known = door
    with sources.connect(source) as inside:
        assert inside.family == socket.AF_UNIX
        assert inside.getsockname() == inside.getpeername() == ""
        with socket.create_connection(address) as stranger:
            ask(stranger)
    assert known == [None]


def test_without_a_front_door_nobody_is_answered(sources: Sources, source: Source) -> None:
    with pytest.raises(ConnectionRefusedError, match="nobody answers"):
        sources.connect(source)

    def no_thread(_connection: socket.socket, _source: Source) -> None:
        raise RuntimeError("can't start new thread")

    sources.take = no_thread
    with pytest.raises(ConnectionRefusedError, match="thread"):
        sources.connect(source)
    sources.close()
    with pytest.raises(ConnectionRefusedError, match="nobody answers"):
        sources.connect(source)


def test_who_is_gone_before_it_is_answered_was_known(tmp_path: Path, sources: Sources, source: Source) -> None:
    """A host that sends its request and hangs up at once is no less in its VPC."""
    listener, seen, known = socket.create_server((HERE, 0)), threading.Event(), []

    def answer(request: Any) -> Answer:
        known.append(request.source)
        seen.set()
        return Answer(200, [])

    server = Server(listener, answer, Spool(tmp_path, Disk(0)))
    handed = []
    sources.take = lambda connection, of: handed.append((connection, of))
    with sources.connect(source) as host:
        host.sendall(ASKED)
    server.take(*handed[0])
    assert seen.wait(20)
    server.server_close()
    listener.close()
    assert known == [source]


def test_the_internet_is_by_nat_alone(source: Source) -> None:
    permit(None, "192.0.2.1", 443)
    with pytest.raises(Refused, match="no way to the internet: the route table rtb-1 of subnet-0 has no route"):
        permit(source, "192.0.2.1", 443)
    with pytest.raises(Refused, match="IPv6"):
        permit(source, "2001:db8::1", 443)


def test_records_are_read_again_after_a_change() -> None:
    calls: list[str] = []

    class Client:
        def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
            calls.append(name)
            return lambda: {name: [] for name in MEMBERS}

    ec2 = EC2(lambda _: Client())
    first = ec2.records(REGION)
    assert ec2.records(REGION) is first
    ec2.on_change("s3", "bucket")
    assert ec2.records(REGION) is first
    read = len(calls)
    ec2.on_change("ec2", "")
    assert ec2.records(REGION) is not first
    assert len(calls) == 2 * read


MEMBERS = (
    *("Vpcs", "Subnets", "RouteTables", "VpcEndpoints", "NatGateways", "InternetGateways", "NetworkAcls"),
    *("SecurityGroups", "PrefixLists"),
)
