"""Jobs side by side: their learning curves in one picture, and how far searches spread beside mere luck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sagelab.lab.pictures import BLUE, GREEN, GREY, INK, ORANGE, PALE, open_figure
from sagelab.lab.searches import best_job

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches, of two panels
TALLEST = 2.0  # of a loss that is drawn: the first epochs would flatten all others


def learning_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """A panel a job: the loss of every epoch on training and validation digits, the lowest validation loss ringed.

    histories: title -> metrics as watch.metrics gives them, with loss and val_loss.
    """
    courses = {title: (_of(each, "loss"), _of(each, "val_loss")) for title, each in histories.items()}
    told = [
        f"{title}: training loss ends at {seen[-1]:.2f}, validation loss is lowest in epoch {unseen.argmin() + 1} "
        f"with {unseen.min():.2f} and ends at {unseen[-1]:.2f}"
        for title, (seen, unseen) in courses.items()
    ]
    rows = -(-len(courses) // 2)
    figure, axes = open_figure(
        f"Learning curves. {'. '.join(told)}", (WIDTH, 2.5 * rows), rows, 2, sharex=True, sharey=True
    )
    for axis, (title, (seen, unseen)) in zip(axes.flat, courses.items(), strict=False):
        axis.plot(range(1, len(seen) + 1), seen, color=BLUE, marker="o", markersize=3, label="training")
        axis.plot(range(1, len(unseen) + 1), unseen, color=ORANGE, marker="o", markersize=3, label="validation")
        axis.plot([unseen.argmin() + 1], [unseen.min()], "o", markersize=11, mfc="none", mec=INK)
        axis.set_title(title, loc="left")
        axis.set_ylim(0, min(TALLEST, max(max(each.max() for each in pair) for pair in courses.values()) * 1.05))
        axis.locator_params(axis="x", integer=True)
    axes[0, 0].legend(frameon=False)
    for axis in axes[:, 0]:
        axis.set_ylabel("loss (cross-entropy)")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    return figure


def _of(history: pd.DataFrame, metric: str) -> Any:
    return history[history["metric"] == metric].sort_values("step")["value"].to_numpy()


def spreads(searches: Mapping[str, pd.DataFrame], luck: str) -> Figure:
    """Each search as a row of its jobs' objectives, each job's values beside its point, over the width of luck.

    searches: title -> jobs as tuning.jobs gives them. luck: the title of the one whose jobs differ in their seed
    alone; what lies within its width needs no other cause.
    """
    objective = str(next(iter(searches.values())).attrs["objective"])
    values = {title: jobs[objective].dropna().sort_values() for title, jobs in searches.items()}
    low, high = values[luck].min(), values[luck].max()
    told = "; ".join(
        f"{title}: {each.min():.3f} to {each.max():.3f}, best {_words(searches[title])}"
        for title, each in values.items()
    )
    figure, axes = open_figure(f"{objective} of the jobs of each search. {told}", (WIDTH, 0.75 * len(values) + 1))
    axis = axes[0, 0]
    axis.axvspan(low, high, color=PALE)
    for row, (title, each) in enumerate(values.items()):
        axis.plot(each, np.full(len(each), row), "o", color=GREY if title == luck else BLUE, alpha=0.8)
        if title != luck:
            axis.plot([each.max()], [row], "o", color=GREEN)
            at = {"xy": (each.max(), row), "xytext": (0, 8), "textcoords": "offset points"}
            axis.annotate(_words(searches[title]), **at, ha="right", fontsize=9)
    axis.set_yticks(range(len(values)), list(values))
    axis.set(xlabel=objective, ylim=(len(values) - 0.6, -0.7))
    axis.grid(visible=False, axis="y")
    return figure


def _words(jobs: pd.DataFrame) -> str:
    """The best job's values: "filter-size 5, pooling max"."""
    best = best_job(jobs)
    return "" if best is None else ", ".join(f"{name} {best[name]}" for name in jobs.attrs["parameters"])
