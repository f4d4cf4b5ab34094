"""Cross validation of the built-in XGBoost, where `_kfold` asks for it: a model for each fold, and their means.

Log lines, metrics and artifacts are those of https://github.com/aws/sagemaker-xgboost-container.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms.job import UserError, say

PREDICTIONS = "predictions.csv"

# Settings and the matrices of a fold by their names -> its booster, and its metrics: {channel: {metric: values}}.
Fit = Callable[[dict[str, Any], dict[str, Any]], tuple[Any, dict[str, dict[str, list[float]]]]]


@dataclass(frozen=True)
class Folds:
    """count: of folds, in each of so many rounds."""

    count: int
    rounds: int = 1

    def train(self, settings: dict[str, Any], whole: Any, fit: Fit, output: Path) -> Iterator[Any]:
        """A booster for each fold of every round, each trained on the others'.

        whole: all rows, a DMatrix. output: the folder of the rows' predictions. UserError: there are too few rows.
        """
        rows, rounds = whole.num_row(), settings["num_round"]
        say(f"Run {self.rounds}-round of {self.count}-fold cross validation with {rows} rows")
        classes = settings.get("objective", "").startswith(("binary:", "multi:"))
        predictions = Predictions(whole.get_label(), classes)
        results = []
        for number, (rest, fold) in enumerate(self._split(whole, classes), start=1):
            say(f"Train cross validation fold {(number - 1) % self.count + 1}")
            data = {"train": whole.slice(rest), "validation": whole.slice(fold)}
            booster, result = fit(dict(settings), data)
            results.append(result)
            predictions.note(fold, booster.predict(data["validation"]))
            if number % self.count == 0:
                say(f"The metrics of round {number // self.count} cross validation")
                print(_means(rounds, results[-self.count :]), flush=True)
            yield booster
        if self.rounds > 1:
            say(f"The overall metrics of {self.rounds}-round cross validation")
            print(_means(rounds, results), flush=True)
        predictions.save(output)

    def _split(self, whole: Any, classes: bool) -> Iterator[tuple[Any, Any]]:
        """(rows to train on, rows to validate with); of classes each fold has its share."""
        from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

        kind = RepeatedStratifiedKFold if classes else RepeatedKFold
        splitter = kind(n_splits=self.count, n_repeats=self.rounds)
        try:
            yield from splitter.split(np.zeros(whole.num_row()), whole.get_label() if classes else None)
        except ValueError as error:
            raise UserError(f"_kfold {self.count}: {error}") from None


class Predictions:
    """What each row was predicted to be while it was left out: label, probability (of classes), prediction."""

    def __init__(self, labels: Any, classes: bool) -> None:
        """labels: (rows,)."""
        self._labels, self._classes = labels, classes
        self._found: list[list[tuple[float, float]]] = [[] for _ in labels]

    def note(self, rows: Any, scores: Any) -> None:
        """rows: (n,), their numbers. scores: (n,), or (n, classes)."""
        if scores.ndim > 1:
            values, chances = scores.argmax(axis=1), scores.max(axis=1)
        else:
            values, chances = (scores > 0.5) * 1.0 if self._classes else scores, scores
        for row, value, chance in zip(rows, values, chances, strict=True):
            self._found[row].append((float(value), float(chance)))

    def save(self, folder: Path) -> None:
        """A line of CSV a row: of several rounds the mean, of classes the most frequent."""
        folder.mkdir(parents=True, exist_ok=True)
        say(f"Storing predictions on validation set(s) in {folder / PREDICTIONS}")
        lines = [[label, *self._sum_up(found)] for label, found in zip(self._labels, self._found, strict=True)]
        np.savetxt(folder / PREDICTIONS, lines, delimiter=",", fmt="%f")

    def _sum_up(self, found: list[tuple[float, float]]) -> list[float]:
        values, chances = (np.array(side) for side in zip(*found, strict=True))
        if not self._classes:
            return [values.mean()]
        kinds, counts = np.unique(values, return_counts=True)
        return [chances.mean(), kinds[counts.argmax()]]


def _means(rounds: int, results: list[dict[str, dict[str, list[float]]]]) -> str:
    """A line of the log: the last value of every metric, in the mean of the folds."""
    parts = [
        f"{channel}-{metric}:{np.mean([result[channel][metric][-1] for result in results]):.5f}"
        for metric in results[0]["train"]
        for channel in ("train", "validation")
    ]
    return "#011".join([f"[{rounds}]", *parts])
