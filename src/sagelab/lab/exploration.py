"""Pictures of a table: what four questions ask of it, what scalers make of a column, ways with error bars."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sagelab.lab.pictures import BLUE, GREEN, GREY, INK, ORANGE, PALE, RED, VIOLET, open_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FENCE = 3.0  # widths of the middle half, beyond which a value lies far out (Tukey)
USUAL = (2.5, 97.5)  # percentiles between which 19 of 20 values lie
WIDTH = 7.2  # inches: wide enough for two panels, and readable on a phone
DOTS: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 3, "alpha": 0.5, "markeredgewidth": 0}


def far_out(values: pd.Series[Any]) -> pd.Series[bool]:
    """Which values lie more than FENCE widths of the middle half beyond it."""
    low, high = values.quantile(0.25), values.quantile(0.75)
    reach = FENCE * (high - low)
    found: pd.Series[bool] = (values < low - reach) | (values > high + reach)
    return found


def four_questions(table: pd.DataFrame, column: str, label: str, pattern: str) -> Figure:
    """Range, peak, outliers and pattern, a panel each: of a column, the label, the two together, and the label
    against a third column, `pattern`.
    """
    values, labels, odd = table[column], table[label], far_out(table[column])
    low, high, peak = values.min(), values.max(), _peak(labels)
    alt = (
        f"Four panels. Range: {column} from {low:,.0f} to {high:,.0f}. Peak: most values of {label} lie near "
        f"{peak:,.0f}. Outliers: {odd.sum()} far out. Pattern: {_trend(table, pattern, label)}"
    )
    figure, axes = open_figure(alt, (WIDTH, 5.6), 2, 2)
    ((reach, heap), (both, course)) = axes
    reach.boxplot(values, orientation="horizontal", widths=0.5, whis=FENCE, flierprops={"markeredgecolor": RED})
    reach.set(yticks=[], xlabel=column, title=f"Range? {low:,.0f} to {high:,.0f}")
    heap.hist(labels, bins=30, color=BLUE)
    heap.axvline(peak, color=ORANGE, linewidth=2)
    heap.set(xlabel=label, ylabel="rows", title=f"Peak? near {peak:,.0f}")
    both.plot(values[~odd], labels[~odd], color=BLUE, **DOTS)
    both.plot(values[odd], labels[odd], "o", markersize=11, markerfacecolor="none", markeredgecolor=RED)
    both.set(xlabel=column, ylabel=label, title=f"Outliers? {odd.sum()} far out")
    course.plot(table[pattern], labels, color=GREY, **DOTS)
    course.plot(*_medians(table, pattern, label), "o-", color=ORANGE, linewidth=2)
    course.set(xlabel=pattern, ylabel=label, title="Patterns? the median, by tenths")
    return figure


def _peak(values: pd.Series[Any]) -> float:
    """The middle of the fullest of thirty bins."""
    counts, edges = np.histogram(values, bins=30)
    fullest = int(counts.argmax())
    return float(edges[fullest] + edges[fullest + 1]) / 2


def _medians(table: pd.DataFrame, by: str, label: str) -> tuple[list[float], list[float]]:
    """The medians of two columns in ten groups of as many rows, the last one halved: ends are where it bends."""
    order = table.sort_values(by)
    cuts = [*np.linspace(0, len(order), 11).astype(int)]
    cuts[-1:-1] = [(cuts[-2] + cuts[-1]) // 2, (cuts[-2] + 3 * cuts[-1]) // 4]
    groups = [order.iloc[start:end] for start, end in pairwise(cuts) if end > start]
    return [group[by].median() for group in groups], [group[label].median() for group in groups]


def _trend(table: pd.DataFrame, by: str, label: str) -> str:
    _, heights = _medians(table, by, label)
    low = int(np.argmin(heights))
    course = f"falls from {heights[0]:,.0f} to {heights[low]:,.0f}"
    more = f" and rises to {heights[-1]:,.0f}" if low < len(heights) - 1 else ""
    return f"with {by}, the median of {label} {course}{more}"


def scaled(table: pd.DataFrame, span: tuple[float, float] = (-3.0, 3.0)) -> Figure:
    """What scalers make of one column, a strip each on one axis, with all values and without the largest.

    table: a column a scaler, and `fitted to`, which names the two sets of rows, the one with the largest value
    first. span: of the axis. The shade of each row of dots is where nineteen of twenty lie.
    """
    parts = {str(name): rows.drop(columns="fitted to") for name, rows in table.groupby("fitted to", sort=False)}
    first, names = next(iter(parts.values())), [name for name in table if name not in ("fitted to", "as it is")]
    told = [f"{each}: {', '.join(f'{_usual(part[each])} {fit}' for fit, part in parts.items())}" for each in names]
    alt = f"Strips of dots, nineteen of twenty houses lie in: {'; '.join(told)}"
    figure, axes = open_figure(alt, (WIDTH, 1.05 * len(names) + 0.3), len(names), sharex=True)
    for axis, name in zip(axes[:, 0], names, strict=True):
        for row, (part, colour) in enumerate(zip(parts.values(), (BLUE, GREY), strict=True)):
            _strip(axis, part[name], row, colour)
        top = float(first[name].max())
        where = f"the outlier {top:,.1f} →" if top > span[1] else f"the outlier {top:,.2f}"
        axis.plot([top], [0], "o", markersize=10, markerfacecolor="none", markeredgecolor=RED)
        at, side = ((span[1], 0), "right") if top > span[1] else ((top + 0.12, 0), "left")
        axis.annotate(where, at, color=RED, fontsize=9, ha=side, va="center")
        axis.set(yticks=[0, 1], ylim=(1.5, -0.5), xlim=span)
        axis.set_yticklabels(parts, fontsize=9)
        axis.set_title(name, loc="left", fontsize=11)
        axis.grid(visible=False, axis="y")
    return figure


def _strip(axis: Axes, values: pd.Series[Any], row: int, colour: str) -> None:
    low, high = np.percentile(values, USUAL)
    jitter = row + np.random.default_rng(0).uniform(-0.22, 0.22, len(values))
    axis.plot([low, high], [row, row], color=PALE, linewidth=22, solid_capstyle="butt", zorder=0)
    axis.plot(values, jitter, color=colour, **DOTS)


def _usual(values: pd.Series[Any]) -> str:
    low, high = np.percentile(values, USUAL)
    return f"{low:.2f} to {high:.2f}"


def above(results: pd.DataFrame, measure: str, reference: str) -> pd.DataFrame:
    """How far each way lies above a reference on the same seeds: mean, and the half width of a 95 % interval.

    results: a row a seed and way, with columns seed, way and the measure.
    """
    from scipy.stats import t

    found = results.pivot_table(index="seed", columns="way", values=measure)
    apart = found.drop(columns=reference).sub(found[reference], axis=0)
    half = t.ppf(0.975, len(found) - 1) * apart.std() / np.sqrt(len(found))
    return apart.mean().to_frame("mean").join(half.rename("half"))


def bars_with_errors(tables: Mapping[str, pd.DataFrame], unit: str) -> Figure:
    """A panel a table of `above`: a point a way with its interval, and zero as a line; the best is green.

    All panels have the first one's order, from the smallest mean on.
    """
    order = [str(way) for way in next(iter(tables.values())).sort_values("mean").index]
    ordered = {title: table.loc[order] for title, table in tables.items()}
    told = "; ".join(
        f"{title}: {', '.join(f'{way} {mean:+.2f} ± {half:.2f}' for way, mean, half in table.itertuples())}"
        for title, table in ordered.items()
    )
    size = (WIDTH, 0.42 * len(order) + 1.2)
    figure, axes = open_figure(f"Points with error bars. {told}", size, 1, len(tables), sharey=True)
    for axis, (title, table) in zip(axes[0], ordered.items(), strict=True):
        _points(axis, table)
        axis.set_title(title, loc="left")
    axes[0, 0].set_yticks(range(len(order)), order)
    axes[0, 0].invert_yaxis()
    figure.supxlabel(unit, fontsize=11)
    return figure


def _points(axis: Axes, table: pd.DataFrame) -> None:
    for place, (_, mean, half) in enumerate(table.itertuples()):
        colour = GREEN if mean == table["mean"].min() else BLUE
        axis.errorbar(mean, place, xerr=half, fmt="o", color=colour, capsize=4, linewidth=2)
        axis.annotate(f"{mean:+.1f}", (mean, place), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    axis.axvline(0, color=INK, linewidth=1)
    axis.margins(x=0.1, y=0.15)


def errors_along(table: pd.DataFrame, column: str, label: str, guesses: Mapping[str, Any]) -> Figure:
    """Where models are wrong: for tenths of a column, the median of guess minus label, a line a model."""
    courses = {
        name: _medians(table.assign(wrong=np.asarray(guess) - table[label]), column, "wrong")
        for name, guess in guesses.items()
    }
    told = "; ".join(
        f"{name}: {', '.join(f'{wrong:+.0f} at {place:.0f}' for place, wrong in zip(*course, strict=True))}"
        for name, course in courses.items()
    )
    figure, axes = open_figure(f"The median error along {column}. {told}", (WIDTH, 3.1))
    axis = axes[0, 0]
    for (name, course), colour in zip(courses.items(), (VIOLET, ORANGE, GREEN), strict=False):
        axis.plot(*course, "o-", color=colour, label=name)
    axis.axhline(0, color=INK, linewidth=1)
    axis.set(xlabel=column, ylabel=f"guess minus {label}, median")
    axis.legend(frameon=False)
    return figure
