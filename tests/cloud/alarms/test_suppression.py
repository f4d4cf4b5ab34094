from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.alarms.suppression import hold, look
from sagelab.cloud.clock import Clock

ALARM: dict[str, Any] = {
    "ActionsSuppressor": "s",
    "ActionsSuppressorWaitPeriod": 120,
    "ActionsSuppressorExtensionPeriod": 60,
}
BEFORE = {"StateValue": "OK", "StateReason": "r", "AlarmName": "a"}


class Stage:
    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock((), lambda: self.now)

    def by(self, document: dict[str, Any], state: str | None) -> tuple[dict[str, Any], str | None]:
        """The alarm after a look, and by what its actions wait; None: they are due."""
        found = look(document, state, self.clock)
        after = document if found is None else {**ALARM, **found}
        return after, after.get("ActionsSuppressedBy")


def test_actions_wait_for_the_suppressor_as_long_as_it_lasts_and_a_little_longer() -> None:
    stage = Stage()
    held = ALARM | hold(ALARM, BEFORE, "OK", stage.now)
    assert held["Held"]["Before"] == {"StateValue": "OK", "StateReason": "r"}
    seen = []
    for seconds, state in ((60, "OK"), (30, "ALARM"), (500, "ALARM"), (10, "OK"), (59, "OK"), (2, "OK")):
        stage.now += seconds
        held, by = stage.by(held, state)
        seen.append(by)
    assert seen == ["WaitPeriod", "Alarm", "Alarm", "ExtensionPeriod", "ExtensionPeriod", None]


def test_actions_are_due_when_the_suppressor_does_not_come() -> None:
    stage = Stage()
    held = ALARM | hold(ALARM, BEFORE, None, stage.now)
    stage.now += 120
    assert stage.by(held, "INSUFFICIENT_DATA")[1] is None


@pytest.mark.parametrize(
    ("changes", "state", "by"),
    [
        ({}, "ALARM", "Alarm"),
        ({"ActionsSuppressorWaitPeriod": 0}, "OK", None),
        ({"ActionsSuppressor": ""}, None, None),
    ],
)
def test_what_begins_to_wait(changes: dict[str, Any], state: str | None, by: str | None) -> None:
    assert hold(ALARM | changes, BEFORE, state, 0.0).get("ActionsSuppressedBy") == by
