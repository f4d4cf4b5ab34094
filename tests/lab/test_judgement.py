from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from sagelab.lab import judgement
from sagelab.lab.judgement import Counts

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.1, 0.1, 0.0])


def test_recall_and_precision_are_scikit_learns() -> None:
    found = judgement.count(LABELS, SCORES)
    assert found == Counts(caught=2, missed=1, false_alarms=1, left_alone=4)
    assert found.recall == recall_score(LABELS, SCORES >= 0.5)
    assert found.precision == precision_score(LABELS, SCORES >= 0.5)
    assert found.accuracy == 6 / 8
    assert found.cost(miss=100, alarm=5) == 115
    assert math.isnan(Counts(0, 0, 0, 5).recall)


def test_the_cheapest_threshold_costs_no_more_than_any_other() -> None:
    best = judgement.cheapest(LABELS, SCORES, miss=100, alarm=5)
    assert 0.1 < best <= 0.2
    everywhere = (judgement.count(LABELS, SCORES, each).cost(100, 5) for each in np.linspace(0, 1, 101))
    assert judgement.count(LABELS, SCORES, best).cost(100, 5) == min(everywhere)


@pytest.mark.parametrize(("least", "threshold"), [(1.0, 0.2), (0.9, 0.2), (2 / 3, 0.6), (0.1, 0.9)])
def test_the_highest_threshold_with_a_recall(least: float, threshold: float) -> None:
    found = judgement.highest_with_recall(LABELS, SCORES, least)
    assert found == threshold
    assert judgement.count(LABELS, SCORES, found).recall >= least


def test_an_interval_is_wilsons() -> None:
    from scipy.stats import binomtest

    proportion = binomtest(95, 100).proportion_ci(method="wilson")
    assert judgement.interval(0.95, 100) == pytest.approx(tuple(proportion), abs=1e-4)


def test_pictures_say_what_they_show() -> None:
    square: Any = judgement.confusion(Counts(90, 10, 30, 870), "fraud", "no fraud")
    assert square.alt.startswith("Confusion matrix: of fraud 90 caught and 10 missed, of no fraud 30 false alarms")
    assert square.axes[0].get_title(loc="left") == "recall 90%, precision 75%, accuracy 96.0%"
    lines: Any = judgement.thresholds(LABELS, SCORES, 100, 5)
    assert "with recall 100% and precision 60%; at 0.5 115 dollars" in lines.alt
