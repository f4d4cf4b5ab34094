from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from sagelab.lab import clock, scaling
from sagelab.lab.scaling import Look

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
HIGH, LOW = (f"TargetTracking-endpoint/e/variant/AllTraffic-{side}-1" for side in scaling.SIDES)


def alarm(name: str, state: str, sign: str = "GreaterThanThreshold") -> dict[str, Any]:
    points = 3 if name == HIGH else 15
    return {
        "AlarmName": name,
        "StateValue": state,
        "ComparisonOperator": sign,
        "Threshold": 120.0,
        "EvaluationPeriods": points,
        "DatapointsToAlarm": points,
        "StateReason": "because",
    }


class Service:
    """What scaling asks of three services, as they answer it."""

    def __init__(self, counts: list[tuple[int, int]]) -> None:
        self.counts = iter(counts)

    def client(self, _: str) -> Service:
        return self

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - AWS's
        now, wanted = next(self.counts)
        variant = {"VariantName": "AllTraffic", "CurrentInstanceCount": now, "DesiredInstanceCount": wanted}
        return {"EndpointName": EndpointName, "ProductionVariants": [variant]}

    def describe_scaling_policies(self, **_: str) -> dict[str, Any]:
        return {"ScalingPolicies": [{"Alarms": [{"AlarmName": HIGH}, {"AlarmName": LOW}]}]}

    def describe_alarms(self, **_: Any) -> dict[str, Any]:
        return {"MetricAlarms": [alarm(LOW, "OK", "LessThanThreshold"), alarm(HIGH, "ALARM")]}

    def get_paginator(self, _: str) -> Service:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        causes = ("minimum capacity was set to 1", f"monitor alarm {HIGH} in state ALARM triggered policy half")
        did = {
            "StartTime": NOON,
            "Description": "Setting desired instance count to 2.",
            "StatusCode": "Successful",
        }
        return [{"ScalingActivities": [{**did, "Cause": cause} for cause in causes]}]

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        assert asked["Period"] == 1
        seconds = {0: 40.0, 1: 30.0, 2: 5.0}
        points = [{"Timestamp": NOON + timedelta(seconds=at), "Sum": count} for at, count in seconds.items()]
        return {"Datapoints": points}


def lab(*counts: tuple[int, int]) -> Any:
    service = Service(list(counts))
    return SimpleNamespace(client=service.client, target="local", local=True)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "speed", lambda _: 30.0)
    monkeypatch.setitem(scaling.PAUSE, "local", 0.0)


def test_alarms_are_told_by_their_side_and_their_rule() -> None:
    table = scaling.alarms(lab(), "e")
    assert list(table["side"]) == ["AlarmHigh", "AlarmLow"]
    assert list(table["state"]) == ["ALARM", "OK"]
    assert list(table["when"]) == ["over 120 in 3 of 3 minutes", "under 120 in 15 of 15 minutes"]


def test_a_variant_is_watched_until_what_one_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    looks = scaling.follow(lab((1, 1), (1, 2), (2, 2), (9, 9)), "e", lambda now: now.instances == 2, minutes=100)
    assert list(looks["instances"]) == [1, 1, 2]
    assert list(looks["wanted"]) == [1, 2, 2]
    assert set(looks["AlarmHigh"]) == {"ALARM"}
    assert "2 instances · AlarmHigh ALARM · AlarmLow OK" in capsys.readouterr().out


def test_watching_ends_with_the_minutes_of_the_clock() -> None:
    assert len(scaling.follow(lab((1, 1), (1, 1)), "e", lambda _: False, minutes=-1)) == 1


def test_a_look_says_what_is_wanted_only_where_it_is_not_there() -> None:
    assert str(Look(0, 3, 1, 2, {"AlarmHigh": "ALARM"})) == "minute 3.0 · 1 instance, 2 wanted · AlarmHigh ALARM"
    assert str(Look(0, 3, 2, 2, {})) == "minute 3.0 · 2 instances"


def test_an_activity_names_the_alarm_by_its_side() -> None:
    table = scaling.activities(lab(), "e")
    assert list(table["cause"]) == ["minimum capacity was set to 1", "AlarmHigh in ALARM: half"]


def test_invocations_are_added_up_to_minutes_of_the_clock() -> None:
    counts = scaling.invocations(lab(), "e", NOON.timestamp())
    assert list(counts["per_instance"]) == [70.0, 5.0]
    assert list(counts["time"] - NOON.timestamp()) == [0.0, 2.0]


def test_equal_states_in_a_row_are_one_span() -> None:
    found = list(scaling.spans([0.0, 1.0, 2.0, 3.0], ["OK", "OK", "ALARM", "OK"]))
    assert found == [("OK", 0.0, 2.0), ("ALARM", 2.0, 3.0), ("OK", 3.0, 3.0)]


def test_the_picture_has_load_alarms_and_instances_on_one_axis() -> None:
    begin = NOON.timestamp()
    rows = [(begin + at, at / 2, *each) for at, each in enumerate([(1, 1), (1, 2), (2, 2), (1, 1)])]
    looks = pd.DataFrame(rows, columns=["time", "minute", "instances", "wanted"])
    looks = looks.assign(AlarmHigh=["INSUFFICIENT_DATA", "ALARM", "OK", "OK"], AlarmLow="OK")
    counts = pd.DataFrame({"time": [begin], "per_instance": [150.0]})
    did = pd.DataFrame({"begun": [NOON], "did": ["Setting desired instance count to 2."]})
    figure: Any = scaling.show(lab(), looks, counts, did, 120)
    assert "from 1 to 2 and then 1 instances, target 120 a minute" in figure.alt
    came, states, servers = figure.axes
    assert servers.get_xlabel() == "minutes (on a clock 30 times faster)"
    assert [text.get_text() for text in servers.texts] == ["to 2"]
    assert [label.get_text() for label in states.get_yticklabels()] == ["AlarmHigh", "AlarmLow"]
    assert came.get_shared_x_axes().joined(came, servers)
    figure.savefig(io.BytesIO(), format="png")
