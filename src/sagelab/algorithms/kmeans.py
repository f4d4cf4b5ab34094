"""K-Means: groups of rows near a centre, by one pass over the rows and Lloyd's algorithm on what that has found.

As AWS's does it: more centres than asked for are kept while rows stream by in batches, then they are reduced to k.
https://docs.aws.amazon.com/sagemaker/latest/dg/algo-kmeans-tech-notes.html; scikit-learn's KMeans does the work.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans

from sagelab.algorithms import answers, hyperparameters, program
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import auto, boolean, names, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import choice, integer, number
from sagelab.algorithms.tabular import channels, ndarrays

NAME, MODEL, CENTERS = "AWS/KMeansWebscale", "model_algo-1", "centers"
MOST_EXTRA = 10  # times k: how many more centres are kept, if it is left to the algorithm
METHODS = {"kmeans++": "k-means++", "random": "random"}
HYPERPARAMETERS = {
    "feature_dim": required(integer(1)),
    "k": required(integer(2)),
    "epochs": optional(integer(1), 1),
    "eval_metrics": optional(names("msd", "ssd"), ["msd"]),
    "extra_center_factor": auto(integer(1), MOST_EXTRA),
    "half_life_time_size": optional(integer(0), 0),
    "init_method": optional(choice(*METHODS), "random"),
    "local_lloyd_init_method": optional(choice(*METHODS), "kmeans++"),
    "local_lloyd_max_iter": optional(integer(1), 300),
    "local_lloyd_num_trials": auto(integer(1), 5),
    "local_lloyd_tol": optional(number(0), 0.0001),
    "mini_batch_size": optional(integer(1), 5000),
    "force_dense": optional(boolean(), True),
}


def train(job: Job) -> None:
    """Train on the channel `train`, leave the centres. UserError: what the user has to put right."""
    settings = hyperparameters.read(job.config("hyperparameters"), HYPERPARAMETERS)
    width, host, began = settings["feature_dim"], job.hosts[0], time.monotonic()
    rows = channels.need(job, "train", width=width).features
    test = channels.read(job, "test", width=width)
    if rows.shape[0] < settings["k"]:
        raise UserError(f"The number of rows, {rows.shape[0]}, is less than k, {settings['k']}.")
    centers = find_centers(rows, settings, host)
    program.throughput(host, rows.shape[0] * settings["epochs"], began)
    for metric in settings["eval_metrics"]:
        program.quality(host, f"train {metric}", spread(rows, centers, metric), loss=True)
        if test is not None:
            value = spread(test.features, centers, metric)
            program.line(f"#test_score ({host}) : {(metric, value)}")
            program.quality(host, f"test {metric}", value, loss=True)
    (job.model / MODEL).write_bytes(ndarrays.write({CENTERS: centers.astype(np.float32)}))


def find_centers(rows: Any, settings: dict[str, Any], host: str) -> Any:
    """(k, columns)."""
    if settings["half_life_time_size"]:
        program.warn("half_life_time_size has no effect here: all rows count the same")
    k, size = settings["k"], min(settings["mini_batch_size"], rows.shape[0])
    kept = min(k * settings["extra_center_factor"], size)
    stream = MiniBatchKMeans(
        kept,
        init=METHODS[settings["init_method"]],
        batch_size=size,
        n_init=1,
        reassignment_ratio=0,
        random_state=0,
    )
    batches = [slice(at, at + size) for at in range(0, rows.shape[0], size)]
    if len(batches) > 1 and rows.shape[0] % size:
        batches[-1] = slice(rows.shape[0] - size, rows.shape[0])
    for epoch in range(settings["epochs"]):
        for batch in batches:
            stream.partial_fit(rows[batch])
        program.progress(host, epoch + 1, settings["epochs"])
    weights = np.bincount(stream.predict(rows), minlength=kept).astype(float)
    there = weights > 0
    if there.sum() < k:  # fewer places than centres: the rows themselves
        return _lloyd(rows, None, settings)
    return _lloyd(stream.cluster_centers_[there], weights[there], settings)


def _lloyd(points: Any, weights: Any, settings: dict[str, Any]) -> Any:
    """(k, columns), of points that have weights."""
    found = KMeans(
        settings["k"],
        init=METHODS[settings["local_lloyd_init_method"]],
        n_init=settings["local_lloyd_num_trials"],
        max_iter=settings["local_lloyd_max_iter"],
        tol=settings["local_lloyd_tol"],
        random_state=0,
    )
    return found.fit(points, sample_weight=weights).cluster_centers_


def spread(rows: Any, centers: Any, metric: str) -> float:
    """Squared distances to the nearest centre: their mean (msd) or their sum (ssd)."""
    squares = distances(rows, centers).min(axis=1) ** 2
    return float(squares.mean() if metric == "msd" else squares.sum())


def distances(rows: Any, centers: Any) -> Any:
    """(rows, centres)."""
    squares = -2 * (rows @ centers.T) + (centers**2).sum(axis=1)
    own = rows.multiply(rows).sum(axis=1) if hasattr(rows, "multiply") else (rows**2).sum(axis=1, keepdims=True)
    return np.sqrt(np.maximum(np.asarray(squares) + np.asarray(own).reshape(-1, 1), 0))


def read_model(file: Path) -> Any:
    """The centres, (k, columns). ValueError: it is no model."""
    (centers,) = ndarrays.read(file.read_bytes()).values()
    if centers.ndim != 2 or not centers.size:
        raise ValueError("the model is no table of centres")
    return centers.astype(np.float64)


def load(folder: Path) -> Answer:
    """What answers requests for the model in a folder."""
    centers = read_model(folder / MODEL)

    def predict(rows: Any) -> dict[str, Any]:
        away = distances(rows, centers)
        return {"closest_cluster": away.argmin(axis=1).astype(float), "distance_to_cluster": away.min(axis=1)}

    return answers.answering(predict, width=centers.shape[1])


if __name__ == "__main__":
    program.main(train)
