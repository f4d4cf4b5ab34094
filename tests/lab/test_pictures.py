from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sagelab.lab import pictures


def png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def stages(*rows: tuple[str, float]) -> pd.DataFrame:
    ends = np.cumsum([0.0, *(seconds for _, seconds in rows)])
    start = pd.Timestamp("2026-01-01", tz="UTC")
    times = [start + pd.Timedelta(seconds=float(end)) for end in ends]
    table = pd.DataFrame(
        [(name, *span) for (name, _), span in zip(rows, pairwise(times), strict=True)],
        columns=["status", "start", "end"],
    )
    return table.assign(seconds=[seconds for _, seconds in rows], message="")


def test_a_digit_read_wrong_says_so_in_red() -> None:
    figure = pictures.digits(np.zeros((2, 28, 28), np.uint8), np.array([4, 9]), np.array([4, 7]))
    right, wrong = (axis.title for axis in figure.axes)
    assert (right.get_text(), right.get_color()) == ("4", pictures.GREEN)
    assert (wrong.get_text(), wrong.get_color()) == ("9, read 7", pictures.RED)
    assert png(figure)


@pytest.mark.parametrize("n", [0, 1, 10, 11, 25])
def test_digits_draws_as_many_as_there_are(n: int) -> None:
    figure = pictures.digits(np.zeros((n, 28, 28, 1)), np.zeros(n, int), n=20)
    assert sum(bool(axis.images) for axis in figure.axes) == min(n, 20)
    assert png(figure)


def test_photos_say_what_was_read_of_them(tmp_path: Path) -> None:
    from PIL import Image

    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        Image.new("L", (20, 30)).save(file)
    figure: Any = pictures.photos(files, [4, 9], [4, 7])
    assert figure.alt == "2 photos of handwritten digits: 4, 9, read 7"
    assert [axis.title.get_color() for axis in figure.axes] == [pictures.GREEN, pictures.RED]


def test_learning_curve_tells_training_from_held_out() -> None:
    rows = [(name, step, 0.5) for name in ("loss", "acc", "val_loss", "val_acc") for step in (1, 2, 3)]
    figure = pictures.learning_curve(pd.DataFrame(rows, columns=["metric", "step", "value"]))
    for axis, names in zip(figure.axes, (["loss", "val_loss"], ["acc", "val_acc"]), strict=True):
        assert [line.get_label() for line in axis.lines] == [
            f"training ({names[0]})",
            f"held out ({names[1]})",
        ]
        assert axis.get_xlabel() == "epoch"
        assert axis.get_ylabel()
    assert png(figure)


def test_learning_curve_of_a_job_without_metrics_is_empty() -> None:
    empty = pd.DataFrame([], columns=["metric", "step", "value", "timestamp"])
    figure = pictures.learning_curve(empty.astype({"metric": "str"}))
    assert not [line for axis in figure.axes for line in axis.lines]
    assert png(figure)


def test_timeline_draws_each_stage_with_its_seconds_and_not_the_end() -> None:
    figure = pictures.timeline(stages(("Starting", 1.5), ("Training", 60.2), ("Completed", 0)))
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Starting", "Training"]
    assert [text.get_text().strip() for text in axis.texts] == ["1.5 s", "60 s"]
    assert png(figure)


def test_timeline_draws_a_stage_it_has_no_colour_for() -> None:
    figure = pictures.timeline(stages(("Starting", 1), ("SomethingNew", 2), ("Failed", 0)))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["Starting", "SomethingNew"]


def test_confusion_counts_what_was_read_right() -> None:
    figure = pictures.confusion(np.array([1, 1, 2]), np.array([1, 7, 2]))
    assert figure.axes[0].get_title(loc="left") == "2 of 3 digits read right, 1 wrong"
    assert png(figure)


def test_a_notebook_shows_a_figure_once() -> None:
    import matplotlib.pyplot as plt

    pictures.confusion(np.array([1]), np.array([1]))
    assert plt.get_fignums() == []


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_bars_has_a_panel_a_column_and_a_value_a_bar(columns: int) -> None:
    table = pd.DataFrame({f"m{n}": [12.4, 0.5, 0.0] for n in range(columns)}, index=["first", "second", "third"])
    figure = pictures.bars(table)
    drawn = [axis for axis in figure.axes if axis.patches]
    assert [axis.get_title(loc="left") for axis in drawn] == list(table)
    for axis in drawn:
        assert [text.get_text() for text in axis.texts] == ["12", "0.50", "0.00"]
        assert [label.get_text() for label in axis.get_yticklabels()] == list(table.index)
    assert png(figure)
