"""How many users ask at a time, and for how long: the phases and stairs of a TrafficPattern, as levels.

A user asks again when it has its answer. How long a level lasts is measured on the local cloud's clock.
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-load-test.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MINUTE = 60.0
MOST_USERS = 100  # that one process of this machine lets ask at a time

Pattern = dict[str, Any]


@dataclass(frozen=True)
class Level:
    """So many users for so many seconds of the clock."""

    users: int
    seconds: float


def levels(pattern: Pattern) -> list[Level]:
    """What a TrafficPattern asks for, in order."""
    if pattern["TrafficType"] == "STAIRS":
        stairs = pattern["Stairs"]
        steps = range(1, stairs["NumberOfSteps"] + 1)
        return [Level(step * stairs["UsersPerStep"], float(stairs["DurationInSeconds"])) for step in steps]
    return [level for phase in pattern["Phases"] for level in _of_phase(phase)]


def seconds(pattern: Pattern) -> int:
    """How long it lasts, on the clock."""
    if pattern["TrafficType"] == "STAIRS":
        return int(pattern["Stairs"]["DurationInSeconds"] * pattern["Stairs"]["NumberOfSteps"])
    return sum(phase["DurationInSeconds"] for phase in pattern["Phases"])


def most_users(pattern: Pattern) -> int:
    """How many users there are at the most."""
    if pattern["TrafficType"] == "STAIRS":
        return int(pattern["Stairs"]["UsersPerStep"] * pattern["Stairs"]["NumberOfSteps"])
    return max(users_at_end(phase) for phase in pattern["Phases"])


def users_at_end(phase: Pattern) -> int:
    """How many users there are when a phase ends: SpawnRate is how many come in a minute."""
    return int(phase["InitialNumberOfUsers"] + phase.get("SpawnRate", 0) * phase["DurationInSeconds"] / MINUTE)


def _of_phase(phase: Pattern) -> Iterator[Level]:
    users, rate = phase["InitialNumberOfUsers"], phase.get("SpawnRate", 0)
    left = float(phase["DurationInSeconds"])
    while left > 0:
        lasts = min(left, MINUTE / rate) if rate else left
        yield Level(users, lasts)
        users, left = users + 1, left - lasts
