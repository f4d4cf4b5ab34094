"""The metrics of SageMaker's XGBoost that its container computes with scikit-learn.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sagelab.algorithms.definitions import XGBOOST, XGBOOST_SCORES

Score = Callable[[Any, Any], float]


def _score(name: str, **how: Any) -> Score:
    """A score of scikit-learn's."""

    def score(labels: Any, predictions: Any) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(labels, predictions, **how))

    return score


_averaged = {
    f"{kind}_{average}": _score(f"{kind}_score", average=average, zero_division=0)
    for kind in ("precision", "recall")
    for average in ("macro", "micro")
}
CUSTOM: dict[str, Score] = {
    "accuracy": _score("accuracy_score"),
    "balanced_accuracy": _score("balanced_accuracy_score"),
    "f1": _score("f1_score", average="macro"),
    "f1_binary": _score("f1_score", average="binary"),
    "f1_macro": _score("f1_score", average="macro"),
    "mse": _score("mean_squared_error"),
    "precision": _score("precision_score", zero_division=0),
    "r2": _score("r2_score"),
    "recall": _score("recall_score", zero_division=0),
    **_averaged,
}
NUMBERS = ("mse", "r2")  # of numbers; the others of classes
KNOWN = (*XGBOOST, *XGBOOST_SCORES)


def combined(names: list[str], objective: str) -> Callable[[Any, Any], list[tuple[str, float]]]:
    """xgboost's custom_metric for these of CUSTOM."""

    def compute(predictions: Any, data: Any) -> list[tuple[str, float]]:
        labels, found = data.get_label(), np.asarray(predictions)
        classes = classes_of(found, objective)
        return [(name, CUSTOM[name](labels, found if name in NUMBERS else classes)) for name in names]

    return compute


def classes_of(predictions: Any, objective: str) -> Any:
    """(rows,) classes, of what xgboost predicts with an objective: probabilities, margins or classes."""
    if predictions.ndim > 1:
        return predictions.argmax(axis=-1)
    if objective in ("binary:logitraw", "binary:hinge"):
        return (predictions > 0).astype(int)
    return predictions.astype(int) if objective == "multi:softmax" else (predictions > 0.5).astype(int)
