"""What the platform knows of the algorithms for rows of numbers: their metrics, and what may be tuned.

https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html and its neighbours (fm-tuning,
kNN-tuning, k-means-tuning, random-cut-forest-tuning).
"""

from __future__ import annotations

from dataclasses import replace

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
_OF_KMEANS = (
    *RUNNING,
    *each(("train", "test"), {"msd": ("msd", LOSS), "ssd": ("ssd", LOSS)}),
)
# This one prints neither <score> nor <loss>.
_OF_KNN = (
    *RUNNING,
    ("test:accuracy", r"#quality_metric: host=\S+, test accuracy=(\S+)"),
    ("test:mse", r"#quality_metric: host=\S+, test mse=(\S+)"),
)
_OF_FOREST = (*RUNNING, *each(("test",), {"f1": ("f1", SCORE), "accuracy": ("accuracy", SCORE)}))
_MACHINES = {
    "rmse": ("rmse", LOSS),
    "mse": ("mse", LOSS),
    "absolute_loss": ("absolute_loss", LOSS),
    "binary_classification_accuracy": ("binary_classification_accuracy", SCORE),
    "binary_classification_cross_entropy": ("binary_classification_cross_entropy", LOSS),
    "binary_f_beta": (r"binary_f_\S+", SCORE),
}
_OF_MACHINES = (*RUNNING, *each(("train", "test"), _MACHINES))
_SMALL, _LARGE, _WIDE = 1e-7, 1.0, Range(1e-8, 512)

_NUMERIC = {
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
    "sagelab.algorithms.kmeans": Definition(
        _OF_KMEANS,
        objectives(_OF_KMEANS, "test"),
        {
            "epochs": Range(1, 10, whole=True),
            "extra_center_factor": Range(4, 10, whole=True),
            "init_method": ("kmeans++", "random"),
            "mini_batch_size": Range(3000, 15000, whole=True),
        },
    ),
    "sagelab.algorithms.pca": Definition(RUNNING),
    "sagelab.algorithms.knn": Definition(
        _OF_KNN,
        objectives(_OF_KNN, "test"),
        {"k": Range(1, 1024, whole=True), "sample_size": Range(256, 20_000_000, whole=True)},
    ),
    "sagelab.algorithms.randomcutforest": Definition(
        _OF_FOREST,
        ("test:f1",),
        {"num_samples_per_tree": Range(1, 2048, whole=True), "num_trees": Range(50, 1000, whole=True)},
    ),
    "sagelab.algorithms.factorization_machines": Definition(
        _OF_MACHINES,
        tuple(f"test:{name}" for name in ("rmse", *(name for name in _MACHINES if name.startswith("binary")))),
        {
            **{
                f"{part}_{what}": _WIDE
                for part in ("bias", "factors", "linear")
                for what in ("init_scale", "init_sigma", "init_value", "lr", "wd")
            },
            "epochs": Range(1, 1000, whole=True),
            "mini_batch_size": Range(100, 10_000, whole=True),
        },
    ),
}
# They train in one go: none of them leaves checkpoints.
NUMERIC = {module: replace(found, checkpoints=False) for module, found in _NUMERIC.items()}
