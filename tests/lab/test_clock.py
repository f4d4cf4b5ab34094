from __future__ import annotations

import dataclasses

import pytest

from sagelab.lab import clock, local
from sagelab.lab.session import Lab

SAYS = {30: "a minute of alarms, cooldowns, schedules and idle times takes 2 s (30 times faster)"}


@pytest.mark.parametrize(("said", "speed"), [(SAYS[30], 30.0), ("a minute of alarms takes a minute", 1.0)])
def test_the_speed_is_read_from_what_the_command_says(
    said: str, speed: float, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "command", lambda *_: said)
    assert clock.speed(lab) == speed
    assert clock.minute(lab) == 60 / speed
    assert clock.words(lab) == (" (on a clock 30 times faster)" if speed == 30 else "")


def test_the_command_itself_says_so(lab: Lab) -> None:
    assert clock.speed(lab) >= 1
    assert "takes" in local.command("clock", "show")


def test_on_aws_minutes_are_minutes(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    there = dataclasses.replace(lab, target="aws")
    assert clock.speed_up(there, 30) == 60
    assert capsys.readouterr().out == "This is AWS: minutes are minutes.\n"


@pytest.mark.usefixtures("lab")
def test_a_refused_command_fails_with_its_words() -> None:
    with pytest.raises(RuntimeError, match=r"sagelab clock set 0 failed: .*a clock's speed is between"):
        local.command("clock", "set", "0")
