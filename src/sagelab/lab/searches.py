"""Pictures of a search: what each hyperparameter does to the objective, how the search went, two of them compared.

`jobs` is always a table as `tuning.jobs` gives it. A job without a value is drawn as a cross where it can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sagelab.lab.pictures import BLUE, GREEN, GREY, INK, ORANGE, VIOLET, open_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]

SIDES = (BLUE, ORANGE, GREEN, VIOLET)
SPAN = 0.1  # of the values: what an axis shows at least
FEW = 12  # whole numbers on an axis that all get a tick


def against(jobs: pd.DataFrame) -> Figure:
    """The objective against each hyperparameter: a point a job, the best one ringed."""
    names = jobs.attrs["parameters"]
    figure, axes = open_figure(
        f"{_label(jobs)} of {len(jobs)} jobs against {', '.join(names)}; {_best(jobs)}",
        (3.2 * len(names), 3.1),
        1,
        len(names),
    )
    for axis, name in zip(axes[0], names, strict=True):
        _points(axis, jobs, name, BLUE)
        axis.set(xlabel=name, ylabel=_label(jobs) if axis is axes[0][0] else "")
    return figure


def over_time(jobs: pd.DataFrame) -> Figure:
    """The objective of each job in the order of their start, and the best so far as a line."""
    alt = f"{_label(jobs)} of {len(jobs)} jobs in the order of their start; {_best(jobs)}"
    figure, axes = open_figure(alt, (7.5, 3.2))
    axis, objective = axes[0, 0], jobs.attrs["objective"]
    axis.plot(jobs["job"], jobs[objective], "o", color=BLUE, label="a job")
    axis.step(jobs["job"], best_so_far(jobs), where="post", color=ORANGE, linewidth=2, label="the best so far")
    without = jobs[jobs[objective].isna()]
    if len(without):
        floor = jobs[objective].min()
        axis.plot(without["job"], [floor] * len(without), "x", color=GREY, label="no value")
    axis.set(xlabel="job, in the order of their start", ylabel=_label(jobs))
    axis.locator_params(axis="x", integer=True)
    axis.legend(frameon=False, loc="best")
    return figure


def parallel_coordinates(jobs: pd.DataFrame) -> Figure:
    """A line a job, through its value of each hyperparameter to its objective; the better, the darker."""
    objective = jobs.attrs["objective"]
    names = [*jobs.attrs["parameters"], objective]
    valued = jobs.dropna(subset=[objective])
    alt = f"A line a job through {', '.join(names)}; {_best(jobs)}"
    figure, axes = open_figure(alt, (7.5, 3.4))
    axis = axes[0, 0]
    heights = {name: _heights(valued[name], name in jobs.attrs["logarithmic"]) for name in names}
    goodness = heights[objective] if jobs.attrs["maximize"] else 1 - heights[objective]
    order = np.argsort(goodness)  # the best is drawn last, over all others
    for number in order:
        best = number == order[-1]
        line = [heights[name][number] for name in names]
        colour = ORANGE if best else _shade(goodness[number])
        axis.plot(range(len(names)), line, color=colour, linewidth=3 if best else 2)
    _rails(axis, valued, names)
    return figure


def compare(searches: dict[str, pd.DataFrame], parameter: str) -> Figure:
    """Searches of one budget side by side: where each looked, on one logarithmic axis, and its best so far.

    searches: title -> jobs.
    """
    told = "; ".join(f"{title}: {_best(jobs)}" for title, jobs in searches.items())
    figure, axes = open_figure(f"Searches over {parameter}. {told}", (9, 3.4), 1, 2)
    where, best = axes[0]
    for (title, jobs), colour in zip(searches.items(), SIDES, strict=False):
        _points(where, jobs, parameter, colour, title)
        best.step(jobs["job"], best_so_far(jobs), where="post", color=colour, linewidth=2, label=title)
    where.set_xscale("log")
    where.set(xlabel=f"{parameter} (logarithmic axis)", ylabel=_label(jobs))
    best.set(xlabel="job", ylabel=f"best {_label(jobs)} so far")
    best.locator_params(axis="x", integer=True)
    _widen(best)
    where.legend(frameon=False)
    return figure


def best_so_far(jobs: pd.DataFrame) -> pd.Series[float]:
    """The best objective of the jobs up to each, in the table's order; NaN before the first value."""
    values = jobs[jobs.attrs["objective"]]
    return (values.cummax() if jobs.attrs["maximize"] else values.cummin()).ffill()


def _points(axis: Axes, jobs: pd.DataFrame, parameter: str, colour: str, title: str = "") -> None:
    objective = jobs.attrs["objective"]
    axis.plot(jobs[parameter], jobs[objective], "o", color=colour, alpha=0.85, label=title or None)
    best = best_job(jobs)
    if best is not None:
        x, y = best[parameter], best[objective]
        axis.plot([x], [y], "o", markersize=13, markerfacecolor="none", markeredgecolor=INK)
    if parameter in jobs.attrs["logarithmic"]:
        axis.set_xscale("log")
    elif jobs[parameter].dtype.kind == "i" and np.ptp(jobs[parameter]) < FEW:
        axis.locator_params(axis="x", integer=True, nbins=FEW)
    axis.margins(x=0.12, y=0.12)


def best_job(jobs: pd.DataFrame) -> pd.Series[Any] | None:
    """The row of the best job; None where no job has a value."""
    values = jobs[jobs.attrs["objective"]].dropna()
    if not len(values):
        return None
    found: pd.Series[Any] = jobs.loc[values.idxmax() if jobs.attrs["maximize"] else values.idxmin()]
    return found


def _best(jobs: pd.DataFrame) -> str:
    """The best job in words."""
    best = best_job(jobs)
    return "no job has a value" if best is None else f"the best is job {best['job']} with {best[_label(jobs)]:.4f}"


def _widen(axis: Axes) -> None:
    """Give the vertical axis a span that does not make a difference look larger than it is."""
    low, high = axis.get_ylim()
    middle, span = (low + high) / 2, max(high - low, SPAN * max(abs(low), abs(high)))
    axis.set_ylim(middle - span / 2, middle + span / 2)


def _label(jobs: pd.DataFrame) -> str:
    return str(jobs.attrs["objective"])


def _heights(values: pd.Series[Any], logarithmic: bool) -> Array:
    """Each job's place between the ends of an axis, 0 to 1; texts are numbered in their order."""
    numbers = values.to_numpy() if values.dtype.kind in "if" else np.unique(values, return_inverse=True)[1]
    places = np.log10(numbers) if logarithmic else numbers.astype(float)
    spread = np.ptp(places) if len(places) else 0
    found: Array = (places - places.min()) / spread if spread else np.full(len(places), 0.5)
    return found


def _rails(axis: Axes, valued: pd.DataFrame, names: list[str]) -> None:
    """The vertical axes: a name below, the two ends of the values beside."""
    for place, name in enumerate(names):
        axis.axvline(place, color=GREY, linewidth=1)
        if len(valued):
            for height, value in ((0, valued[name].min()), (1, valued[name].max())):
                axis.annotate(_short(value), (place, height), (5, 3), textcoords="offset points", fontsize=9)
    logarithmic = valued.attrs["logarithmic"]
    axis.set(xticks=range(len(names)), yticks=[], xlim=(-0.15, len(names) - 0.6), ylim=(-0.08, 1.12))
    axis.set_xticklabels([f"{name}\n(logarithmic)" if name in logarithmic else name for name in names])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _short(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:.4g}"


def _shade(goodness: float) -> Any:
    import matplotlib as mpl

    return mpl.colormaps["Blues"](0.25 + 0.65 * float(goodness))
