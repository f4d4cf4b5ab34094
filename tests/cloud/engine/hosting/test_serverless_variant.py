"""When a serverless variant starts environments, and which it keeps: on a clock of its own, without processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import serverless
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.environment import Environment
from sagelab.cloud.engine.hosting.measures import Measures
from sagelab.cloud.engine.hosting.server import ContainerSpec, Serverless, VariantSpec
from sagelab.cloud.engine.hosting.serverless import MOST, ServerlessVariant, Throttled
from sagelab.cloud.engine.hosting.targets import ModelNotReady
from sagelab.cloud.errors import ClientError
from tests.waiting import until

SPEC = VariantSpec("v1", (ContainerSpec("image", None),), "role", "", 0, 1.0, serverless=Serverless(1024, 2))


class Pretend(Environment):
    """An environment without processes: its start waits for the gate, and fails while it is broken."""

    gate, broken = threading.Event(), False

    def start(self) -> None:
        self.gate.wait()
        if type(self).broken:
            raise ClientError("it is broken")
        self.ready = True

    @property
    def alive(self) -> bool:
        return self.ready

    def die(self) -> None:
        self.ready = False
        self._tell_end()

    def memory(self) -> int:
        return 1 << 29

    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:  # noqa: ARG002 - it answers all alike
        if body == b"die":
            self.die()
            raise ServerUnavailable("it died")
        return Reply(200, {}, self.instance.encode(), 0.0)

    def close(self) -> None:
        self.ready = False


class CloudWatch:
    def put_metric_data(self, **_: Any) -> None:
        """Nobody looks."""


class Time:
    """Epoch seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Trial(ServerlessVariant):
    environment = Pretend

    def say(self, body: bytes = b"") -> str:
        return self.ask(lambda turn: turn.invoke("/invocations", {}, body)).body.decode()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def variant(time: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """One that takes two requests at a time, whose environments start at once."""
    monkeypatch.setattr(Pretend, "gate", threading.Event())
    monkeypatch.setattr(Pretend, "broken", False)
    Pretend.gate.set()
    unused: Any = None
    context = EngineContext(unused, unused, unused, "", "us-east-1", 1, unused, Clock(real=time), unused)
    measures = Measures("endpoint", CloudWatch(), Clock(real=time))
    made = Trial("endpoint", SPEC, context, measures)
    yield made
    made.release()
    measures.close()


def plan(variant: Trial, **changes: Any) -> None:
    variant.spec = replace(variant.spec, serverless=replace(variant.plan, **changes))


def test_a_start_that_takes_too_long_is_found_by_the_next_request(
    variant: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serverless, "PATIENCE", 0.01)
    Pretend.gate.clear()
    for _ in range(2):
        with pytest.raises(ModelNotReady):
            variant.say()
    [started] = variant.servers
    Pretend.gate.set()
    until(lambda: started.ready, bool)
    assert variant.say() == started.instance
    assert variant.servers == [started]


def test_a_start_that_fails_leaves_nothing(variant: Trial) -> None:
    Pretend.broken = True
    with pytest.raises(ServerUnavailable, match="it is broken"):
        variant.say()
    assert variant.servers == []
    Pretend.broken = False
    assert variant.say()


def test_this_machine_runs_so_many_whatever_the_plan_says(variant: Trial) -> None:
    plan(variant, most=200)
    turns = [variant.pick() for _ in range(MOST)]
    assert all(turns)
    with pytest.raises(Throttled):
        variant.pick()


def test_an_environment_waits_five_minutes_of_the_clock(variant: Trial, time: Time) -> None:
    variant.say()
    [kept] = variant.servers
    time.now += serverless.IDLE - 1
    assert variant._outdated() == []
    assert variant._pause() == 1
    time.now += 1
    assert variant._outdated() == [kept]


def test_one_that_dies_is_not_asked_again(variant: Trial) -> None:
    with pytest.raises(ServerUnavailable):
        variant.say(b"die")
    assert variant.servers == []
    first = variant.say()
    variant.servers[0].close()
    assert variant.say() != first


def test_provisioned_ones_come_back_ever_more_slowly(variant: Trial, time: Time) -> None:
    plan(variant, provisioned=1)
    variant.resize(0)
    with pytest.raises(ServerUnavailable):
        variant.say(b"die")
    [again] = until(lambda: [each for each in variant.servers if each.ready], bool)
    Pretend.broken = True
    assert isinstance(again, Pretend)
    again.die()
    waits = []
    for _ in range(7):
        until(lambda: variant._again > time.now, bool)
        waits.append(variant._again - time.now)
        time.now = variant._again
        variant._wake.set()
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_those_that_are_too_many_after_a_change_go(variant: Trial) -> None:
    variant.adjust(provisioned=2)
    assert [each.kept for each in variant.servers] == [True, True]
    variant.adjust(provisioned=1)
    assert len(variant._outdated()) == 1
    turn = variant.pick()
    assert turn
    plan(variant, most=1)
    assert turn.invoke("", {}, b"").body
