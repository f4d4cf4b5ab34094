"""What statistics.json says of a table: each column's type, what is missing, and how its values are distributed.

A column's values are sorted and thinned into the levels of a KLL sketch: an item of level n stands for 2 ** n
values. Up to K values it has them all; of more, a rank that is read from it is off by 1 / K at the most.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-statistics.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

INTEGRAL, FRACTIONAL, STRING, UNKNOWN = "Integral", "Fractional", "String", "Unknown"
INTEGER = r"\s*[-+]?\d{1,200}\s*"
NUMBER = r"\s*[-+]?(?:\d{1,200}\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?\s*"
BUCKETS, K, C = 10, 2048, 0.64
CATEGORIES = 1000  # values of a text column that are told, the commonest first


@dataclass(frozen=True)
class Column:
    """One feature. values: texts, or None where one is missing."""

    name: str
    values: pd.Series[Any]

    @cached_property
    def present(self) -> pd.Series[Any]:
        return self.values.dropna().astype(str)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many values are of a type; "Boolean" among them."""
        numeric, integral = (int(self.present.str.fullmatch(form).sum()) for form in (NUMBER, INTEGER))
        truths = int(self.present.str.lower().isin(["true", "false"]).sum())
        return {
            INTEGRAL: integral,
            FRACTIONAL: numeric - integral,
            "Boolean": truths,
            STRING: len(self.present) - numeric - truths,
            UNKNOWN: len(self.values) - len(self.present),
        }

    @cached_property
    def kind(self) -> str:
        """The narrowest type that has all values."""
        counts = self.counts
        if not len(self.present):
            return UNKNOWN
        if counts[STRING] or counts["Boolean"]:
            return STRING
        return FRACTIONAL if counts[FRACTIONAL] else INTEGRAL

    @cached_property
    def numbers(self) -> np.ndarray[Any, Any]:
        """The values of a column of numbers, sorted."""
        return np.sort(self.present.astype(float).to_numpy())

    @cached_property
    def categories(self) -> dict[str, int]:
        """Value -> how often it is there, the commonest first."""
        found = self.present.value_counts(sort=True)
        return {str(value): int(count) for value, count in found.items()}

    @property
    def completeness(self) -> float:
        return len(self.present) / len(self.values) if len(self.values) else 0.0

    def match(self, kind: str) -> float:
        """Which part of the values is of a type: whole numbers are fractional too, and all is text."""
        counts = self.counts
        fits = {INTEGRAL: counts[INTEGRAL], FRACTIONAL: counts[INTEGRAL] + counts[FRACTIONAL]}
        return fits.get(kind, len(self.present)) / len(self.present) if len(self.present) else 1.0


def columns(table: pd.DataFrame) -> list[Column]:
    """The features of a table, in order."""
    return [Column(str(name), table[name]) for name in table]


def describe(features: list[Column]) -> dict[str, Any]:
    """statistics.json of a data set."""
    rows = len(features[0].values) if features else 0
    return {"version": 0.0, "dataset": {"item_count": rows}, "features": [_feature(each) for each in features]}


def _feature(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "inferred_type": column.kind}
    common = {"num_present": len(column.present), "num_missing": len(column.values) - len(column.present)}
    if column.kind in (INTEGRAL, FRACTIONAL):
        return found | {"numerical_statistics": {"common": common} | _numerical(column.numbers)}
    if column.kind == STRING:
        told = list(column.categories.items())[:CATEGORIES]
        buckets = [{"value": value, "count": count} for value, count in told]
        strings = {
            "distinct_count": float(len(column.categories)),
            "distribution": {"categorical": {"buckets": buckets}},
        }
        return found | {"string_statistics": {"common": common} | strings}
    return found


def _numerical(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins=BUCKETS)
    buckets = [
        {"lower_bound": float(low), "upper_bound": float(high), "count": float(count)}
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    kll = {"buckets": buckets, "sketch": {"parameters": {"c": C, "k": float(K)}, "data": sketch(values)}}
    return {
        "mean": float(values.mean()),
        "sum": float(values.sum()),
        "std_dev": float(values.std()),
        "min": float(values[0]),
        "max": float(values[-1]),
        "distribution": {"kll": kll},
    }


def sketch(values: np.ndarray[Any, Any]) -> list[list[float]]:
    """The levels of a sketch of sorted values."""
    level = 0
    while len(values) >> level > K:
        level += 1
    weight = 1 << level
    whole = len(values) // weight * weight
    levels: list[list[float]] = [[] for _ in range(level + 1)]
    levels[level] = [float(value) for value in values[:whole].reshape(-1, weight)[:, (weight - 1) // 2]]
    levels[0] += [float(value) for value in values[whole:]]
    return levels
