"""Plans of updates: which fleet has which share of the requests, when, and what an alarm does to it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.hosting import chain
from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.hosting.fleet import Fleet, FleetSpec, draw
from sagelab.cloud.engine.hosting.server import ContainerSpec, VariantSpec
from sagelab.cloud.engine.hosting.shifting import Plan, RollbackFailed, RolledBack, Watch
from sagelab.cloud.engine.hosting.zones import Zones
from sagelab.cloud.errors import ClientError, JobError

OLD, NEW = "old", "new"
THIRDS = (1 / 3, 2 / 3, 1.0)


@dataclass(eq=False)
class Stand:
    """A server that does nothing. A lack of servers is a limit of how many start in all."""

    spec: VariantSpec
    room: list[int]
    ready: bool = True
    busy: int = 0

    def start(self) -> None:
        if not self.room[0]:
            raise ClientError("no room")
        self.room[0] -= 1

    def close(self) -> None:
        self.ready = False

    def processes(self) -> dict[str, list[int]]:
        return {}


class Ticking(Clock):
    """A clock whose waits take no time, for the thread that made it; others wait as ever."""

    def __init__(self) -> None:
        self.wall, self.own = 1000.0, threading.get_ident()
        super().__init__(real=lambda: self.wall)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if threading.get_ident() != self.own:
            return event.wait(seconds)
        self.wall += seconds / self.speed
        return event.is_set()


@dataclass
class Scene:
    """An endpoint whose old fleet has three servers. states: of alarms. seen: (stage, share, old, new servers)."""

    clock: Ticking = field(default_factory=Ticking)
    room: list[int] = field(default_factory=lambda: [100])
    states: dict[str, str] = field(default_factory=lambda: {"errors": "OK"})
    seen: list[tuple[str, float, int, int]] = field(default_factory=list)
    fires: tuple[str, float] = ("", 0.0)  # with this stage, at this share, the alarm is on

    def __post_init__(self) -> None:
        cloudwatch = SimpleNamespace(put_metric_data=lambda **_: None)
        context: Any = SimpleNamespace(
            clock=self.clock, zones=Zones(), region="eu-west-1", memory=1, client=lambda _: cloudwatch
        )
        self.endpoint = Endpoint("e", context)
        self.endpoint.deploy(wanted(OLD))
        assert self.endpoint.fleet
        self.old = self.endpoint.fleet

    def deploy(self, **plan: Any) -> None:
        self.endpoint.deploy(wanted(NEW), Plan(**plan), Watch(self.states.get, self.tell))

    def tell(self, stage: str, new: Fleet, share: float) -> None:
        self.seen.append((stage, round(share, 3), count(self.old), count(new)))
        if (stage, round(share, 3)) == self.fires:
            self.states["errors"] = "ALARM"

    @property
    def serving(self) -> list[tuple[str, float, int]]:
        """(configuration, share, servers) of the fleets that serve."""
        return [(one.config, round(share, 3), count(one)) for one, share in self.endpoint.traffic]

    @property
    def baked(self) -> list[tuple[float, int, int]]:
        return [seen[1:] for seen in self.seen if seen[0] == "Baking"]


def wanted(config: str) -> FleetSpec:
    return FleetSpec(config, [VariantSpec("v", (ContainerSpec("image", None),), "role", "ml.c5.large", 3, 1.0)])


def count(fleet: Fleet) -> int:
    return sum(len(variant.servers) for variant in fleet.all)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    room = [100]
    monkeypatch.setattr(chain, "make", lambda _, spec, __: Stand(spec, room))
    made = Scene(room=room)
    yield made
    made.endpoint.close()


def test_canary_takes_its_share_and_then_all(scene: Scene) -> None:
    scene.deploy(steps=(0.25, 1.0), bake=300.0, stay=120.0, alarms=("errors",))
    assert scene.baked == [(0.25, 3, 3), (1.0, 3, 3)]
    assert scene.serving == [(NEW, 1.0, 3)]
    assert count(scene.old) == 0
    assert scene.clock.wall - 1000 == pytest.approx(720)


def test_waits_are_the_clocks(scene: Scene) -> None:
    scene.clock.set(60)
    scene.deploy(steps=(0.5, 1.0), bake=300.0, stay=0.0)
    assert scene.clock.wall - 1000 == pytest.approx(10)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_alarm_that_fires_leaves_all_to_the_fleet_that_never_stopped(scene: Scene, share: float) -> None:
    before, scene.fires = list(scene.old.variants["v"].servers), ("Baking", share)
    with pytest.raises(RolledBack, match="in state ALARM is the alarm errors"):
        scene.deploy(steps=(0.25, 1.0), bake=300.0, alarms=("errors",))
    assert scene.serving == [(OLD, 1.0, 3)]
    assert scene.old.variants["v"].servers == before
    assert all(server.ready for server in before)


def test_alarm_that_is_on_before_lets_no_request_go_over(scene: Scene) -> None:
    scene.states = {"errors": "ALARM", "latency": "ALARM"}
    with pytest.raises(RolledBack, match="are the alarms errors, latency"):
        scene.deploy(steps=(0.25, 1.0), alarms=("errors", "latency"))
    assert [stage for stage, *_ in scene.seen] == ["Creating"]
    assert scene.serving == [(OLD, 1.0, 3)]


def test_alarm_without_data_stops_nothing_and_one_that_is_gone_does(scene: Scene) -> None:
    scene.states = {"errors": "INSUFFICIENT_DATA"}
    scene.deploy(bake=1.0, alarms=("errors",))
    assert scene.serving == [(NEW, 1.0, 3)]
    with pytest.raises(RolledBack, match="no longer there"):
        scene.deploy(alarms=("gone",))


def test_plan_that_takes_too_long_is_taken_back(scene: Scene) -> None:
    scene.clock.set(30)
    with pytest.raises(RolledBack, match=r"600 \(on a clock 30 times faster\)"):
        scene.deploy(steps=(0.25, 0.5, 0.75, 1.0), bake=250.0, limit=600.0)
    assert scene.baked[-1][0] == 0.75
    assert scene.serving == [(OLD, 1.0, 3)]


def test_servers_that_do_not_come_up_change_nothing(scene: Scene) -> None:
    scene.room[0] = 2
    with pytest.raises(JobError, match="no room"):
        scene.deploy(steps=(0.25, 1.0))
    assert scene.serving == [(OLD, 1.0, 3)]


def test_rolling_replaces_servers_batch_by_batch(scene: Scene) -> None:
    scene.deploy(steps=THIRDS, bake=60.0, rolling=True, alarms=("errors",))
    assert scene.baked == [(0.333, 3, 1), (0.667, 2, 2), (1.0, 1, 3)]
    assert scene.serving == [(NEW, 1.0, 3)]


@pytest.mark.parametrize("back", [1.0, 1 / 3])
def test_rolling_that_is_taken_back_has_all_old_servers_again(scene: Scene, back: float) -> None:
    scene.fires = ("Baking", 0.667)
    with pytest.raises(RolledBack):
        scene.deploy(steps=THIRDS, bake=60.0, rolling=True, back=back, alarms=("errors",))
    assert scene.serving == [(OLD, 1.0, 3)]


def test_rolling_that_cannot_be_taken_back_leaves_both_serving(scene: Scene) -> None:
    scene.fires, scene.room[0] = ("Baking", 0.667), 2
    with pytest.raises(RollbackFailed, match="The rollback failed: ClientError: no room"):
        scene.deploy(steps=THIRDS, bake=60.0, rolling=True, alarms=("errors",))
    assert scene.serving == [(OLD, 0.333, 2), (NEW, 0.667, 2)]
    scene.room[0] = 100
    scene.endpoint.deploy(wanted("third"), Plan(steps=(0.5, 1.0)))
    assert scene.serving == [("third", 1.0, 3)]


def test_requests_are_drawn_by_the_shares(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    new: Any = SimpleNamespace(config=NEW)
    traffic = ((scene.old, 0.7), (new, 0.3))
    drawn = iter([0.0, 0.69, 0.71, 0.999])
    monkeypatch.setattr(random, "random", lambda: next(drawn))
    assert [draw(traffic).config for _ in range(4)] == [OLD, OLD, NEW, NEW]
