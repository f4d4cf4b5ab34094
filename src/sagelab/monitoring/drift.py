"""How far two distributions are apart: the L-infinity distance, as Deequ, which is in AWS's image, computes it.

https://github.com/awslabs/deequ/blob/master/src/main/scala/com/amazon/deequ/analyzers/Distance.scala
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sagelab.algorithms.job import UserError
from sagelab.monitoring.statistics import FRACTIONAL, INTEGRAL, STRING, Column

ROBUST = 1.8  # standard deviations of the two-sample Kolmogorov-Smirnov test, at 0.003
NUMERIC = (INTEGRAL, FRACTIONAL)


def distance(column: Column, baseline: dict[str, Any], robust: bool, method: str) -> float | None:
    """Between a column and its baseline's statistics, 0 to 1; None where they cannot be compared.

    robust: less what chance alone would make of so few samples. UserError: the method is not here.
    """
    if column.kind in NUMERIC:
        return _numerical(column.numbers, baseline.get("numerical_statistics"), robust)
    if column.kind == STRING and baseline.get("string_statistics"):
        if method != "LInfinity":
            raise UserError(f"categorical_drift_method {method} is not done here; LInfinity is")
        return _categorical(column.categories, baseline["string_statistics"], robust)
    return None


def _numerical(values: np.ndarray[Any, Any], baseline: dict[str, Any] | None, robust: bool) -> float | None:
    levels = _at(baseline, "distribution", "kll", "sketch", "data")
    pairs = [(item, 1 << number) for number, level in enumerate(levels or []) for item in level]
    if not pairs:
        return None
    items, weights = (np.array(part, dtype=float) for part in zip(*sorted(pairs), strict=True))
    ranks, keys = np.concatenate([[0.0], np.cumsum(weights)]), np.union1d(values, items)
    ours = np.searchsorted(values, keys, side="right") / len(values)
    theirs = ranks[np.searchsorted(items, keys, side="right")] / ranks[-1]
    return _corrected(float(np.abs(ours - theirs).max()), len(values), float(ranks[-1]), robust)


def _categorical(values: dict[str, int], baseline: dict[str, Any], robust: bool) -> float | None:
    buckets = _at(baseline, "distribution", "categorical", "buckets")
    known = {str(one["value"]): float(one["count"]) for one in buckets or []}
    total = sum(known.values())
    if not total:
        return None
    count = sum(values.values())
    apart = max(abs(values.get(key, 0) / count - known.get(key, 0.0) / total) for key in {*values, *known})
    return _corrected(apart, count, total, robust)


def _corrected(apart: float, first: float, second: float, robust: bool) -> float:
    return max(0.0, apart - ROBUST * math.sqrt((first + second) / (first * second))) if robust else apart


def _at(document: Any, *path: str) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document
