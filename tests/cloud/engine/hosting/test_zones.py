"""Zones of availability: servers are spread over them, and one that is lost takes its own with it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from sagelab.cloud import control
from sagelab.cloud.engine.hosting.zones import Placement, Zones, is_zone
from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import Hosting
from tests.cloud.engine.hosting import echo
from tests.cloud.jobs import ROLE
from tests.waiting import until

A, B, C = "eu-west-1a", "eu-west-1b", "eu-west-1c"


@dataclass(eq=False)
class Inhabitant:
    stand: Counter[str]

    def standing(self) -> Counter[str]:
        return self.stand

    def lose(self, zone: str) -> int:
        return self.stand.pop(zone, 0)


def test_servers_stand_in_the_zones_in_turn() -> None:
    place = Placement(Zones(), "eu-west-1")
    assert [place.take() for _ in range(4)] == [A, B, C, A]


def test_server_stands_where_the_fewest_are_that_is_up() -> None:
    zones = Zones(down=[A])
    place = Placement(zones, "eu-west-1", (C, A, B))
    assert [place.take() for _ in range(3)] == [C, B, C]
    place.leave(B)
    zones.regain(A)
    assert [place.take() for _ in range(2)] == [A, B]


def test_there_is_no_place_while_all_are_down() -> None:
    zones = Zones()
    place = Placement(zones, "eu-west-1", (A,))
    zones.lose(A)
    assert place.take() is None
    zones.regain(A)
    assert place.take() == A


def test_lost_zone_takes_its_own_with_it() -> None:
    zones, inhabitants = Zones(), [Inhabitant(Counter({A: 2, B: 1})), Inhabitant(Counter({A: 1, C: 1}))]
    for one in inhabitants:
        zones.join(one)
    assert zones.standing() == {A: 3, B: 1, C: 1}
    assert zones.lose(A) == 3
    assert zones.standing() == {B: 1, C: 1}
    assert zones.down == {A}


def test_zones_have_names() -> None:
    assert is_zone("ap-northeast-1d")
    assert not any(is_zone(name) for name in ("eu-west-1d", "ap-northeast-1b", "eu-west-1", "moon", ""))


@pytest.fixture(scope="module")
def image(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield echo.add(hosting, tmp_path_factory.mktemp("zoned"), "zoned:1")
    OwnImages(hosting.cloud.home.images).remove("zoned:1")


def serve(hosting: Hosting, image: str, zones: tuple[str, ...], count: int) -> str:
    """An endpoint in service whose servers stand in subnets of those zones. Others' servers stand elsewhere."""
    ec2, name = hosting.cloud.client("ec2"), f"zoned-{uuid.uuid4().hex[:8]}"
    wanted = {"availability-zone": list(zones), "default-for-az": ["true"]}  # other tests have VPCs of their own
    filters = [{"Name": key, "Values": values} for key, values in wanted.items()]
    found = ec2.describe_subnets(Filters=filters)["Subnets"]
    subnets = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in found}
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [found[0]["VpcId"]]}])
    group = groups["SecurityGroups"][0]["GroupId"]
    hosting.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": image, "Environment": {"SAYS": "here"}},
        VpcConfig={"Subnets": [subnets[zone] for zone in zones], "SecurityGroupIds": [group]},
    )
    return hosting.serve(hosting.config(name, count=count))


def change(hosting: Hosting, zone: str, up: bool) -> int:
    return int(control.ask(hosting.cloud.home, "SetZone", {"Name": zone, "Up": up})["Lost"])


def state(hosting: Hosting, zone: str) -> str:
    """What EC2 says of a zone."""
    found = hosting.cloud.client("ec2").describe_availability_zones(ZoneNames=[zone])
    return str(found["AvailabilityZones"][0]["State"])


def servers(hosting: Hosting) -> dict[str, int]:
    """How many stand in each zone."""
    found: dict[str, int] = control.ask(hosting.cloud.home, "DescribeZones")["Servers"]
    return found


@pytest.mark.slow
def test_with_two_instances_a_lost_zone_fails_no_request(hosting: Hosting, image: str) -> None:
    name = serve(hosting, image, ("us-east-1e", "us-east-1f"), 2)
    assert (servers(hosting)["us-east-1e"], servers(hosting)["us-east-1f"]) == (1, 1)
    with echo.asking(hosting, name) as heard:
        assert change(hosting, "us-east-1f", up=False) == 1
        try:
            until(lambda: servers(hosting), lambda found: found.get("us-east-1e") == 2)
            assert (state(hosting, "us-east-1f"), state(hosting, "us-east-1e")) == ("unavailable", "available")
        finally:
            change(hosting, "us-east-1f", up=True)
    assert heard.errors == []
    until(lambda: hosting.log(name).count("on ml.c5.large in us-east-1e"), lambda count: count == 2)
    hosting.delete(name)


@pytest.mark.slow
def test_with_one_instance_a_lost_zone_is_an_outage_until_another_server_is_up(
    hosting: Hosting, image: str
) -> None:
    name = serve(hosting, image, ("us-east-1d", "us-east-1c"), 1)
    with echo.asking(hosting, name, clients=1) as heard:
        change(hosting, "us-east-1d", up=False)
        try:
            until(lambda: heard.errors, lambda errors: len(errors) > 0)
            before = len(heard.words)
            until(lambda: len(heard.words), lambda count: count > before)
        finally:
            change(hosting, "us-east-1d", up=True)
    assert "no server of the variant is ready" in heard.errors[-1]
    hosting.delete(name)


@pytest.mark.slow
def test_request_that_a_dying_server_did_not_answer_goes_to_another(hosting: Hosting, image: str) -> None:
    name = serve(hosting, image, ("us-east-1e", "us-east-1f"), 2)
    folder = OwnImages(hosting.cloud.home.images).find(image)
    assert folder
    (folder / "hold").touch()
    with ThreadPoolExecutor(1) as pool:
        try:
            answer = pool.submit(echo.say, hosting, name, b"wait")
            zone = until(lambda: zones_of(hosting, name, "waits"), lambda found: len(found) == 1)[0]
            change(hosting, zone, up=False)
            until(lambda: zones_of(hosting, name, "waits"), lambda found: len(found) == 2)
        finally:
            change(hosting, zone, up=True)
            (folder / "hold").unlink()
        assert answer.result() == "here"
    hosting.delete(name)


def zones_of(hosting: Hosting, name: str, line: str) -> list[str]:
    """Where the servers stood that printed a line."""
    events = hosting.logs.filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["events"]
    heads = {one["logStreamName"]: one["message"] for one in events if "is, here," in one["message"]}
    printed = [one["logStreamName"] for one in events if one["message"] == line]
    return [heads[stream].split(" in ")[1].split()[0] for stream in printed]
