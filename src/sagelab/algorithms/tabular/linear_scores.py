"""How good a linear model's answers are, by the names that Linear Learner's log has for it.

https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Scores = list[tuple[str, float, bool]]  # name, value, whether it is a loss


def of_numbers(labels: Any, found: Any) -> Scores:
    """labels, found: (rows,)."""
    away = found - labels
    mse = float(np.mean(away**2))
    return [("mse", mse, True), ("absolute_loss", float(np.abs(away).mean()), True), ("rmse", mse**0.5, True)]


def of_two_classes(labels: Any, scores: Any, threshold: float, beta: float) -> Scores:
    """labels: 0 or 1, scores: (rows,), of which those above the threshold are of class 1."""
    from sklearn.metrics import roc_auc_score

    found, own = scores > threshold, labels == 1
    precision, recall = _share(found & own, found), _share(found & own, own)
    both = [
        ("binary_classification_accuracy", float((found == own).mean()), False),
        (f"binary_f_{beta:.3f}", f_beta(precision, recall, beta), False),
        ("precision", precision, False),
        ("recall", recall, False),
    ]
    if own.all() or not own.any():
        return both  # no area without two classes
    return [*both, ("roc_auc_score", float(roc_auc_score(own, scores)), False)]


def of_classes(labels: Any, scores: Any, top: int, beta: float) -> Scores:
    """labels: (rows,), numbers of classes. scores: (rows, classes)."""
    classes = np.arange(scores.shape[1])
    found = scores.argmax(axis=1)
    ranks = (scores > scores[np.arange(len(scores)), labels][:, None]).sum(axis=1)
    own, as_such = labels[:, None] == classes, found[:, None] == classes
    hits, there, told = (own & as_such).sum(axis=0), own.sum(axis=0), as_such.sum(axis=0)
    recalls, precisions = hits / np.maximum(there, 1), hits / np.maximum(told, 1)
    recall, precision = float(recalls.mean()), float(precisions.mean())
    parts = [f_beta(*pair, beta) for pair in zip(precisions.tolist(), recalls.tolist(), strict=True)]
    return [
        ("multiclass_accuracy", float((found == labels).mean()), False),
        (f"multiclass_top_k_accuracy_{top}", float((ranks < top).mean()), False),
        ("dcg", float((1 / np.log2(ranks + 2)).mean()), False),
        ("macro_recall", recall, False),
        ("macro_precision", precision, False),
        (f"macro_f_{beta:.3f}", float(np.mean(parts)), False),
    ]


def f_beta(precision: float, recall: float, beta: float) -> float:
    weighed = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / weighed if weighed else 0.0


def choose_threshold(labels: Any, scores: Any, criterion: str, goal: float, beta: float) -> tuple[float, float]:
    """(threshold, how good it is) of the best by a criterion of Linear Learner's, other than loss_function.

    goal: the recall or precision that must be reached, where the criterion names one.
    """
    best = max(_thresholds(labels, scores, criterion, goal, beta), key=lambda one: (one[1], one[2]))
    return best[0], best[2]


def _thresholds(
    labels: Any, scores: Any, criterion: str, goal: float, beta: float
) -> Iterator[tuple[float, bool, float]]:
    """(threshold, whether it reaches the goal, how good it is) between each two scores."""
    order = np.argsort(-scores)
    ranked, own = scores[order], labels[order] == 1
    hits, told = np.cumsum(own), np.arange(1, len(own) + 1)
    recalls, precisions = hits / max(1, int(own.sum())), hits / told
    right = hits + (len(own) - own.sum()) - (told - hits)
    ends = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True))
    for end in ends.tolist():
        below = ranked[end + 1] if end + 1 < len(ranked) else ranked[end] - 1.0
        threshold = float((ranked[end] + below) / 2)
        precision, recall = float(precisions[end]), float(recalls[end])
        if criterion == "precision_at_target_recall":
            yield threshold, recall >= goal, precision
        elif criterion == "recall_at_target_precision":
            yield threshold, precision >= goal, recall
        elif criterion in ("f1", "f_beta"):
            yield threshold, True, f_beta(precision, recall, beta if criterion == "f_beta" else 1.0)
        else:
            yield threshold, True, float(right[end]) / len(own)


def _share(part: Any, whole: Any) -> float:
    count = int(whole.sum())
    return int(part.sum()) / count if count else 0.0
