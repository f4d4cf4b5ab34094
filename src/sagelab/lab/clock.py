"""Faster minutes. Alarms, cooldowns and idle times take minutes, which the local cloud can let pass faster.

On AWS a minute is a minute. Timestamps stay real everywhere; what a clock scales is how long things last.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from sagelab.lab import local

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

MINUTE = 60.0  # seconds, at speed 1
SPEED = re.compile(r"\(([\d.e+]+) times faster\)")


def speed_up(lab: Lab, times: float) -> float:
    """Let the local cloud's minutes pass so many times faster, and say so; returns the real seconds of one."""
    if lab.local:
        local.command("clock", "set", f"{times:g}")
    seconds = minute(lab)
    print(f"A minute lasts {seconds:g} seconds{words(lab)}." if lab.local else "This is AWS: minutes are minutes.")
    return seconds


def set_back(lab: Lab) -> None:
    """Let the local cloud's minutes be minutes again, and say so."""
    if lab.local:
        local.command("clock", "set", "1")
    print("Minutes are minutes.")


def wait(lab: Lab, minutes: float) -> None:
    """Let so many minutes pass in which nothing is asked, and say so."""
    time.sleep(minutes * minute(lab))
    print(f"{minutes:g} minutes have passed{words(lab)}.")


def speed(lab: Lab) -> float:
    """How many times faster minutes pass now; 1 on AWS."""
    found = SPEED.search(local.command("clock", "show")) if lab.local else None
    return float(found[1]) if found else 1.0


def minute(lab: Lab) -> float:
    """The real seconds of a minute."""
    return MINUTE / speed(lab)


def words(lab: Lab) -> str:
    """ " (on a clock 30 times faster)", to stand behind a time that ran on it; empty where minutes are minutes."""
    times = speed(lab)
    return f" (on a clock {times:g} times faster)" if times != 1 else ""
