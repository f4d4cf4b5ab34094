from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from sagelab.monitoring.drift import distance
from sagelab.monitoring.statistics import Column, describe, sketch


def column(values: Sequence[str | None]) -> Column:
    return Column("x", pd.Series(values, dtype=object))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", " -2 ", "+3"], "Integral"),
        (["1", "2.5", "1e-3", ".5", "4."], "Fractional"),
        (["1", "x"], "String"),
        (["true", "false"], "String"),
        ([None, None], "Unknown"),
        (["0x10", "nan"], "String"),
        (["1e999"], "String"),
    ],
)
def test_the_type_is_the_narrowest_that_has_all(values: list[str | None], kind: str) -> None:
    assert column(values).kind == kind


def test_whole_numbers_are_fractional_too() -> None:
    mixed = column(["1", "2", "2.5", "x", None])
    assert [mixed.match(kind) for kind in ("Integral", "Fractional", "String")] == [0.5, 0.75, 1.0]


def test_statistics_are_those_of_the_values() -> None:
    (found,) = describe([column(["1", "2", "3", "4", None])])["features"]
    told = found["numerical_statistics"]
    assert told["common"] == {"num_present": 4, "num_missing": 1}
    assert (told["mean"], told["sum"], told["min"], told["max"]) == (2.5, 10, 1, 4)
    assert told["std_dev"] == pytest.approx(np.std([1, 2, 3, 4]))
    buckets = told["distribution"]["kll"]["buckets"]
    assert len(buckets) == 10
    assert (buckets[0]["lower_bound"], buckets[-1]["upper_bound"]) == (1, 4)
    assert sum(one["count"] for one in buckets) == 4


def test_a_sketch_keeps_the_number_of_values_and_nearly_their_ranks() -> None:
    values = np.sort(np.random.default_rng(7).normal(size=10_001))
    levels = sketch(values)
    assert sum(len(level) << number for number, level in enumerate(levels)) == 10_001
    assert sum(map(len, levels)) < 2100
    baseline = {"numerical_statistics": {"distribution": {"kll": {"sketch": {"data": levels}}}}}
    same = column([str(value) for value in values])
    assert distance(same, baseline, False, "LInfinity") == pytest.approx(0, abs=1 / 2048)


def test_the_distance_is_the_greatest_difference_of_the_cumulative_shares() -> None:
    levels = sketch(np.arange(100.0))
    baseline = {"numerical_statistics": {"distribution": {"kll": {"sketch": {"data": levels}}}}}
    shifted = column([str(value) for value in range(30, 130)])
    assert distance(shifted, baseline, False, "LInfinity") == pytest.approx(0.3)
    assert distance(shifted, baseline, True, "LInfinity") == pytest.approx(0.3 - 1.8 * (200 / 10_000) ** 0.5)


def test_texts_are_apart_by_the_greatest_difference_of_their_shares() -> None:
    buckets = [{"value": "a", "count": 50}, {"value": "b", "count": 50}]
    baseline = {"string_statistics": {"distribution": {"categorical": {"buckets": buckets}}}}
    assert distance(column(["a"] * 90 + ["c"] * 10), baseline, False, "LInfinity") == pytest.approx(0.5)
    assert distance(column(["1", "2"]), baseline, False, "LInfinity") is None
