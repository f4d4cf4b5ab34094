from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sagelab.lab import pictures, searches


def table(*values: float, maximize: bool = True) -> pd.DataFrame:
    count = len(values)
    jobs = pd.DataFrame(
        {
            "job": range(1, count + 1),
            "epochs": [1 + number % 3 for number in range(count)],
            "rate": np.geomspace(0.0001, 0.1, count),
            "kind": ["relu", "tanh", "gelu"][:count] + ["relu"] * (count - 3),
            "score": values,
        }
    )
    jobs.attrs = {
        "objective": "score",
        "maximize": maximize,
        "parameters": ["epochs", "rate", "kind"],
        "logarithmic": ["rate"],
    }
    return jobs


NAN = float("nan")
SOME = (0.5, 0.9, NAN, 0.7, 0.8)


def legend(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_the_objective_is_drawn_against_each_hyperparameter_on_its_scale() -> None:
    figure = searches.against(table(*SOME))
    assert [axis.get_xlabel() for axis in figure.axes] == ["epochs", "rate", "kind"]
    assert [axis.get_xscale() for axis in figure.axes] == ["linear", "log", "linear"]
    ring = figure.axes[1].lines[-1]
    assert ring.get_ydata() == [0.9]
    assert png(figure)


def test_a_short_logarithmic_axis_has_plain_numbers() -> None:
    jobs = table(*SOME).assign(rate=[53, 199, 206, 233, 336])
    figure = searches.against(jobs)
    assert png(figure)
    shown = [text.get_text() for text in figure.axes[1].get_xticklabels(which="both")]
    assert {"50", "100", "200"} <= set(shown)
    assert not any("10^" in text for text in shown)


def test_the_best_so_far_is_a_line_over_the_jobs() -> None:
    assert searches.best_so_far(table(*SOME)).tolist() == [0.5, 0.9, 0.9, 0.9, 0.9]
    assert searches.best_so_far(table(*SOME, maximize=False)).tolist() == [0.5] * 5
    (axis,) = searches.over_time(table(*SOME)).axes
    assert legend(axis) == ["a job", "the best so far", "no value"]
    assert png(axis.figure)


@pytest.mark.parametrize(("maximize", "best"), [(True, 2), (False, 1)])
def test_the_best_job_is_the_one_the_objective_says(maximize: bool, best: int) -> None:
    row = searches.best_job(table(*SOME, maximize=maximize))
    assert row is not None
    assert row["job"] == best


def test_parallel_coordinates_have_a_line_a_job_and_the_best_on_top() -> None:
    figure = searches.parallel_coordinates(table(*SOME))
    (axis,) = figure.axes
    lines = [line for line in axis.lines if np.size(line.get_xdata()) == 4]
    assert len(lines) == 4  # the job without a value has none
    assert lines[-1].get_color() == pictures.ORANGE
    assert np.asarray(lines[-1].get_ydata())[-1] == 1
    assert axis.get_xticklabels()[1].get_text() == "rate\n(logarithmic)"
    assert png(figure)


def test_two_searches_are_compared_on_one_logarithmic_axis() -> None:
    figure = searches.compare({"logarithmic": table(*SOME), "linear": table(0.1, 0.2, 0.3)}, "rate")
    where, best = figure.axes
    assert where.get_xscale() == "log"
    assert legend(where) == ["logarithmic", "linear"]
    assert np.asarray(best.lines[1].get_ydata())[-1] == 0.3
    assert png(figure)


@pytest.mark.parametrize("values", [(0.5,), (NAN, NAN), (0.5, 0.5, 0.5)])
def test_few_or_equal_or_no_values_are_drawn_too(values: tuple[float, ...]) -> None:
    jobs = table(*values) if len(values) >= 3 else table(*values, *[NAN] * (3 - len(values)))
    for draw in (searches.against, searches.over_time, searches.parallel_coordinates):
        assert png(draw(jobs))
