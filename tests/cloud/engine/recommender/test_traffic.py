from __future__ import annotations

from typing import Any

from sagelab.cloud.engine.recommender import traffic
from sagelab.cloud.engine.recommender.traffic import Level


def phases(*given: tuple[int, int, int]) -> dict[str, Any]:
    """given: users at first, how many more a minute, seconds."""
    names = ("InitialNumberOfUsers", "SpawnRate", "DurationInSeconds")
    return {"TrafficType": "PHASES", "Phases": [dict(zip(names, each, strict=True)) for each in given]}


def test_a_phase_gets_a_user_more_as_often_as_it_says() -> None:
    assert traffic.levels(phases((1, 1, 120))) == [Level(1, 60), Level(2, 60)]
    assert traffic.levels(phases((2, 3, 120))) == [Level(2 + n, 20) for n in range(6)]
    assert traffic.levels(phases((1, 1, 150)))[-1] == Level(3, 30)


def test_a_phase_without_new_users_is_one_level() -> None:
    assert traffic.levels(phases((3, 0, 600), (2, 0, 120))) == [Level(3, 600), Level(2, 120)]


def test_the_users_at_the_end_of_a_phase_are_those_that_came() -> None:
    (phase,) = phases((1, 2, 150))["Phases"]
    assert traffic.users_at_end(phase) == 6
    assert traffic.users_at_end(phase | {"SpawnRate": 0}) == 1


def test_stairs_have_so_many_more_on_each_step() -> None:
    stairs = {"DurationInSeconds": 120, "NumberOfSteps": 3, "UsersPerStep": 2}
    pattern = {"TrafficType": "STAIRS", "Stairs": stairs}
    assert traffic.levels(pattern) == [Level(2, 120), Level(4, 120), Level(6, 120)]
    assert (traffic.seconds(pattern), traffic.most_users(pattern)) == (360, 6)


def test_the_length_and_the_users_are_those_of_the_levels() -> None:
    pattern = phases((1, 2, 150), (3, 1, 120))
    found = traffic.levels(pattern)
    assert traffic.seconds(pattern) == sum(level.seconds for level in found) == 270
    assert max(level.users for level in found) <= traffic.most_users(pattern) == 6
    endless = {"DurationInSeconds": 10**9, "NumberOfSteps": 10**9, "UsersPerStep": 3}
    assert traffic.seconds({"TrafficType": "STAIRS", "Stairs": endless}) == 10**18
