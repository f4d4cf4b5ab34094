"""Shapley values against their definition, and those that are drawn against those."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from sagelab.clarify import drift, shapley

RANDOM = np.random.default_rng(1)


def model(rows: Any) -> Any:
    """Not linear, with an interaction, of two outputs."""
    x = np.asarray(rows, float)
    return np.stack([x[:, 0] * x[:, 1] + x[:, 2] ** 2, np.tanh(x[:, 3]) - x[:, 0]], axis=1)


def by_definition(row: Any, baseline: Any) -> Any:
    """The mean over all orders of what a feature adds when it comes."""
    found = np.zeros((len(row), 2))
    for order in permutations(range(len(row))):
        mixed = baseline.copy()
        before = model(mixed).mean(axis=0)
        for feature in order:
            mixed[:, feature] = row[feature]
            after = model(mixed).mean(axis=0)
            found[feature] += after - before
            before = after
    return found / math.factorial(len(row))


def test_few_features_have_exact_values() -> None:
    rows, baseline = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(2, 4))
    values, expected = shapley.explain(model, rows, baseline, samples=100, seed=0)
    assert expected == pytest.approx(model(baseline).mean(axis=0))
    for found, row in zip(values, rows, strict=True):
        assert found == pytest.approx(by_definition(row, baseline), abs=1e-9)
    assert values.sum(axis=1) + expected == pytest.approx(model(rows))


def test_many_features_are_drawn_and_still_add_up() -> None:
    weights = RANDOM.normal(size=14)
    rows, baseline = RANDOM.normal(size=(2, 14)), np.zeros((1, 14))
    values, _ = shapley.explain(lambda x: (x @ weights)[:, None], rows, baseline, samples=500, seed=3)
    assert values[:, :, 0] == pytest.approx(rows * weights, abs=1e-6)  # a linear model's are exact all the same


def test_one_feature_has_it_all() -> None:
    values, _ = shapley.explain(lambda x: x * 2, np.array([[3.0]]), np.array([[1.0]]), 10, 0)
    assert values.tolist() == [[[4.0]]]


def test_order_of_features_is_compared_by_what_they_gave_before() -> None:
    before = {"a": 0.7, "b": 0.2, "c": 0.1}
    assert drift.ndcg({"a": 5, "b": -2, "c": 1}, before) == pytest.approx(1)
    assert drift.ndcg({"a": 0, "b": 2, "c": 5}, before) < 0.8
