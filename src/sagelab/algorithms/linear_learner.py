"""Linear Learner: numbers, two classes or several by a linear model, the best of many that are trained at once.

Hyperparameters, channels, lines of the log and answers are those of
https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html; linear_training.py trains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import answers, channels, hyperparameters, ndarrays, program
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import auto, boolean, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.linear_training import BINARY, LOSSES, MULTICLASS, REGRESSOR, Linear, Training
from sagelab.algorithms.parameters import choice, integer, number
from sagelab.algorithms.tables import Table

MODEL, PARTS = "model_algo-1", ("mx-mod-0000.params", "additional-params.json")
CHANNELS = ("train", "validation", "test")
LARGEST = 1 << 30  # bytes of one part of a model
CRITERIA = (
    *("accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision", "loss_function", "f1"),
)
HYPERPARAMETERS = {
    "predictor_type": required(choice(REGRESSOR, BINARY, MULTICLASS)),
    "num_classes": auto(integer(3, 1_000_000)),
    "accuracy_top_k": optional(integer(1), 3),
    "balance_multiclass_weights": optional(boolean(), False),
    "beta_1": auto(number(0, 1, inside="[)"), 0.9),
    "beta_2": auto(number(0, 1, inside="[)"), 0.999),
    "bias_lr_mult": auto(number(0, inside="(]"), 1.0),
    "bias_wd_mult": auto(number(0), 0.0),
    "binary_classifier_model_selection_criteria": optional(choice(*CRITERIA), "accuracy"),
    "early_stopping_patience": optional(integer(1), 3),
    "early_stopping_tolerance": optional(number(0, inside="(]"), 0.001),
    "epochs": optional(integer(1), 15),
    "f_beta": optional(number(0, inside="(]"), 1.0),
    "feature_dim": auto(integer(1)),
    "huber_delta": optional(number(0, inside="(]"), 1.0),
    "init_bias": optional(number(), 0.0),
    "init_method": optional(choice("uniform", "normal"), "uniform"),
    "init_scale": optional(number(0, inside="(]"), 0.07),
    "init_sigma": optional(number(0, inside="(]"), 0.01),
    "l1": auto(number(0)),
    "learning_rate": auto(number(0, inside="(]")),
    "loss": auto(choice("logistic", *LOSSES[REGRESSOR], "hinge_loss", "softmax_loss")),
    "loss_insensitivity": optional(number(0, inside="(]"), 0.01),
    "lr_scheduler_factor": auto(number(0, 1, inside="()"), 0.99),
    "lr_scheduler_minimum_lr": auto(number(0, inside="(]"), 1e-5),
    "lr_scheduler_step": auto(integer(1), 100),
    "margin": optional(number(0, inside="(]"), 1.0),
    "mini_batch_size": optional(integer(1), 1000),
    "momentum": auto(number(0, 1, inside="[)"), 0.0),
    "normalize_data": auto(boolean(), True),
    "normalize_label": auto(boolean()),
    "num_calibration_samples": auto(integer(1), 10_000_000),
    "num_models": auto(integer(1), 32),
    "num_point_for_scaler": optional(integer(1), 10_000),
    "optimizer": auto(choice("sgd", "adam", "rmsprop"), "adam"),
    "positive_example_weight_mult": optional(hyperparameters.either("balanced", number(0, inside="(]")), 1.0),
    "quantile": optional(number(0, 1, inside="()"), 0.5),
    "target_precision": optional(number(0, 1, inside="()"), 0.8),
    "target_recall": optional(number(0, 1, inside="()"), 0.8),
    "unbias_data": auto(boolean(), True),
    "unbias_label": auto(boolean()),
    "use_bias": optional(boolean(), True),
    "use_lr_scheduler": optional(boolean(), True),
    "wd": auto(number(0)),
}


def train(job: Job) -> None:
    """Train on the channels, leave the model. UserError: what the user has to put right."""
    settings = hyperparameters.read(job.config("hyperparameters"), HYPERPARAMETERS)
    if settings["predictor_type"] == MULTICLASS and settings["num_classes"] is None:
        raise UserError(
            "num_classes is a required hyperparameter when predictor_type is 'multiclass_classifier'."
            f" {hyperparameters.WHY}"
        )
    channels.require(job, "train")
    training = Training(settings, job.hosts[0])
    read = {name: channels.read(job, name, labelled=True, width=settings["feature_dim"]) for name in CHANNELS}
    data = {name: _checked(name, table, settings) for name, table in read.items() if table is not None}
    if len({table.features.shape[1] for table in data.values()}) > 1:
        raise UserError("The channels have rows of different lengths.")
    if len(data["train"].labels) < settings["mini_batch_size"]:
        raise UserError(
            "No training data processed. Either the training channel is empty or the mini-batch size is too high."
            " Verify that training data contains non-empty files and the mini-batch size is less than the number"
            " of records per training host."
        )
    with training.threads(data["train"]):
        model = training.run(data)
    for name, table in data.items():
        _report(name, training, model, table, job.hosts[0])
    if "test" not in data:
        program.line("Test data is not provided.")
    _save(model, job.model / MODEL)


def _checked(channel: str, table: Table, settings: dict[str, Any]) -> Table:
    """UserError: a label is none of the classes."""
    labels, kind = np.asarray(table.labels, np.float64), settings["predictor_type"]
    if not np.isfinite(labels).all():
        raise UserError(f"A label of channel '{channel}' is no finite number.")
    classes = {REGRESSOR: None, BINARY: 2, MULTICLASS: settings["num_classes"]}[kind]
    if classes and not ((labels >= 0) & (labels < classes) & (labels == np.floor(labels))).all():
        wrong = labels[~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))][0]
        raise UserError(
            f"The label {wrong:g} of channel '{channel}' is out of range: labels of a {kind} must be integers"
            f" between 0 and {classes - 1}."
        )
    return Table(table.features, labels)


def _report(channel: str, training: Training, model: Linear, table: Table, host: str) -> None:
    scores = training.score(model, table)
    for name, value, _ in scores:
        program.line(f"#{channel}_score ({host}) : {(name, value)}")
    for name, value, loss in scores:
        program.quality(host, f"{channel} {name}", value, loss=loss)


def _save(model: Linear, file: Path) -> None:
    """As AWS's: a zip file with arrays of MXNet's, (outputs, features) and (outputs,), and what else there is."""
    arrays = {
        "arg:fc0_weight": model.weights.T.astype(np.float32, order="C"),
        "arg:fc0_bias": model.bias.astype(np.float32),
    }
    extra = {"predictor_type": model.kind, "threshold": model.threshold, "hinge": model.hinge}
    ndarrays.save(file, PARTS, arrays, extra)


def read_model(file: Path) -> Linear:
    """A model as it was saved. ValueError, KeyError: it is none."""
    arrays, extra = ndarrays.load(file, PARTS, LARGEST)
    weights, bias = arrays["arg:fc0_weight"].T, arrays["arg:fc0_bias"]
    if weights.ndim != 2 or bias.shape != weights.shape[1:]:
        raise ValueError("the arrays of the model do not fit together")
    return Linear(extra["predictor_type"], weights, bias, float(extra["threshold"]), bool(extra["hinge"]))


def load(folder: Path) -> Answer:
    """What answers requests for the model in a folder."""
    model = read_model(folder / MODEL)
    return answers.answering(model.predict, width=len(model.weights))


if __name__ == "__main__":
    program.main(train)
