"""Factorization Machines: what pairs of features say together, by a short vector for each feature.

S. Rendle: Factorization Machines, ICDM 2010. Hyperparameters, channels, lines of the log and answers are those of
https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines.html
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sagelab.algorithms import answers, hyperparameters, program
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import Hyperparameter, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import choice, integer, number
from sagelab.algorithms.tables import Table
from sagelab.algorithms.tabular import channels, linear_scores, ndarrays
from sagelab.algorithms.tabular.linear_models import sigmoid

MODEL = "model_algo-1"
KINDS = (channels.RECORDIO,)  # of a channel: rows are mostly sparse
BINARY, REGRESSOR = "binary_classifier", "regressor"
BETA_1, BETA_2 = 0.9, 0.999  # of Adam
PARTS = ("bias", "linear", "factors")


def _of_part(part: str, sigma: float, rate: float, decay: float) -> dict[str, Hyperparameter]:
    """How one part of the model begins and learns."""
    return {
        f"{part}_init_method": optional(choice("normal", "uniform", "constant"), "normal"),
        f"{part}_init_scale": optional(number(0), 0.07),
        f"{part}_init_sigma": optional(number(0), sigma),
        f"{part}_init_value": optional(number(), 0.0),
        f"{part}_lr": optional(number(0), rate),
        f"{part}_wd": optional(number(0), decay),
    }


HYPERPARAMETERS = {
    "feature_dim": required(integer(1)),
    "num_factors": required(integer(1)),
    "predictor_type": required(choice(BINARY, REGRESSOR)),
    **_of_part("bias", 0.01, 0.1, 0.01),
    **_of_part("linear", 0.01, 0.001, 0.001),
    **_of_part("factors", 0.001, 0.0001, 0.00001),
    "clip_gradient": optional(number(0, inside="(]")),
    "epochs": optional(integer(1), 1),
    "eps": optional(number(0, inside="(]"), 1e-8),
    "mini_batch_size": optional(integer(1), 1000),
    "rescale_grad": optional(number(0, inside="(]"), 1.0),
}


class Machine:
    """bias (1,), linear (columns,), factors (columns, dimensions)."""

    def __init__(self, bias: Any, linear: Any, factors: Any, binary: bool) -> None:
        self.bias, self.linear, self.factors, self.binary = bias, linear, factors, binary

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Machine:
        rng, width = np.random.default_rng(0), settings["feature_dim"]
        shapes = {"bias": (1,), "linear": (width,), "factors": (width, settings["num_factors"])}
        parts = {name: _start(rng, shape, name, settings) for name, shape in shapes.items()}
        return cls(**parts, binary=settings["predictor_type"] == BINARY)

    def margins(self, rows: Any) -> Any:
        """(rows,), of sparse rows: half of the square of the sums of factors, less their squares' sums."""
        sums = rows @ self.factors
        pairs = (sums**2 - rows.power(2) @ self.factors**2).sum(axis=1) / 2
        return self.bias[0] + rows @ self.linear + pairs

    def slopes(self, rows: Any, errors: Any) -> dict[str, Any]:
        """The gradient of the mean loss. errors: (rows,), each row's by its margin."""
        shares = errors / len(errors)
        weighed = rows.multiply(shares[:, None]).tocsr()
        squares = np.asarray(rows.power(2).T @ shares).ravel()
        factors = weighed.T @ (rows @ self.factors) - squares[:, None] * self.factors
        return {"bias": np.array([shares.sum()]), "linear": rows.T @ shares, "factors": np.asarray(factors)}

    def predict(self, rows: Any) -> dict[str, Any]:
        """What an endpoint says of rows."""
        margins = self.margins(csr_matrix(rows, dtype=np.float64))
        if not self.binary:
            return {"score": margins}
        scores = sigmoid(margins)
        return {"score": scores, "predicted_label": (scores > 0.5).astype(float)}


def train(job: Job) -> None:
    """Train on the channel `train`, leave the model. UserError: what the user has to put right."""
    settings = hyperparameters.read(job.config("hyperparameters"), HYPERPARAMETERS)
    width, host = settings["feature_dim"], job.hosts[0]
    table = _checked("train", channels.need(job, "train", labelled=True, width=width, kinds=KINDS), settings)
    test = channels.read(job, "test", labelled=True, width=width, kinds=KINDS)
    if len(table.labels) < settings["mini_batch_size"]:
        raise UserError(
            "No training data processed. Either the training channel is empty or the mini-batch size is too high."
            " Verify that training data contains non-empty files and the mini-batch size is less than the number"
            " of records per training host."
        )
    machine = fit(table, settings, host)
    for name, rows in (("train", table), ("test", test and _checked("test", test, settings))):
        if rows:
            _report(host, name, machine, rows)
    parts = {name: getattr(machine, name).astype(np.float32) for name in PARTS}
    parts["binary"] = np.array([machine.binary], np.int32)
    (job.model / MODEL).write_bytes(ndarrays.write(parts))


