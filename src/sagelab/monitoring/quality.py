"""How good a model's predictions are beside what was true: the metrics of Model Monitor, and their constraints.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics

from sagelab.algorithms.job import UserError
from sagelab.monitoring.settings import BINARY, MULTICLASS, REGRESSION

GROUPS = {REGRESSION: "regression", BINARY: "binary_classification", MULTICLASS: "multiclass_classification"}
LESS, GREATER = "LessThanThreshold", "GreaterThanThreshold"
ASKED = {
    REGRESSION: {"mae": GREATER, "mse": GREATER, "rmse": GREATER, "r2": LESS},
    BINARY: {
        **dict.fromkeys(("recall", "precision", "accuracy", "true_positive_rate", "true_negative_rate"), LESS),
        **dict.fromkeys(("false_positive_rate", "false_negative_rate"), GREATER),
        **dict.fromkeys(("auc", "f0_5", "f1", "f2"), LESS),
    },
    MULTICLASS: dict.fromkeys(
        ("accuracy", "weighted_recall", "weighted_precision", "weighted_f0_5", "weighted_f1", "weighted_f2"), LESS
    ),
}
ENOUGH, SHARE, ROUNDS = 200, 0.8, 5  # rows for a standard deviation, and of what it is made
BETAS = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}
Scores = dict[str, float]


def describe(problem: str, pairs: pd.DataFrame) -> dict[str, Any]:
    """statistics.json of predictions.

    pairs: columns "truth" and "prediction", numbers or, of several classes, texts; of two classes also
    "probability", where there is one.
    """
    score: Callable[[pd.DataFrame], Scores] = {REGRESSION: _errors, BINARY: _two, MULTICLASS: _several}[problem]
    found: dict[str, Any] = {} if problem == REGRESSION else {"confusion_matrix": _confusion(pairs)}
    deviations = _deviations(score, pairs)
    found |= {
        name: {"value": value, "standard_deviation": deviations.get(name, "NaN")}
        for name, value in score(pairs).items()
    }
    if problem == BINARY and "probability" in pairs and pairs["truth"].nunique() > 1:
        found |= _curves(pairs)
    return {"version": 0.0, "dataset": {"item_count": len(pairs)}, f"{GROUPS[problem]}_metrics": found}


def suggest(problem: str, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """constraints.json of a baseline: no metric is to be worse than it was there."""
    scores = statistics[f"{GROUPS[problem]}_metrics"]
    asked = {
        name: {"threshold": scores[name]["value"], "comparison_operator": operator}
        for name, operator in ASKED[problem].items()
        if name in scores
    }
    return {"version": 0.0, f"{GROUPS[problem]}_constraints": asked}


def violations(
    problem: str, statistics: Mapping[str, Any], constraints: Mapping[str, Any]
) -> list[dict[str, str]]:
    """constraint_violations.json's list. UserError: the constraints are of another problem."""
    asked = constraints.get(f"{GROUPS[problem]}_constraints")
    if asked is None:
        raise UserError(f"The baseline's constraints have no {GROUPS[problem]}_constraints")
    scores, found = statistics[f"{GROUPS[problem]}_metrics"], []
    for name, one in asked.items():
        operator, threshold = one.get("comparison_operator"), one.get("threshold")
        if name not in scores or "value" not in scores[name] or threshold is None:
            continue
        value, deviation = scores[name]["value"], scores[name]["standard_deviation"]
        if value < float(threshold) if operator == LESS else value > float(threshold):
            words = f"Metric {name} with {value} +/- {deviation} was {operator} '{threshold}'"
            found.append({"constraint_check_type": operator, "description": words, "metric_name": name})
    return found


def _errors(pairs: pd.DataFrame) -> Scores:
    truth, prediction = pairs["truth"], pairs["prediction"]
    mse = float(metrics.mean_squared_error(truth, prediction))
    r2 = float(metrics.r2_score(truth, prediction)) if len(pairs) > 1 else math.nan
    mae = float(metrics.mean_absolute_error(truth, prediction))
    return {"mae": mae, "mse": mse, "rmse": math.sqrt(mse), "r2": r2}


