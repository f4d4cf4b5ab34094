from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from sagelab.lab import exploration, tables


def test_one_value_far_from_all_others_is_far_out() -> None:
    values = pd.Series([*range(10, 30), 200])
    assert list(values[exploration.far_out(values)]) == [200]
    assert not exploration.far_out(values[:-1]).any()


def test_four_questions_are_answered_in_words_too() -> None:
    figure: Any = exploration.four_questions(tables.houses(600), "square_feet", "price", "age")
    assert "Outliers: 1 far out" in figure.alt
    assert "rises to" in figure.alt
    asked = [axis.get_title().partition("?")[0] for axis in figure.axes]
    assert asked == ["Range", "Peak", "Outliers", "Patterns"]


def test_scalers_stand_on_one_axis_with_and_without_the_largest() -> None:
    values = np.array([*np.linspace(0, 1, 40), 10.0])
    parts = {"all": values, "without": values[:-1]}
    rows = [
        pd.DataFrame({"fitted to": name, "as it is": part, "minmax": part / part.max()})
        for name, part in parts.items()
    ]
    figure: Any = exploration.scaled(pd.concat(rows), span=(0, 2))
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["minmax"]
    assert figure.alt.endswith("minmax: 0.00 to 0.10 all, 0.03 to 0.97 without")


def test_ways_are_compared_on_the_same_seeds() -> None:
    draw = np.random.default_rng(1)
    luck, apart = draw.normal(30, 5, 20), draw.normal(1, 0.2, 20)
    rows = [(seed, "none", luck[seed]) for seed in range(20)]
    rows += [(seed, "mean", luck[seed] + apart[seed]) for seed in range(20)]
    found = exploration.above(pd.DataFrame(rows, columns=["seed", "way", "error"]), "error", "none")
    low, high = ttest_rel(luck + apart, luck).confidence_interval()
    assert found.loc["mean"].tolist() == pytest.approx([(low + high) / 2, (high - low) / 2])
    figure: Any = exploration.bars_with_errors({"all": found}, "dollars")
    assert figure.alt == f"Points with error bars. all: mean {apart.mean():+.2f} ± {(high - low) / 2:.2f}"


def test_panels_keep_the_order_of_the_first_one() -> None:
    first = pd.DataFrame({"mean": [2.0, 1.0], "half": [0.1, 0.1]}, index=["mean", "drop"])
    second = pd.DataFrame({"mean": [3.0, 14.0], "half": [0.5, 0.5]}, index=["mean", "drop"])
    figure: Any = exploration.bars_with_errors({"complete": first, "incomplete": second}, "dollars")
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["drop", "mean"]
    assert [text.get_text() for text in right.texts] == ["+14.0", "+3.0"]
    assert figure.alt.endswith("incomplete: drop +14.00 ± 0.50, mean +3.00 ± 0.50")


def test_a_model_that_cannot_bend_is_wrong_at_the_ends() -> None:
    ages = np.arange(100.0)
    table = pd.DataFrame({"age": ages, "price": (ages - 50) ** 2})
    figure: Any = exploration.errors_along(table, "age", "price", {"line": np.full(100, 833.0)})
    (course, _) = figure.axes[0].get_lines()
    wrong = course.get_ydata()
    assert wrong[0] < 0 < wrong[5]
    assert wrong[-1] < 0
