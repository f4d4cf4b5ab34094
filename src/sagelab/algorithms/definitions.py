"""What the platform knows of a built-in algorithm: what its log is read for, and what a tuning job may search.

Metrics have the names and expressions that SageMaker describes such jobs with.
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
"""

from __future__ import annotations

from sagelab.algorithms.definition import Definition
from sagelab.algorithms.tabular.numeric_definitions import NUMERIC
from sagelab.algorithms.text.text_definitions import TEXT
from sagelab.algorithms.vision.vision_definitions import VISION

# Those of xgboost's own, and those that are computed with scikit-learn.
XGBOOST = (
    *("aft-nloglik", "auc", "aucpr", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "logloss", "mae"),
    *("interval-regression-accuracy", "map", "mape", "merror", "mlogloss", "mphe", "ndcg", "poisson-nloglik"),
    *("rmse", "rmsle", "tweedie-nloglik"),
)
XGBOOST_SCORES = (
    *("accuracy", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "mse", "precision", "precision_macro"),
    *("precision_micro", "r2", "recall", "recall_macro", "recall_micro"),
)
TAB = "(?:#011|\\t)"  # of xgboost's own lines, which a script prints
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


KNOWN: dict[str, Definition] = {**NUMERIC, **TEXT, **VISION}


def known(module: str) -> Definition | None:
    """What is known of a built-in algorithm of Amazon's own; None for XGBoost, which takes what xgboost takes."""
    return KNOWN.get(module)


def definitions(module: str, between: str = "#011") -> list[dict[str, str]]:
    """MetricDefinitions of the algorithm that a module is. between: what stands between two metrics of a line."""
    if found := known(module):
        return [{"Name": name, "Regex": expression} for name, expression in found.metrics]
    return [
        {"Name": f"{channel}:{metric}", "Regex": rf".*\[[0-9]+\].*{between}{channel}-{metric}:{_NUMBER}.*"}
        for channel in ("train", "validation")
        for metric in (*XGBOOST, *XGBOOST_SCORES)
    ]
