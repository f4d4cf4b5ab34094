"""PCA: the directions in which rows differ most, of their covariance or, with less memory, by a random projection.

https://docs.aws.amazon.com/sagemaker/latest/dg/how-pca-works.html; NumPy and scikit-learn do the work.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.extmath import randomized_svd

from sagelab.algorithms import answers, hyperparameters, program
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import boolean, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import choice, integer
from sagelab.algorithms.tabular import channels, ndarrays

MODEL = "model_algo-1"
HYPERPARAMETERS = {
    "feature_dim": required(integer(1)),
    "mini_batch_size": required(integer(1)),
    "num_components": required(integer(1)),
    "algorithm_mode": optional(choice("regular", "randomized"), "regular"),
    "extra_components": optional(integer(-1), -1),
    "subtract_mean": optional(boolean(), True),
    "epochs": optional(integer(1), 1),
    "force_dense": optional(boolean(), True),
}


def train(job: Job) -> None:
    """Train on the channel `train`, leave the components. UserError: what the user has to put right."""
    settings = hyperparameters.read(job.config("hyperparameters"), HYPERPARAMETERS)
    count, width, host = settings["num_components"], settings["feature_dim"], job.hosts[0]
    if count > width:
        raise UserError(f"num_components, {count}, must not be greater than feature_dim, {width}.")
    began = time.monotonic()
    rows = channels.need(job, "train", width=width).features
    found = decompose(rows, settings)
    program.progress(host, 1, 1)
    program.throughput(host, rows.shape[0], began)
    (job.model / MODEL).write_bytes(ndarrays.write(found))


def decompose(rows: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """mean (1, columns), v (columns, components) and the singular values s (components,), the largest last."""
    mean = np.zeros((1, rows.shape[1]))
    if settings["subtract_mean"]:
        mean = np.asarray(rows.mean(axis=0), np.float64).reshape(1, -1)
    count = min(settings["num_components"], rows.shape[0])
    if settings["algorithm_mode"] == "randomized":
        extra = settings["extra_components"]
        centred = (rows if isinstance(rows, np.ndarray) else rows.toarray()) - mean
        more = max(10, count) if extra < 0 else extra
        _, singular, v = randomized_svd(centred, count, n_oversamples=more, random_state=0)
        v = v.T
    else:
        squares = rows.T @ rows
        squares = np.asarray(squares if isinstance(rows, np.ndarray) else squares.toarray(), np.float64)
        values, vectors = np.linalg.eigh(squares - rows.shape[0] * mean.T @ mean)
        singular, v = np.sqrt(np.maximum(values[::-1][:count], 0)), vectors[:, ::-1][:, :count]
    # AWS's model has the largest last, and so have its answers.
    ordered = {"mean": mean, "v": v[:, ::-1], "s": singular[::-1]}
    return {name: np.ascontiguousarray(values, np.float32) for name, values in ordered.items()}


def load(folder: Path) -> Answer:
    """What answers requests for the model in a folder. ValueError, KeyError: it is no model."""
    arrays = ndarrays.read((folder / MODEL).read_bytes())
    mean, v = arrays["mean"].reshape(1, -1).astype(np.float64), arrays["v"].astype(np.float64)
    if v.ndim != 2 or mean.shape[1] != len(v):
        raise ValueError("the arrays of the model do not fit together")
    # Rows may be sparse, and their mean is not.
    return answers.answering(lambda rows: {"projection": rows @ v - mean @ v}, "projections", len(v))


if __name__ == "__main__":
    program.main(train)
