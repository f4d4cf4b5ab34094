from __future__ import annotations

from typing import Any

import pandas as pd

from sagelab.lab import comparison
from tests.lab.test_searches import table


def history(*pairs: tuple[float, float]) -> pd.DataFrame:
    rows = [
        (name, step, value)
        for step, pair in enumerate(pairs, 1)
        for name, value in zip(("loss", "val_loss"), pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["metric", "step", "value"])


def test_the_epoch_with_the_lowest_validation_loss_is_ringed() -> None:
    figure: Any = comparison.learning_curves({"plain": history((1.5, 1.6), (0.5, 0.9), (0.1, 1.2))})
    assert figure.alt == (
        "Learning curves. plain: training loss ends at 0.10, validation loss is lowest in epoch 2 with 0.90 and "
        "ends at 1.20"
    )
    ring = figure.axes[0].get_lines()[-1]
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([2], [0.9])


def test_searches_are_drawn_over_the_width_of_luck() -> None:
    searches = {"model": table(0.5, 0.9, float("nan"), 0.7), "luck": table(0.6, 0.65, 0.7)}
    figure: Any = comparison.spreads(searches, "luck")
    assert "model: 0.500 to 0.900, best epochs 2, rate 0.001, kind tanh" in figure.alt
    (span,) = figure.axes[0].patches
    assert (span.get_x(), span.get_x() + span.get_width()) == (0.6, 0.7)
