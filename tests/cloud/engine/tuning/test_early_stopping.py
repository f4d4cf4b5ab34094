from __future__ import annotations

import pytest

from sagelab.cloud.engine.tuning.early_stopping import is_hopeless
from sagelab.cloud.engine.tuning.trials import Objective, Trial

ACCURACY, LOSS = Objective("acc", maximize=True), Objective("loss", maximize=False)


def trial(*curve: float) -> Trial:
    return Trial(1, 0, {}, "job", curve=list(curve))


# Running averages at epoch 2: 0.2, 0.5, 0.8; their median is 0.5.
ENDED = [trial(0.1, 0.3), trial(0.4, 0.6, 0.9), trial(0.7, 0.9)]


@pytest.mark.parametrize(("last", "hopeless"), [(0.49, True), (0.5, False), (0.51, False)])
def test_worse_than_the_median_of_the_running_averages_is_hopeless(last: float, hopeless: bool) -> None:
    assert is_hopeless(trial(0.99, last), ENDED, ACCURACY) is hopeless


def test_of_a_loss_higher_is_worse() -> None:
    assert is_hopeless(trial(0.0, 0.51), ENDED, LOSS)
    assert not is_hopeless(trial(0.9, 0.49), ENDED, LOSS)


def test_only_trials_that_came_as_far_are_compared() -> None:
    assert not is_hopeless(trial(0.0, 0.0, 0.0), ENDED, ACCURACY)


def test_it_waits_for_three_trials() -> None:
    assert not is_hopeless(trial(0.0), ENDED[:2], ACCURACY)
    assert is_hopeless(trial(0.0), ENDED, ACCURACY)
