"""The scaler: what it asks of SageMaker, what it waits for, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.scaling.records import OWN
from sagelab.cloud.store import Document
from tests.cloud.engine.scaling.stage import ARN, ENDPOINT, REGION, Stage, alarm, target, tracks
from tests.waiting import until

A = tracks("a")
HIGH = alarm("a-high", 250)
CAUSE = "monitor alarm a-high in state ALARM triggered policy a"

Make = Callable[..., Stage]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Stage] = []

    def act(count: int = 1, *policies: Document, **bounds: Any) -> Stage:
        made.append(Stage(tmp_path, count, target(**bounds), *(policies or (A,))))
        return made[-1]

    yield act
    for stage in made:
        stage.close()


def facts(activity: Document, *names: str) -> list[Any]:
    return [activity[name] for name in names]


def test_an_alarm_adds_servers_and_the_activity_says_why(make: Make) -> None:
    stage = make()
    stage.hear(A, HIGH)
    (found,) = stage.activities
    assert (stage.asked, stage.count) == ([3], 3)
    assert facts(found, "Description", "Cause") == ["Setting desired instance count to 3.", CAUSE]
    assert facts(found, "StatusCode", "StatusMessage") == [
        "Successful",
        "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker.",
    ]
    assert found["StartTime"] <= found["EndTime"]
    assert not stage.events


def test_without_data_nothing_scales(make: Make) -> None:
    stage = make(5)
    stage.hear(A, alarm("a-high", state="INSUFFICIENT_DATA"))
    stage.hear(A, alarm("a-low", state="INSUFFICIENT_DATA", below=True))
    assert (stage.asked, stage.activities) == ([], [])


def test_an_alarm_that_is_over_changes_nothing(make: Make) -> None:
    stage = make()
    stage.hear(A, alarm("a-high", 50, state="OK"))
    assert stage.activities == []


def test_the_largest_capacity_is_told_to_event_bridge(make: Make) -> None:
    stage = make(most=2)
    stage.hear(A, HIGH)
    (event,) = stage.events
    assert event["source"] == "aws.application-autoscaling"
    assert event["detail-type"] == "Application Auto Scaling Scaling Activity State Change"
    detail = {"oldDesiredCapacity": 1, "newDesiredCapacity": 2, "maxCapacity": 2, "scaledToMax": True}
    assert event["detail"] | detail | {"direction": "scale-out"} == event["detail"]


def test_an_activity_waits_while_the_endpoint_is_updated(make: Make) -> None:
    stage = make()
    stage.move("Updating")
    stage.scaler.on_alarm(A["PolicyARN"], HIGH, "ALARM")
    until(lambda: stage.activities, lambda found: bool(found) and found[0]["StatusCode"] == "Pending")
    assert stage.asked == []
    stage.move("InService")
    stage.settle()
    assert (stage.asked, stage.activities[0]["StatusCode"]) == ([3], "Successful")


def test_while_it_is_fulfilled_an_activity_is_in_progress_and_a_repeated_alarm_adds_nothing(make: Make) -> None:
    stage = make()
    stage.hold.clear()
    stage.scaler.on_alarm(A["PolicyARN"], HIGH, "ALARM")
    waiting = "Successfully set desired instance count to 3. Waiting for change to be fulfilled by sagemaker."
    until(lambda: stage.activities, lambda found: bool(found) and found[0].get("StatusMessage") == waiting)
    assert stage.activities[0]["StatusCode"] == "InProgress"
    stage.scaler.on_alarm(A["PolicyARN"], HIGH, "ALARM")
    stage.hold.set()
    stage.settle()
    assert stage.asked == [3]


def test_what_sagemaker_refuses_has_failed(make: Make) -> None:
    stage = make()
    stage.refuse = "The account-level service limit is 2 Instances."
    stage.hear(A, HIGH)
    (found,) = stage.activities
    assert facts(found, "StatusCode", "StatusMessage") == [
        "Failed",
        f"Failed to set desired instance count to 3. Reason: {stage.refuse}",
    ]
    stage.refuse = ""
    stage.hear(A, HIGH)
    assert stage.count == 3  # what failed began no cooldown


def test_servers_that_did_not_come_leave_it_unfulfilled(make: Make) -> None:
    stage = make()
    stage.lost = 1
    stage.hear(A, HIGH)
    assert stage.activities[0]["StatusCode"] == "Unfulfilled"


def test_a_change_by_hand_overrides_what_waits(make: Make) -> None:
    stage = make()
    stage.move("Updating")
    stage.scaler.on_alarm(A["PolicyARN"], HIGH, "ALARM")
    until(lambda: stage.activities, bool)
    stage.move("InService", 5)
    stage.settle()
    assert (stage.activities[0]["StatusCode"], stage.asked) == ("Overridden", [])


def test_an_endpoint_that_goes_ends_what_waits(make: Make) -> None:
    stage = make()
    stage.move("Updating")
    stage.scaler.on_alarm(A["PolicyARN"], HIGH, "ALARM")
    until(lambda: stage.activities, bool)
    stage.store.remove(ENDPOINT)
    stage.settle()
    assert stage.activities[0]["StatusCode"] == "Failed"


@pytest.mark.parametrize(("count", "least", "most", "desired"), [(1, 3, 5, 3), (9, 3, 5, 5), (4, 3, 5, None)])
def test_bounds_hold_at_once(make: Make, count: int, least: int, most: int, desired: int | None) -> None:
    stage = make(count, least=least, most=most)
    stage.scaler.hold(ARN)
    stage.settle()
    assert stage.asked == ([] if desired is None else [desired])
    word = "minimum" if count < least else "maximum"
    assert [one["Cause"] for one in stage.activities] == [
        f"{word} capacity was set to {one}" for one in stage.asked
    ]


def test_what_is_not_scaled_is_told_once(make: Make) -> None:
    stage = make(10)
    for _ in range(3):
        stage.hear(A, HIGH)
    (found,) = stage.activities
    assert found["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 10}]
    assert facts(found, "Description", "StatusCode") == ["Attempting to scale due to alarm triggered", "Failed"]


@pytest.mark.parametrize(("reached", "status"), [(3, "Successful"), (1, "Failed")])
def test_what_was_under_way_at_a_kill_is_told_as_it_ended(make: Make, reached: int, status: str) -> None:
    stage = make()
    stage.hold.clear()
    stage.scaler.on_alarm(A["PolicyARN"], HIGH, "ALARM")
    until(lambda: stage.asked, bool)
    stage.scaler.close()
    assert stage.activities[0]["StatusCode"] in ("Pending", "InProgress")
    stage.scaler = stage.start()
    stage.scaler.recover()
    stage.move("InService", reached)
    stage.settle()
    (found,) = stage.activities
    assert found["StatusCode"] == status
    assert ("The local cloud ended" in found["StatusMessage"]) == (status == "Failed")


def test_bounds_that_a_kill_cut_off_are_held_after_it(make: Make) -> None:
    stage = make(least=3)
    stage.move("Updating")
    stage.scaler.hold(ARN)
    until(lambda: stage.activities, bool)
    stage.scaler.close()
    stage.scaler = stage.start()
    stage.scaler.recover()
    stage.move("InService")
    stage.settle()
    assert (stage.asked, [one["StatusCode"] for one in stage.activities]) == ([3], ["Successful", "Failed"])


def test_activities_are_kept_for_six_weeks_of_the_clock(make: Make) -> None:
    stage = make()
    stage.hear(A, HIGH)
    stage.wall[0] = stage.activities[0]["StartTime"].timestamp() + 41 * 86400
    assert len(stage.scaler.activities.all(REGION)) == 1
    stage.wall[0] += 2 * 86400
    assert stage.scaler.activities.all(REGION) == []


def test_another_policys_alarm_counts_with_the_datapoints_that_it_called_with_last(make: Make) -> None:
    other = tracks("b", 10.0)
    stage = make(6, A, other)
    stage.alarms["b-low"] = alarm("b-low", 9, below=True)
    stage.scaler.on_alarm(other["PolicyARN"], alarm("b-low", 9, 4, below=True), "ALARM")
    stage.settle()
    stage.hear(A, alarm("a-low", 10, below=True))
    assert stage.asked == [3]


def test_a_target_that_is_gone_scales_no_more(make: Make) -> None:
    stage = make()
    stage.store.remove(ARN)
    stage.hear(A, HIGH)
    assert stage.asked == []
    assert stage.store.get(A["PolicyARN"])[OWN]["Target"] == ARN
