"""Kernel SHAP: what each feature adds to a model's answer, beside a baseline.

Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions" (2017): the Shapley values are the
weighted least squares of the model's answers to coalitions of features. With few features all coalitions are
taken, and the values are exact; with many, so many as are asked for are drawn by their weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Model = Callable[[Array], Array]  # (rows, features) -> (rows, outputs)


def coalitions(features: int, samples: int, random: np.random.Generator) -> tuple[Array, Array]:
    """(which features each has, its weight): (coalitions, features) of truth values, (coalitions,)."""
    if features == 1:
        return np.zeros((0, 1), bool), np.zeros(0)
    if 2**features - 2 <= samples:
        rows = [set(one) for size in range(1, features) for one in combinations(range(features), size)]
        masks = np.array([[feature in row for feature in range(features)] for row in rows])
        sizes = masks.sum(axis=1)
        count = np.array([math.comb(features, int(size)) for size in sizes], float)
        return masks, (features - 1) / (count * sizes * (features - sizes))
    sizes = np.arange(1, features)
    chances = 1.0 / (sizes * (features - sizes))
    found: dict[bytes, int] = {}
    for _ in range(samples // 2):
        mask = np.zeros(features, bool)
        size = random.choice(sizes, p=chances / chances.sum())
        mask[random.choice(features, size, replace=False)] = True
        for one in (mask, ~mask):  # pairs, so that the error of one makes up for that of the other
            found[one.tobytes()] = found.get(one.tobytes(), 0) + 1
    return np.array([np.frombuffer(one, bool) for one in found]), np.array(list(found.values()), float)


def explain(model: Model, rows: Array, baseline: Array, samples: int, seed: int) -> tuple[Array, Array]:
    """((rows, features, outputs) what each feature adds, (outputs,) the answer to the baseline).

    baseline: (rows, features); the answers to all of them are averaged.
    """
    random, features = np.random.default_rng(seed), rows.shape[1]
    expected = model(baseline).mean(axis=0)
    masks, weights = coalitions(features, samples, random)
    answers, found = model(rows), []
    for row, answer in zip(rows, answers, strict=True):
        if features == 1:
            found.append((answer - expected)[None, :])
            continue
        found.append(_solve(masks, weights, _values(model, row, baseline, masks) - expected, answer - expected))
    return np.array(found), expected


def _values(model: Model, row: Array, baseline: Array, masks: Array) -> Array:
    """(coalitions, outputs): answers where a coalition's features are the row's, and the rest the baseline's."""
    mixed = np.where(masks[:, None, :], row[None, None, :], baseline[None, :, :])
    answers = model(mixed.reshape(-1, row.size))
    averaged: Array = answers.reshape(len(masks), len(baseline), -1).mean(axis=1)
    return averaged


def _solve(masks: Array, weights: Array, values: Array, total: Array) -> Array:
    """(features, outputs), which add up to `total`: the last is what the others leave."""
    last = masks[:, -1].astype(float)[:, None]
    design = masks[:, :-1].astype(float) - last
    root = np.sqrt(weights)[:, None]
    solution, *_ = np.linalg.lstsq(design * root, (values - last * total) * root, rcond=None)
    return np.vstack([solution, total - solution.sum(axis=0)])
