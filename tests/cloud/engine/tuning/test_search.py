from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.engine.tuning.search import Strategy, make_search
from sagelab.cloud.engine.tuning.space import Space, Values, read_space

ITEM = {"MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}
PLANE = read_space({"ContinuousParameterRanges": [{"Name": name, **ITEM} for name in ("a", "b")]})
KINDS = read_space(
    {
        "CategoricalParameterRanges": [
            {"Name": "k", "Values": ["x", "y", "z"]},
            {"Name": "l", "Values": ["1", "2"]},
        ]
    }
)


def bowl(values: Values) -> float:
    return (float(values["a"]) - 0.7) ** 2 + (float(values["b"]) - 0.2) ** 2


def run(name: str, space: Space, function: Callable[[Values], float], count: int, seed: int = 1) -> list[float]:
    """The values of so many trials, one after another."""
    search, found = make_search(space, Strategy(name, maximize=False, seed=seed)), []
    for number in range(count):
        values = search.ask()
        assert values is not None
        found.append(function(values))
        search.tell(number, found[-1])
    return found


@pytest.mark.parametrize("name", ["Bayesian", "Random"])
def test_a_seed_makes_a_search_repeatable(name: str) -> None:
    first, again, other = (run(name, PLANE, bowl, 12, seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_bayesian_learns_where_random_does_not() -> None:
    best = {
        name: statistics.median(min(run(name, PLANE, bowl, 25, seed)) for seed in range(8))
        for name in ("Bayesian", "Random")
    }
    assert best["Bayesian"] < best["Random"]


@pytest.mark.parametrize("name", ["Bayesian", "Random", "Grid"])
def test_no_combination_is_tried_twice_and_all_are_found(name: str) -> None:
    search = make_search(KINDS, Strategy(name, maximize=True, seed=3))
    found: list[tuple[Any, ...]] = []
    while (values := search.ask()) is not None:
        search.tell(len(found), 1.0)
        found.append(tuple(values.values()))
    assert len(found) == len(set(found)) == 6


@pytest.mark.parametrize("name", ["Bayesian", "Random", "Grid"])
def test_a_search_that_is_taken_up_again_goes_on_as_it_would(name: str) -> None:
    strategy = Strategy(name, maximize=False, seed=5)
    whole, begun = make_search(KINDS, strategy), make_search(KINDS, strategy)
    asked = []
    for number in range(3):
        values = whole.ask()
        assert values is not None
        asked.append(values)
        whole.tell(number, float(number))
    for number, values in enumerate(asked):
        begun.restore(values)
        begun.tell(number, float(number))
    assert begun.ask() == whole.ask()


def test_trials_without_a_value_do_not_disturb_the_search() -> None:
    search = make_search(PLANE, Strategy("Bayesian", maximize=True, seed=1, parallel=2))
    for number in range(8):
        assert search.ask() is not None
        search.tell(number, None if number % 2 else 1.0)
    assert search.ask() is not None


def test_hyperband_gives_up_what_lags_behind_and_lets_the_best_go_on() -> None:
    search = make_search(PLANE, Strategy("Hyperband", maximize=True, seed=1, resources=(1, 27)))
    steps = []
    for number in range(60):
        assert search.ask() is not None
        value = (number * 7 % 60) / 60
        steps.append(next((step for step in range(1, 27) if search.lags(number, step, value)), 27))
        search.tell(number, value)
    assert sum(steps) <= 60 * 27 / 2
    best = max(range(60), key=lambda number: number * 7 % 60)
    assert steps[best] == 27
    assert {1, 27} <= set(steps) <= {1, 3, 9, 27}


def test_hyperband_leaves_a_trial_alone_at_its_last_step() -> None:
    search = make_search(PLANE, Strategy("Hyperband", maximize=True, seed=1, resources=(1, 3)))
    for number in range(9):
        search.ask()
        assert not search.lags(number, 3, -float(number))


def test_other_strategies_give_nothing_up() -> None:
    for name in ("Bayesian", "Random", "Grid"):
        search = make_search(KINDS, Strategy(name, maximize=True, seed=1))
        search.ask()
        assert not search.lags(0, 1, float("-inf"))


def test_what_is_learnt_of_another_search_is_not_tried_again() -> None:
    search = make_search(KINDS, Strategy("Bayesian", maximize=True, seed=1))
    for kind in ("x", "y"):
        for number in ("1", "2"):
            search.learn({"k": kind, "l": number, "static": "?"}, 0.5)
    search.learn({"k": "not of this space", "l": "1"}, 9.0)
    found = [search.ask(), search.ask(), search.ask()]
    assert [values["k"] for values in found if values] == ["z", "z"]


def test_what_is_suggested_is_tried_first() -> None:
    search = make_search(KINDS, Strategy("Random", maximize=True, seed=1))
    search.suggest({"k": "z", "l": "2", "static": "?"})
    search.suggest({"k": "none", "l": "2"})
    assert search.ask() == {"k": "z", "l": "2"}
    assert search.ask() != {"k": "z", "l": "2"}
