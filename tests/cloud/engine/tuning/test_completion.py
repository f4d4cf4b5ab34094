from __future__ import annotations

import pytest

from sagelab.cloud.engine.tuning.completion import CONVERGED, Criteria, Progress
from sagelab.cloud.engine.tuning.trials import Objective

UP, DOWN = Objective("acc", maximize=True), Objective("loss", maximize=False)


def progress(objective: Objective, criteria: Criteria, *values: float) -> Progress:
    found = Progress(objective, criteria)
    for value in values:
        found.take(value)
    return found


@pytest.mark.parametrize(
    ("objective", "values", "enough"),
    [
        (UP, (0.8,), False),
        (UP, (0.9,), True),
        (UP, (0.95, 0.1), True),
        (DOWN, (0.95,), False),
        (DOWN, (0.5,), True),
    ],
)
def test_a_target_that_is_reached_is_enough(objective: Objective, values: tuple[float, ...], enough: bool) -> None:
    assert progress(objective, Criteria(target=0.9), *values).enough is enough


def test_less_than_one_percent_is_no_improvement() -> None:
    found = progress(UP, Criteria(timeout=3), 0.9, 0.905, 0.85)
    assert found.not_improving == 2
    assert found.best == 0.905
    assert not found.enough
    found.take(0.906)
    assert found.enough


def test_an_improvement_starts_the_count_again() -> None:
    assert progress(UP, Criteria(), 0.5, 0.4, 0.6).not_improving == 0
    assert progress(DOWN, Criteria(), 0.5, 0.6, 0.4).not_improving == 0
    assert progress(DOWN, Criteria(), -0.5, -0.501).not_improving == 1


def test_convergence_is_told_and_ends_only_where_asked() -> None:
    values = [0.9] * (CONVERGED + 1)
    told = progress(UP, Criteria(), *values)
    assert told.converged is not None
    assert not told.enough
    assert progress(UP, Criteria(on_convergence=True), *values).enough
    assert progress(UP, Criteria(on_convergence=True), *values[:-1]).converged is None
