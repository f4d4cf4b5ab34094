"""What the platform knows of the algorithms for rows of numbers: their metrics, and what may be tuned.

https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html and its neighbours (fm-tuning,
kNN-tuning, k-means-tuning, random-cut-forest-tuning).
"""

from __future__ import annotations

from sagelab.algorithms.definition import LOSS, RUNNING, SCORE, Definition, Range, each, objectives, quality

_LINEAR = {
    "absolute_loss": ("absolute_loss", LOSS),
    "binary_classification_accuracy": ("binary_classification_accuracy", SCORE),
    "binary_f_beta": (r"binary_f_\S+", SCORE),
    "dcg": ("dcg", SCORE),
    "macro_f_beta": (r"macro_f_\S+", SCORE),
    "macro_precision": ("macro_precision", SCORE),
    "macro_recall": ("macro_recall", SCORE),
    "mse": ("mse", LOSS),
    "multiclass_accuracy": ("multiclass_accuracy", SCORE),
    "multiclass_top_k_accuracy": (r"multiclass_top_k_accuracy_\S+", SCORE),
    "precision": ("precision", SCORE),
    "recall": ("recall", SCORE),
    "rmse": ("rmse", LOSS),
    "roc_auc_score": ("roc_auc_score", SCORE),
}
_OF_LINEAR = (
    *RUNNING,
    *(
        quality(f"{channel}:objective_loss", rf"{channel} \S+_objective", LOSS, epoch=True)
        for channel in ("train", "validation")
    ),
    *(
        quality(f"{channel}:objective_loss:final", rf"{channel} \S+_objective", LOSS)
        for channel in ("train", "validation")
    ),
    quality("test:objective_loss", r"test \S+_objective", LOSS),
    *each(("train", "validation", "test"), _LINEAR),
)
_SMALL, _LARGE = 1e-7, 1.0

NUMERIC = {
    "sagelab.algorithms.linear_learner": Definition(
        _OF_LINEAR,
        objectives(_OF_LINEAR, "validation", "test"),
        {
            "wd": Range(_SMALL, _LARGE),
            "l1": Range(_SMALL, _LARGE),
            "learning_rate": Range(1e-5, 1.0),
            "mini_batch_size": Range(100, 5000, whole=True),
            "use_bias": ("true", "false", "True", "False"),
            "positive_example_weight_mult": Range(1e-5, 1e5),
        },
    ),
}
