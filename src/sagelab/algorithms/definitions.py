"""What a built-in algorithm's log is read for, where a job runs one: its metrics, by the names that SageMaker has.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
"""

from __future__ import annotations

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
_BY_MODULE = {"sagelab.algorithms.xgboost": (*XGBOOST, *XGBOOST_SCORES)}


def definitions(module: str, between: str = "#011") -> list[dict[str, str]]:
    """MetricDefinitions of the algorithm that a module is. between: what stands between two metrics of a line."""
    return [
        {"Name": f"{channel}:{metric}", "Regex": rf".*\[[0-9]+\].*{between}{channel}-{metric}:{_NUMBER}.*"}
        for channel in ("train", "validation")
        for metric in _BY_MODULE[module]
    ]
