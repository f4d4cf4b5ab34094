"""Measures of bias between an advantaged and a disadvantaged group, by AWS's names and definitions.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-measure-data-bias.html
https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-measure-post-training-bias.html
Everything is an array of truth values, one a row: `low`, whether it is of the disadvantaged group; `label`,
whether its observed label is the positive one; `guess`, whether its predicted one is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Flags = np.ndarray[Any, np.dtype[np.bool_]]
NEIGHBOURS = 10


class NoMetric(Exception):
    """A metric has no value for this data; the text says why."""


@dataclass(frozen=True)
class Rows:
    """group: of a conditional disparity, a value a row. features: (rows, features), for the flip test."""

    low: Flags
    label: Flags
    guess: Flags | None = None
    group: Any = None
    features: Any = None

    @property
    def predicted(self) -> Flags:
        if self.guess is None:
            raise NoMetric("there are no predicted labels")
        return self.guess


def _share(part: Any, whole: Any) -> float:
    """NoMetric: of nothing there is no share."""
    if not np.sum(whole):
        raise NoMetric("a group, or one of its outcomes, has no rows")
    return float(np.sum(part) / np.sum(whole))


def _distributions(rows: Rows) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The shares of (negative, positive) labels of both groups."""
    high, low = _share(rows.label & ~rows.low, ~rows.low), _share(rows.label & rows.low, rows.low)
    return np.array([1 - high, high]), np.array([1 - low, low])


def _divergence(one: Any, other: Any) -> float:
    if np.any((one > 0) & (other == 0)):
        return float("inf")
    known = one > 0
    return float(np.sum(one[known] * np.log(one[known] / other[known])))


def class_imbalance(rows: Rows) -> float:
    return _share(~rows.low, np.ones(len(rows.low))) - _share(rows.low, np.ones(len(rows.low)))


def label_difference(rows: Rows) -> float:
    high, low = _distributions(rows)
    return float(high[1] - low[1])


def kullback_leibler(rows: Rows) -> float:
    return _divergence(*_distributions(rows))


def jensen_shannon(rows: Rows) -> float:
    high, low = _distributions(rows)
    middle = (high + low) / 2
    return (_divergence(high, middle) + _divergence(low, middle)) / 2


def lp_norm(rows: Rows) -> float:
    high, low = _distributions(rows)
    return float(np.linalg.norm(high - low))


def total_variation(rows: Rows) -> float:
    high, low = _distributions(rows)
    return float(np.abs(high - low).sum() / 2)


def kolmogorov_smirnov(rows: Rows) -> float:
    high, low = _distributions(rows)
    return float(np.abs(high - low).max())


def _disparity(rows: Rows, outcome: Flags) -> float:
    """The conditional demographic disparity of an outcome, over the groups."""
    if rows.group is None:
        raise NoMetric("Group variable is empty or not provided")
    groups, found = np.asarray(rows.group), 0.0
    for one in np.unique(groups):
        inside = groups == one
        rejected, accepted = inside & ~outcome, inside & outcome
        lost = _share(rejected & rows.low, rejected) if rejected.any() else 0.0
        won = _share(accepted & rows.low, accepted) if accepted.any() else 0.0
        found += inside.sum() / len(groups) * (lost - won)
    return float(found)


def _by_group(rows: Rows, part: Callable[[Flags, Flags], Flags], whole: Callable[[Flags, Flags], Flags]) -> Any:
    """The share of `part` in `whole` of the advantaged and of the disadvantaged group."""
    of, out = part(rows.label, rows.predicted), whole(rows.label, rows.predicted)
    return _share(of & ~rows.low, out & ~rows.low), _share(of & rows.low, out & rows.low)


def _everyone(label: Flags, _guess: Flags) -> Flags:
    return np.ones(len(label), bool)


def positive_difference(rows: Rows) -> float:
    high, low = _by_group(rows, lambda _, guess: guess, _everyone)
    return float(high - low)


def disparate_impact(rows: Rows) -> float:
    high, low = _by_group(rows, lambda _, guess: guess, _everyone)
    if not high:
        raise NoMetric("nobody of the advantaged group is predicted positive")
    return float(low / high)


def _observed_over_predicted(rows: Rows, outcome: Callable[[Flags], Flags]) -> tuple[float, float]:
    label, guess = outcome(rows.label), outcome(rows.predicted)
    return _share(label & ~rows.low, guess & ~rows.low), _share(label & rows.low, guess & rows.low)


def conditional_acceptance(rows: Rows) -> float:
    high, low = _observed_over_predicted(rows, lambda flags: flags)
    return high - low


def conditional_rejection(rows: Rows) -> float:
    high, low = _observed_over_predicted(rows, lambda flags: ~flags)
    return low - high