def _two(pairs: pd.DataFrame) -> Scores:
    scores = _of_class(pairs["truth"], pairs["prediction"])
    negatives, positives = pairs["truth"] == 0, pairs["truth"] == 1
    false_positive = float((pairs["prediction"][negatives] == 1).mean()) if negatives.any() else 0.0
    rates = {
        "true_positive_rate": scores["recall"],
        "true_negative_rate": 1.0 - false_positive if negatives.any() else 0.0,
        "false_positive_rate": false_positive,
        "false_negative_rate": 1.0 - scores["recall"] if positives.any() else 0.0,
    }
    constant = _of_class(pairs["truth"], pd.Series(1, index=pairs.index))
    found = scores | rates | {f"{name}_best_constant_classifier": value for name, value in constant.items()}
    if "probability" in pairs and pairs["truth"].nunique() > 1:
        found["auc"] = float(metrics.roc_auc_score(pairs["truth"], pairs["probability"]))
        precisions, recalls, _ = metrics.precision_recall_curve(pairs["truth"], pairs["probability"])
        found["au_prc"] = float(metrics.auc(recalls, precisions))
    return found


def _of_class(truth: pd.Series[Any], prediction: pd.Series[Any]) -> Scores:
    found = {
        "recall": metrics.recall_score(truth, prediction, zero_division=0.0),
        "precision": metrics.precision_score(truth, prediction, zero_division=0.0),
        "accuracy": metrics.accuracy_score(truth, prediction),
    } | {
        name: metrics.fbeta_score(truth, prediction, beta=beta, zero_division=0.0) for name, beta in BETAS.items()
    }
    return {name: float(value) for name, value in found.items()}


def _several(pairs: pd.DataFrame) -> Scores:
    truth = pairs["truth"]
    constant = pd.Series(truth.mode().iloc[0], index=pairs.index)
    found = {}
    for suffix, prediction in (("", pairs["prediction"]), ("_best_constant_classifier", constant)):
        found[f"accuracy{suffix}"] = metrics.accuracy_score(truth, prediction)
        options: dict[str, Any] = {"average": "weighted", "zero_division": 0.0}
        found[f"weighted_recall{suffix}"] = metrics.recall_score(truth, prediction, **options)
        found[f"weighted_precision{suffix}"] = metrics.precision_score(truth, prediction, **options)
        for name, beta in BETAS.items():
            found[f"weighted_{name}{suffix}"] = metrics.fbeta_score(truth, prediction, beta=beta, **options)
    return {name: float(value) for name, value in found.items()}


def _deviations(score: Callable[[pd.DataFrame], Scores], pairs: pd.DataFrame) -> Scores:
    """Metric -> the standard deviation of it over parts of the rows; none of too few rows."""
    if len(pairs) < ENOUGH:
        return {}
    parts = [score(pairs.sample(frac=SHARE, random_state=number)) for number in range(ROUNDS)]
    names = set.intersection(*(set(part) for part in parts))
    return {name: float(np.std([part[name] for part in parts])) for name in names}


def _confusion(pairs: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Truth -> prediction -> how many."""
    labels = sorted({*pairs["truth"], *pairs["prediction"]})
    counts = metrics.confusion_matrix(pairs["truth"], pairs["prediction"], labels=labels)
    return {
        str(truth): {str(label): int(count) for label, count in zip(labels, row, strict=True)}
        for truth, row in zip(labels, counts, strict=True)
    }


def _curves(pairs: pd.DataFrame) -> dict[str, Any]:
    truth, probability = pairs["truth"], pairs["probability"]
    false_rates, true_rates, _ = metrics.roc_curve(truth, probability)
    precisions, recalls, _ = metrics.precision_recall_curve(truth, probability)
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": false_rates.tolist(),
            "true_positive_rates": true_rates.tolist(),
        },
        "precision_recall_curve": {"precisions": precisions.tolist(), "recalls": recalls.tolist()},
    }
