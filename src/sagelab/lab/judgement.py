"""How good a yes or no is: counts of right and wrong, recall and precision, and the threshold that costs least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sagelab.lab.pictures import BLUE, GREEN, GREY, INK, ORANGE, open_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]
STEPS = 199  # thresholds between 0 and 1 that are tried
SURE = 1.96  # standard errors that an interval of 95 % reaches to either side


@dataclass(frozen=True)
class Counts:
    """What became of positives and negatives: caught, missed, false alarms, and rightly left alone."""

    caught: int
    missed: int
    false_alarms: int
    left_alone: int

    @property
    def recall(self) -> float:
        """Of the positives, the share that was caught; NaN where there are none."""
        return _share(self.caught, self.caught + self.missed)

    @property
    def precision(self) -> float:
        """Of the alarms, the share that was right; NaN where there are none."""
        return _share(self.caught, self.caught + self.false_alarms)

    @property
    def accuracy(self) -> float:
        """Of all, the share that was told right."""
        everything = self.caught + self.missed + self.false_alarms + self.left_alone
        return _share(self.caught + self.left_alone, everything)

    def cost(self, miss: float, alarm: float) -> float:
        """What all of them cost, where one that is missed costs `miss` and each alarm, right or not, `alarm`."""
        return miss * self.missed + alarm * (self.caught + self.false_alarms)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def count(labels: Any, scores: Any, threshold: float = 0.5) -> Counts:
    """labels: (n,) of 0 and 1. scores: (n,); at the threshold or above it is an alarm."""
    positive, alarm = np.asarray(labels) == 1, np.asarray(scores) >= threshold
    pairs = [(positive, alarm), (positive, ~alarm), (~positive, alarm), (~positive, ~alarm)]
    return Counts(*(int((left & right).sum()) for left, right in pairs))


def interval(share: float, of: int) -> tuple[float, float]:
    """The 95 % interval of a share that was counted among `of` (Wilson's, which holds at its ends, too)."""
    middle = share + SURE**2 / (2 * of)
    half = SURE * np.sqrt(share * (1 - share) / of + SURE**2 / (4 * of**2))
    whole = 1 + SURE**2 / of
    return float((middle - half) / whole), float((middle + half) / whole)


def cheapest(labels: Any, scores: Any, miss: float, alarm: float) -> float:
    """The threshold at which these cost least; the middle of several that cost the same."""
    costs = _costs(labels, scores, miss, alarm)
    return float(np.median(_thresholds()[costs == costs.min()]))


def highest_with_recall(labels: Any, scores: Any, least: float) -> float:
    """The highest threshold at which the recall of these is still `least` or more."""
    positive = np.sort(np.asarray(scores)[np.asarray(labels) == 1])[::-1]
    return float(positive[int(np.ceil(least * len(positive) - 1e-9)) - 1])


def _thresholds() -> Array:
    return np.linspace(0, 1, STEPS + 2)[1:-1]


def _costs(labels: Any, scores: Any, miss: float, alarm: float) -> Array:
    return np.array([count(labels, scores, each).cost(miss, alarm) for each in _thresholds()])


def confusion(counts: Counts, positive: str, negative: str) -> Figure:
    """The four counts as a square, with the words for each."""
    rows = [(counts.caught, counts.missed), (counts.false_alarms, counts.left_alone)]
    words = [("true positive", "false negative: missed"), ("false positive: alarm", "true negative")]
    title = f"recall {counts.recall:.0%}, precision {counts.precision:.0%}, accuracy {counts.accuracy:.1%}"
    alt = (
        f"Confusion matrix: of {positive} {counts.caught} caught and {counts.missed} missed, of {negative} "
        f"{counts.false_alarms} false alarms and {counts.left_alone} left alone; {title}"
    )
    figure, axes = open_figure(alt, (5.2, 3.4))
    axis = axes[0, 0]
    axis.imshow([[0.35, 0.7], [0.7, 0.12]], cmap="Oranges", vmin=0, vmax=1.4, aspect="auto")
    for (row, column), number in np.ndenumerate(np.array(rows)):
        axis.text(column, row, f"{number:,}\n{words[row][column]}", ha="center", va="center", color=INK)
    axis.set(xticks=[0, 1], yticks=[0, 1], xlabel="what the model says", ylabel="what it is")
    axis.set_xticklabels([positive, negative])
    axis.set_yticklabels([positive, negative], rotation=90, va="center")
    axis.set_title(title, loc="left")
    axis.grid(visible=False)
    return figure


def thresholds(labels: Any, scores: Any, miss: float, alarm: float) -> Figure:
    """Recall and precision over the threshold, and beneath it what one that is missed and an alarm cost."""
    best, costs = cheapest(labels, scores, miss, alarm), _costs(labels, scores, miss, alarm)
    at = count(labels, scores, best)
    half = count(labels, scores)
    alt = (
        f"Recall and precision against the threshold, and the cost: lowest at {best:.2f}, {costs.min():,.0f} "
        f"dollars with recall {at.recall:.0%} and precision {at.precision:.0%}; at 0.5 "
        f"{half.cost(miss, alarm):,.0f} dollars"
    )
    figure, axes = open_figure(alt, (7.2, 4.8), 2, 1, sharex=True)
    every = [count(labels, scores, each) for each in _thresholds()]
    _rates(axes[0, 0], every)
    cost = axes[1, 0]
    cost.plot(_thresholds(), costs, color=INK, linewidth=2)
    cost.plot([best], [costs.min()], "o", color=GREEN, markersize=9)
    cost.annotate(f"{best:.2f}: ${costs.min():,.0f}", (best, costs.min()), (12, -16), textcoords="offset points")
    cost.set(xlabel="threshold: a score of this or more is an alarm", ylabel="cost (dollars)", ylim=(0, None))
    for axis in axes[:, 0]:
        axis.axvline(best, color=GREEN, linestyle="--", linewidth=1)
        axis.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
    return figure


def _rates(axis: Axes, every: list[Counts]) -> None:
    axis.plot(_thresholds(), [each.recall for each in every], color=BLUE, linewidth=2, label="recall")
    axis.plot(_thresholds(), [each.precision for each in every], color=ORANGE, linewidth=2, label="precision")
    axis.set(ylabel="share", ylim=(0, 1.03))
    axis.legend(frameon=False, loc="lower center", ncols=2)
