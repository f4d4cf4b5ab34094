"""How Linear Learner trains: many models at once, then the best of them with a threshold, for rows as they are.

https://docs.aws.amazon.com/sagemaker/latest/dg/ll_how-it-works.html; linear_models.py does the arithmetic.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sagelab.algorithms import hyperparameters, linear_models, linear_scores, program
from sagelab.algorithms.job import UserError
from sagelab.algorithms.linear_models import Loss, Models, Optimizer, Recipe
from sagelab.algorithms.linear_scores import Scores
from sagelab.algorithms.tables import Table

NAME = "Linear Learner"
PART = 10_000  # rows
SHARED = 1 << 27  # multiplications of a mini-batch that are worth more than one thread
REGRESSOR, BINARY, MULTICLASS = "regressor", "binary_classifier", "multiclass_classifier"
LOSSES = {
    REGRESSOR: (
        *("squared_loss", "absolute_loss", "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss"),
        *("quantile_loss", "huber_loss"),
    ),
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss", "hinge_loss"),
}
OBJECTIVES = {"squared_loss": "mse", "logistic": "binary_classification_cross_entropy"} | {
    "softmax_loss": "multiclass_cross_entropy"
}
# What is tried of each where the user leaves it to the algorithm.
RATES, DECAYS, SPARSITIES = (0.1, 0.02, 0.005, 0.001), (0.0, 1e-4, 1e-2, 1e-6), (0.0, 1e-5)


@dataclass(frozen=True)
class Linear:
    """A model. kind: its predictor_type. weights: (features, outputs), bias: (outputs,)."""

    kind: str
    weights: Any
    bias: Any
    threshold: float = 0.5
    hinge: bool = False

    def scores(self, rows: Any) -> Any:
        """(rows,), or (rows, classes): the number, probabilities, or with a hinge margins."""
        margins = rows @ self.weights + self.bias
        if self.kind == MULTICLASS:
            return margins if self.hinge else linear_models.probabilities(margins)
        margins = margins[:, 0]
        return margins if self.hinge or self.kind == REGRESSOR else linear_models.sigmoid(margins)

    def predict(self, rows: Any) -> dict[str, Any]:
        """What an endpoint says of rows."""
        scores = self.scores(rows)
        if self.kind == REGRESSOR:
            return {"score": scores}
        found = scores > self.threshold if self.kind == BINARY else scores.argmax(axis=1)
        return {"score": scores, "predicted_label": found.astype(int)}


@dataclass
class Scale:
    """How rows are centred and scaled; sparse rows are only scaled. From the first rows alone."""

    mean: Any
    deviation: Any

    @classmethod
    def of(cls, rows: Any, centre: bool, scale: bool) -> Scale:
        dense = _dense(rows).astype(np.float64)
        deviation = dense.std(axis=0) if scale else np.ones(dense.shape[1])
        mean = dense.mean(axis=0) if centre and isinstance(rows, np.ndarray) else np.zeros(dense.shape[1])
        return cls(mean, np.where(deviation > 1e-12, deviation, 1.0))

    def apply(self, rows: Any) -> Any:
        return (_dense(rows) - self.mean) / self.deviation


class Best:
    """The models as they were after the epoch in which one of them was best. waited: epochs without progress."""

    def __init__(self, tolerance: float) -> None:
        """tolerance: the share of the loss by which it must be less, for an epoch to count as progress."""
        self._tolerance, self._least, self.waited = tolerance, np.inf, 0
        self._parts: tuple[Any, Any] | None = None

    def take(self, least: float, models: Models) -> bool:
        """Whether the models after an epoch are the best so far. least: the loss of the best of them."""
        self.waited = 0 if least < self._least * (1 - self._tolerance) else self.waited + 1
        if not least < self._least:
            return False
        self._least, self._parts = least, (models.weights.copy(), models.bias.copy())
        return True

    def parts(self) -> tuple[Any, Any]:
        """Their weights and biases. UserError: no model has ever had a loss that is a number."""
        if self._parts is None:
            raise UserError(
                "The loss of every model is infinite or no number. Please choose a smaller learning_rate, another"
                " optimizer, or normalize_data."
            )
        return self._parts


@dataclass
class Training:
    """One run. settings: the values of HYPERPARAMETERS."""

    settings: dict[str, Any]
    host: str

    def __post_init__(self) -> None:
        self.kind = self.settings["predictor_type"]
        name = self.settings["loss"] or LOSSES[self.kind][0]
        if name not in LOSSES[self.kind]:
            raise UserError(
                f"The value '{name}' is not valid for the 'loss' hyperparameter with predictor_type '{self.kind}',"
                f" which accepts one of the following: {', '.join(map(repr, LOSSES[self.kind]))}"
                f" {hyperparameters.WHY}"
            )
        self.hinge = name == "hinge_loss"
        self.loss: Loss = _loss(name, self.kind, self.settings)
        self.objective = f"{OBJECTIVES.get(name, name)}_objective"

    def threads(self, rows: Table) -> Any:
        """One thread for the products of small mini-batches: others would spin while they wait for the next."""
        outputs = self.settings["num_models"] or len(RATES) * len(DECAYS) * len(SPARSITIES)
        outputs *= self.settings["num_classes"] or 1
        work = rows.features.shape[1] * self.settings["mini_batch_size"] * outputs
        return threadpool_limits(1 if work < SHARED else None, "blas")

    def run(self, data: dict[str, Table]) -> Linear:
        """The best model. data: `train`, and perhaps `validation`."""
        rows, chosen = data["train"], data.get("validation") or data["train"]
        sample = slice(0, self.settings["num_point_for_scaler"])
        scale = Scale.of(rows.features[sample], self.settings["unbias_data"], self.settings["normalize_data"])
        labels = self._scale_of_labels(rows.labels[sample])
        recipes = self._recipes()
        models, best = self._start(rows, recipes), Best(self.settings["early_stopping_tolerance"])
        for epoch in range(self.settings["epochs"]):
            with np.errstate(over="ignore", invalid="ignore"):  # of a model that diverges
                self._epoch(models, rows, scale, labels, epoch)
                losses = self._losses(models, chosen, scale, labels)
            if "validation" in data:
                self._say("validation", losses, epoch)
            least = float(np.nanmin(losses)) if np.isfinite(losses).any() else np.inf
            program.line(
                f"#early_stopping_criteria_metric: host={self.host}, epoch={epoch}, criteria={self.objective},"
                f" value={least!r}"
            )
            if best.take(least, models):
                program.line(f"Epoch {epoch}: Loss improved. Updating best model")
            program.progress(self.host, epoch + 1, self.settings["epochs"])
            if best.waited >= self.settings["early_stopping_patience"]:
                program.line(f"Early stop condition met. Stopping training after epoch {epoch}.")
                break
        models.weights, models.bias = best.parts()
        return self._choose(models, recipes, chosen, scale, labels)

    def _epoch(self, models: Models, rows: Table, scale: Scale, labels: tuple[float, float], epoch: int) -> None:
        """Learn from every row once. A last batch that is not full is left out, as the container does."""
        size, began = self.settings["mini_batch_size"], time.monotonic()
        order = np.random.default_rng(epoch).permutation(len(rows.labels))
        batches = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
        weights = self._weights(rows.labels)
        found = [
            models.learn(
                scale.apply(rows.features[batch]),
                (rows.labels[batch] - labels[0]) / labels[1],
                weights[batch],
                self.loss,
            )
            for batch in batches
        ]
        program.throughput(self.host, size * len(batches), began)
        self._say("train", np.mean(found, axis=0) * self._unit(labels), epoch)

    def _losses(self, models: Models, rows: Table, scale: Scale, labels: tuple[float, float]) -> Any:
        """Each model's loss on rows that it does not learn from, (models,)."""
        weights, whole = self._weights(rows.labels), np.zeros(models.count)
        for part in _parts(len(rows.labels)):
            margins = models.margins(scale.apply(rows.features[part]))
            whole += weights[part] @ self.loss(margins, (rows.labels[part] - labels[0]) / labels[1])[0]
        return whole / len(rows.labels) * self._unit(labels)

    def _unit(self, labels: tuple[float, float]) -> float:
        """What a loss of scaled labels is multiplied with, so that it is one of the labels themselves."""
        square = self.objective in ("mse_objective", "eps_insensitive_squared_loss_objective")
        return labels[1] ** (2 if square else 1)

    def _say(self, channel: str, losses: Any, epoch: int) -> None:
        for model, loss in enumerate(losses.tolist()):
            program.figures(NAME, self.host, {f"{channel}_{self.objective}": loss}, epoch=epoch, model=model)
        what = f"{channel} {self.objective}"
        program.quality(self.host, what, float(losses[0]), loss=True, epoch=epoch)

    def _recipes(self) -> list[Recipe]:
        """Tuning jobs search by themselves: then there is one model."""
        count = 1 if self.settings.get("_tuning_objective_metric") else self.settings["num_models"]
        told = (self.settings["learning_rate"], self.settings["wd"], self.settings["l1"])
        tried = (
            every if own is None else (own,) for own, every in zip(told, (RATES, DECAYS, SPARSITIES), strict=True)
        )
        every = [Recipe(rate, wd, l1) for l1, wd, rate in itertools.product(*reversed([*tried]))]
        return every[:count]

    def _start(self, rows: Table, recipes: list[Recipe]) -> Models:
        settings, width = self.settings, rows.features.shape[1]
        outputs = settings["num_classes"] if self.kind == MULTICLASS else 1
        rng = np.random.default_rng(0)
        if settings["init_method"] == "normal":
            start = rng.normal(0, settings["init_sigma"], (width, outputs))
        else:
            start = rng.uniform(-settings["init_scale"], settings["init_scale"], (width, outputs))
        optimizer = Optimizer(
            **{name: settings[name] for name in ("momentum", "beta_1", "beta_2")},
            name=settings["optimizer"],
            step=settings["lr_scheduler_step"] if settings["use_lr_scheduler"] else None,
            factor=settings["lr_scheduler_factor"],
            lowest=settings["lr_scheduler_minimum_lr"],
            bias=(settings["bias_lr_mult"], settings["bias_wd_mult"]) if settings["use_bias"] else None,
        )
        return Models(start, settings["init_bias"], outputs, recipes, optimizer)

    def _scale_of_labels(self, labels: Any) -> tuple[float, float]:
        """(mean, deviation) by which a regressor's labels are centred and scaled."""
        if self.kind != REGRESSOR:
            return 0.0, 1.0
        centre, scale = (self.settings[name] is not False for name in ("unbias_label", "normalize_label"))
        centre = centre and self.settings["use_bias"]
        deviation = float(np.std(labels)) if scale else 1.0
        return float(np.mean(labels)) if centre else 0.0, deviation if deviation > 1e-12 else 1.0

    def _weights(self, labels: Any) -> Any:
        """(rows,): how much each counts."""
        positive = self.settings["positive_example_weight_mult"]
        if self.kind == MULTICLASS and self.settings["balance_multiclass_weights"]:
            counts = np.bincount(labels.astype(int), minlength=self.settings["num_classes"])
            return (len(labels) / np.maximum(counts, 1) / np.count_nonzero(counts))[labels.astype(int)]
        if self.kind != BINARY or positive == 1.0:
            return np.ones(len(labels))
        ones = max(1, int((labels == 1).sum()))
        heavy = (len(labels) - ones) / ones if positive == "balanced" else positive
        return np.where(labels == 1, heavy, 1.0)

    def _choose(
        self, models: Models, recipes: list[Recipe], rows: Table, scale: Scale, labels: tuple[float, float]
    ) -> Linear:
        """The best of all on these rows, with its threshold where it has one."""
        each = list(self._separate(models, scale, labels))
        losses = self._losses(models, rows, scale, labels)
        criterion = self.settings["binary_classifier_model_selection_criteria"]
        if self.kind != BINARY or criterion == "loss_function":
            best = int(np.nanargmin(losses))
            found = Linear(**each[best], threshold=0.0 if self.hinge else 0.5)
        else:
            few = slice(0, self.settings["num_calibration_samples"])
            settings = self.settings
            goal = settings["target_recall" if criterion.startswith("precision") else "target_precision"]
            thresholds = [
                linear_scores.choose_threshold(
                    rows.labels[few],
                    Linear(**one).scores(rows.features[few]),
                    criterion,
                    goal,
                    settings["f_beta"],
                )
                for one in each
            ]
            best = max(range(len(each)), key=lambda number: (thresholds[number][1], -losses[number]))
            found = Linear(**each[best], threshold=thresholds[best][0])
        told = {"optimizer": self.settings["optimizer"]} | vars(recipes[best])
        program.line(f"Best model found for hyperparameters: {json.dumps(told)}")
        return found

    def _separate(self, models: Models, scale: Scale, labels: tuple[float, float]) -> Iterator[dict[str, Any]]:
        """Each model by itself, for rows and labels as they are."""
        shape = models.weights.shape[0], models.count, models.outputs
        weights = models.weights.reshape(shape) / scale.deviation[:, None, None] * labels[1]
        for number in range(models.count):
            bias = models.bias[number] * labels[1] + labels[0] - scale.mean @ weights[:, number]
            yield {"kind": self.kind, "weights": weights[:, number], "bias": bias, "hinge": self.hinge}

    def score(self, model: Linear, rows: Table) -> Scores:
        """The objective, and what else is told of a channel."""
        scores, settings = model.scores(rows.features), self.settings
        margins = (rows.features @ model.weights + model.bias)[:, None, :]
        losses = self.loss(margins, rows.labels)[0][:, 0]
        whole = [(self.objective, float(np.mean(losses * self._weights(rows.labels))), True)]
        if self.kind == REGRESSOR:
            return whole + linear_scores.of_numbers(rows.labels, scores)
        beta = settings["f_beta"]
        if self.kind == BINARY:
            return whole + linear_scores.of_two_classes(rows.labels, scores, model.threshold, beta)
        top = settings["accuracy_top_k"]
        return whole + linear_scores.of_classes(rows.labels.astype(int), scores, top, beta)


def _loss(name: str, kind: str, settings: dict[str, Any]) -> Loss:
    width, margin = settings["loss_insensitivity"], settings["margin"]
    if name == "hinge_loss":
        return linear_models.class_hinge(margin) if kind == MULTICLASS else linear_models.hinge(margin)
    return {
        "squared_loss": linear_models.squared,
        "absolute_loss": linear_models.absolute,
        "quantile_loss": linear_models.quantile(settings["quantile"]),
        "huber_loss": linear_models.huber(settings["huber_delta"]),
        "eps_insensitive_squared_loss": linear_models.insensitive(width, square=True),
        "eps_insensitive_absolute_loss": linear_models.insensitive(width, square=False),
        "logistic": linear_models.logistic,
        "softmax_loss": linear_models.softmax,
    }[name]


def _dense(rows: Any) -> Any:
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def _parts(count: int) -> list[slice]:
    """Rows of which so many are looked at together."""
    return [slice(at, at + PART) for at in range(0, count, PART)]
