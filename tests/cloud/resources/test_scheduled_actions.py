"""Scheduled actions: what they may say, and what they do when they are due, by a clock that is put on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagelab.cloud.clock import Clock
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.scaling import records
from sagelab.cloud.errors import ServiceError
from sagelab.cloud.home import Home
from sagelab.cloud.resources.call import Call
from sagelab.cloud.resources.scalable_targets import ScalableTargets
from sagelab.cloud.resources.scheduled_actions import ScheduledActions
from sagelab.cloud.store import Document, Resource, Store
from tests.cloud.engine.scaling.stage import ARN, NAMED, REGION, target

BOUNDS = {"MinCapacity": 2, "MaxCapacity": 6}
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)  # a Monday


class Actions:
    """The families, without a front door, on a clock that stands; the target has no endpoint."""

    def __init__(self, home: Home) -> None:
        self.wall = NOON.timestamp()
        store = Store(home.database)
        self.cloud = Cloud(home, store, Launcher(home), "http://127.0.0.1:1", REGION)
        self.cloud.clock = Clock(real=lambda: self.wall)
        self.targets = ScalableTargets(self.cloud)
        self.family = ScheduledActions(self.cloud, self.targets)
        self.family._wake = lambda: None  # type: ignore[method-assign] # the test looks itself
        store.add(Resource(ARN, records.TARGET, REGION, records.id_of(ARN), "", target(1, 4)))

    def put(self, schedule: str | None = None, name: str = "act", **more: Any) -> None:
        asked = NAMED | {"ScheduledActionName": name} | ({"Schedule": schedule} if schedule else {}) | more
        self.family.put(
            Call("PutScheduledAction", {"ScalableTargetAction": BOUNDS} | asked, REGION, "000000000000", "me")
        )

    def due(self) -> float | None:
        """When the next of all actions is due."""
        found = [timed.after(self.wall) for timed in self.family._look()]
        return min((time for time in found if time is not None), default=None)

    def fire(self) -> None:
        """Do what is due next."""
        for timed in self.family._look():
            if (due := timed.after(self.wall)) is not None:
                self.wall = due
                timed.fire(due)

    @property
    def target(self) -> Document:
        return self.cloud.store.get(ARN)

    @property
    def activities(self) -> list[Document]:
        return self.targets.scaler.activities.all(REGION)


@pytest.fixture
def actions(home: Home) -> Iterator[Actions]:
    made = Actions(home)
    yield made
    made.family.close()
    made.targets.close()
    made.cloud.store.close()


def refused(act: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    with pytest.raises(ServiceError) as error:
        act(*arguments, **named)
    return error.value.message


@pytest.mark.parametrize(
    ("schedule", "zone", "due"),
    [
        ("at(2026-11-30T18:00:00)", None, datetime(2026, 11, 30, 18, tzinfo=UTC)),
        ("at(2026-11-30T18:00:00)", "Europe/Berlin", datetime(2026, 11, 30, 17, tzinfo=UTC)),
        ("cron(0 8 ? * MON-FRI *)", "America/New_York", datetime(2026, 11, 30, 13, tzinfo=UTC)),
        ("rate(5 minutes)", None, NOON + timedelta(minutes=5)),
    ],
)
def test_an_action_is_due_by_its_schedule_in_its_time_zone(
    actions: Actions, schedule: str, zone: str | None, due: datetime
) -> None:
    actions.put(schedule, **({"Timezone": zone} if zone else {}))
    assert actions.due() == due.timestamp()


def test_an_action_sets_the_bounds_and_says_so(actions: Actions) -> None:
    actions.put("at(2026-11-30T18:00:00)")
    actions.fire()
    assert (actions.target["MinCapacity"], actions.target["MaxCapacity"]) == (2, 6)
    (found,) = actions.activities
    assert found["Description"] == "Setting min capacity to 2 and max capacity to 6"
    assert found["Cause"] == "scheduled action name act was triggered"
    assert found["StatusMessage"] == "Successfully set min capacity to 2 and max capacity to 6"
    assert actions.due() is None


def test_one_bound_stays_as_it_was(actions: Actions) -> None:
    actions.put("at(2026-11-30T18:00:00)", ScalableTargetAction={"MaxCapacity": 3})
    actions.fire()
    assert (actions.target["MinCapacity"], actions.target["MaxCapacity"]) == (1, 3)
    assert actions.activities[0]["Description"] == "Setting max capacity to 3"


def test_bounds_that_do_not_go_together_are_not_set(actions: Actions) -> None:
    actions.put("at(2026-11-30T18:00:00)", ScalableTargetAction={"MinCapacity": 5})
    actions.fire()
    assert actions.target["MinCapacity"] == 1
    assert actions.activities[0]["StatusCode"] == "Failed"


def test_what_is_suspended_is_not_done(actions: Actions) -> None:
    actions.put("rate(1 minute)")
    suspended = dict.fromkeys(target()["SuspendedState"], False) | {"ScheduledScalingSuspended": True}

    def edit(document: Document) -> None:
        document["SuspendedState"] = suspended

    actions.cloud.store.change(ARN, edit)
    actions.fire()
    assert (actions.activities, actions.target["MinCapacity"]) == ([], 1)


def test_a_recurring_action_goes_on_between_its_start_and_its_end(actions: Actions) -> None:
    start, end = NOON + timedelta(hours=1), NOON + timedelta(hours=1, minutes=12)
    actions.put("rate(5 minutes)", StartTime=start, EndTime=end)
    times = []
    while (due := actions.due()) is not None:
        times.append(due - start.timestamp())
        actions.wall = due
    assert times == [300, 600]


def test_on_a_faster_clock_it_is_due_sooner(actions: Actions) -> None:
    actions.put("rate(5 minutes)")
    actions.cloud.clock.set(60)
    actions.wall += 4
    due = actions.family._look().__next__().after(actions.cloud.clock.now())
    assert due is not None
    assert due - actions.cloud.clock.now() == 60


def test_an_update_keeps_what_it_does_not_name_but_for_start_and_end(actions: Actions) -> None:
    actions.put("rate(5 minutes)", EndTime=NOON + timedelta(days=1), Timezone="Europe/Berlin")
    actions.put(ScalableTargetAction={"MaxCapacity": 9})
    call = Call("DescribeScheduledActions", {"ServiceNamespace": "sagemaker"}, REGION, "000000000000", "me")
    (found,) = actions.family.describe(call)["ScheduledActions"]
    assert (found["Schedule"], found["Timezone"]) == ("rate(5 minutes)", "Europe/Berlin")
    assert found["ScalableTargetAction"] == {"MaxCapacity": 9}
    assert "EndTime" not in found
    assert "Own" not in found


@pytest.mark.parametrize(
    ("schedule", "more", "words"),
    [
        (None, {}, "Schedule is required"),
        ("rate(5 minutes)", {"ScalableTargetAction": {}}, "At least one of minimum capacity and maximum capacity"),
        ("rate(5 minutes)", {"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "cannot be less than"),
        ("rate(5 seconds)", {}, "Invalid Schedule Expression"),
        ("cron(0 8 * * * *)", {}, "Invalid Schedule Expression"),
        ("at(2026-11-30T11:00:00)", {}, "in the past"),
        ("rate(5 minutes)", {"Timezone": "Mars/Olympus"}, "Invalid time zone"),
        ("rate(5 minutes)", {"EndTime": NOON - timedelta(1)}, "end time"),
    ],
)
def test_an_action_that_is_none_is_refused(
    actions: Actions, schedule: str | None, more: dict[str, Any], words: str
) -> None:
    assert words in refused(actions.put, schedule, **more)


def test_a_deleted_action_is_gone_and_so_is_one_of_a_target_that_is(actions: Actions) -> None:
    actions.put("rate(5 minutes)")
    call = Call("", NAMED | {"ScheduledActionName": "act"}, REGION, "000000000000", "me")
    actions.family.delete(call)
    assert actions.due() is None
    assert refused(actions.family.delete, call).endswith("scheduled action name: act")
    actions.put("rate(5 minutes)")
    actions.targets.forget(ARN)
    assert actions.due() is None
    assert "No scalable target registered" in refused(actions.put, "rate(5 minutes)")