def recall_difference(rows: Rows) -> float:
    high, low = _by_group(rows, lambda label, guess: label & guess, lambda label, _: label)
    return float(high - low)


def specificity_difference(rows: Rows) -> float:
    high, low = _by_group(rows, lambda label, guess: ~label & ~guess, lambda label, _: ~label)
    return float(low - high)


def acceptance_difference(rows: Rows) -> float:
    high, low = _by_group(rows, lambda label, guess: label & guess, lambda _, guess: guess)
    return float(high - low)


def rejection_difference(rows: Rows) -> float:
    high, low = _by_group(rows, lambda label, guess: ~label & ~guess, lambda _, guess: ~guess)
    return float(low - high)


def accuracy_difference(rows: Rows) -> float:
    high, low = _by_group(rows, lambda label, guess: label == guess, _everyone)
    return float(high - low)


def treatment_equality(rows: Rows) -> float:
    """False negatives over false positives, of the disadvantaged less of the advantaged group."""
    missed, wrong = rows.label & ~rows.predicted, ~rows.label & rows.predicted
    return _share(missed & rows.low, wrong & rows.low) - _share(missed & ~rows.low, wrong & ~rows.low)


def flip_test(rows: Rows) -> float:
    """Whether those most like a disadvantaged person, of the other group, are answered otherwise."""
    from sklearn.neighbors import NearestNeighbors

    if rows.features is None:
        raise NoMetric("there are no features of numbers")
    others = rows.features[~rows.low]
    if len(others) == 0 or not rows.low.any():
        raise NoMetric("a group has no rows")
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(others))).fit(others)
    answers = rows.predicted[~rows.low][near.kneighbors(rows.features[rows.low], return_distance=False)]
    most, own = answers.mean(axis=1) > 0.5, rows.predicted[rows.low]
    return float(((most & ~own).sum() - (~most & own).sum()) / len(own))


def generalized_entropy(rows: Rows) -> float:
    """The index with alpha 2 of benefits: 1 where an answer is right, 2 where it flatters, 0 where it wrongs."""
    benefit = rows.predicted.astype(float) - rows.label.astype(float) + 1
    if not benefit.mean():
        raise NoMetric("every answer wrongs somebody")
    return float((((benefit / benefit.mean()) ** 2) - 1).mean() / 2)


Metric = tuple[str, Callable[[Rows], float]]
BEFORE: dict[str, Metric] = {
    "CDDL": ("Conditional Demographic Disparity in Labels (CDDL)", lambda rows: _disparity(rows, rows.label)),
    "CI": ("Class Imbalance (CI)", class_imbalance),
    "DPL": ("Difference in Positive Proportions in Labels (DPL)", label_difference),
    "JS": ("Jensen-Shannon Divergence (JS)", jensen_shannon),
    "KL": ("Kullback-Liebler Divergence (KL)", kullback_leibler),
    "KS": ("Kolmogorov-Smirnov Distance (KS)", kolmogorov_smirnov),
    "LP": ("L-p Norm (LP)", lp_norm),
    "TVD": ("Total Variation Distance (TVD)", total_variation),
}
AFTER: dict[str, Metric] = {
    "AD": ("Accuracy Difference (AD)", accuracy_difference),
    "CDDPL": (
        "Conditional Demographic Disparity in Predicted Labels (CDDPL)",
        lambda rows: _disparity(rows, rows.predicted),
    ),
    "DAR": ("Difference in Acceptance Rates (DAR)", acceptance_difference),
    "DCA": ("Difference in Conditional Acceptance (DCA)", conditional_acceptance),
    "DCR": ("Difference in Conditional Rejection (DCR)", conditional_rejection),
    "DI": ("Disparate Impact (DI)", disparate_impact),
    "DPPL": ("Difference in Positive Proportions in Predicted Labels (DPPL)", positive_difference),
    "DRR": ("Difference in Rejection Rates (DRR)", rejection_difference),
    "FT": ("Flip Test (FT)", flip_test),
    "GE": ("Generalized Entropy (GE)", generalized_entropy),
    "RD": ("Recall Difference (RD)", recall_difference),
    "SD": ("Specificity Difference (SD)", specificity_difference),
    "TE": ("Treatment Equality (TE)", treatment_equality),
}
FAIR = {"DI": 1.0}  # the value without bias, where it is not 0


def measure(names: list[str], table: dict[str, Metric], rows: Rows) -> list[dict[str, Any]]:
    """The metrics as analysis.json has them; one without a value says why."""
    found = []
    for name in names:
        description, function = table[name]
        row: dict[str, Any] = {"name": name, "description": description}
        try:
            value = function(rows)
            row["value"] = value if np.isfinite(value) else str(value).replace("inf", "Infinity")
        except NoMetric as error:
            row |= {"value": None, "error": str(error)}
        found.append(row)
    return found