def fit(table: Table, settings: dict[str, Any], host: str) -> Machine:
    """Adam in small batches, each part of the model with a rate and a decay of its own."""
    machine, size = Machine.of(settings), settings["mini_batch_size"]
    state = {name: [np.zeros_like(getattr(machine, name)) for _ in range(2)] for name in PARTS}
    batches = 0
    for epoch in range(settings["epochs"]):
        began, order = time.monotonic(), np.random.default_rng(epoch).permutation(len(table.labels))
        for at in range(0, len(order) - size + 1, size):
            rows, labels = table.features[order[at : at + size]], table.labels[order[at : at + size]]
            margins = machine.margins(rows)
            errors = sigmoid(margins) - labels if machine.binary else 2 * (margins - labels)
            batches += 1
            for name, slope in machine.slopes(rows, errors).items():
                _step(getattr(machine, name), slope, state[name], settings, (name, batches))
        for name, value, loss in _measure(machine, table):
            program.quality(host, f"train {name}", value, loss=loss, epoch=epoch)
        program.progress(host, epoch + 1, settings["epochs"])
        program.throughput(host, len(order) // size * size, began)
    return machine


def _step(weights: Any, slope: Any, state: list[Any], settings: dict[str, Any], which: tuple[str, int]) -> None:
    """Move weights, in place. which: (part, number of the batch)."""
    part, count = which
    slope = slope * settings["rescale_grad"]
    if (most := settings["clip_gradient"]) is not None:
        slope = np.clip(slope, -most, most)
    slope = slope + settings[f"{part}_wd"] * weights
    state[0][...] = BETA_1 * state[0] + (1 - BETA_1) * slope
    state[1][...] = BETA_2 * state[1] + (1 - BETA_2) * slope**2
    mean, square = state[0] / (1 - BETA_1**count), state[1] / (1 - BETA_2**count)
    weights -= settings[f"{part}_lr"] * mean / (np.sqrt(square) + settings["eps"])


def _start(rng: np.random.Generator, shape: tuple[int, ...], part: str, settings: dict[str, Any]) -> Any:
    method = settings[f"{part}_init_method"]
    if method == "constant":
        return np.full(shape, settings[f"{part}_init_value"])
    if method == "uniform":
        scale = settings[f"{part}_init_scale"]
        return rng.uniform(-scale, scale, shape)
    return rng.normal(0, settings[f"{part}_init_sigma"], shape)


def _measure(machine: Machine, table: Table) -> linear_scores.Scores:
    """How good it is, by the names that this algorithm's log has."""
    margins = machine.margins(table.features)
    if machine.binary:
        cross = float(np.logaddexp(0, np.where(table.labels == 1, -margins, margins)).mean())
        scores = linear_scores.of_two_classes(table.labels, sigmoid(margins), 0.5, 1.0)
        return [scores[0], ("binary_classification_cross_entropy", cross, True), scores[1]]
    by_name = {name: value for name, value, _ in linear_scores.of_numbers(table.labels, margins)}
    return [(name, by_name[name], True) for name in ("rmse", "mse", "absolute_loss")]


def _report(host: str, channel: str, machine: Machine, table: Table) -> None:
    scores = _measure(machine, table)
    for name, value, _ in scores:
        program.line(f"#{channel}_score ({host}) : {(name, value)}")
    for name, value, loss in scores:
        program.quality(host, f"{channel} {name}", value, loss=loss)


def _checked(channel: str, table: Table, settings: dict[str, Any]) -> Table:
    """The rows as sparse ones. UserError: a label is none."""
    labels = np.asarray(table.labels, np.float64)
    good = np.isfinite(labels) & (np.isin(labels, (0, 1)) | (settings["predictor_type"] == REGRESSOR))
    if not good.all():
        raise UserError(
            f"The label {labels[~good][0]:g} of channel '{channel}' is out of range: labels of a binary_classifier"
            " must be 0 or 1, those of a regressor finite numbers."
        )
    return Table(csr_matrix(table.features, dtype=np.float64), labels)


def load(folder: Path) -> Answer:
    """What answers requests for the model in a folder. ValueError, KeyError: it is no model."""
    arrays = ndarrays.read((folder / MODEL).read_bytes())
    bias, linear, factors = (arrays[name].astype(np.float64) for name in PARTS)
    if factors.ndim != 2 or linear.shape != (len(factors),) or bias.shape != (1,):
        raise ValueError("the arrays of the model do not fit together")
    machine = Machine(bias, linear, factors, bool(arrays["binary"][0]))
    return answers.answering(machine.predict, width=len(factors), kinds=(answers.JSON, *KINDS))


if __name__ == "__main__":
    program.main(train)
