"""KNN: a row is what the rows nearest to it are, of a sample that may first be projected to fewer dimensions.

https://docs.aws.amazon.com/sagemaker/latest/dg/kNN_how-it-works.html; scikit-learn finds neighbours.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.random_projection import GaussianRandomProjection

from sagelab.algorithms import answers, hyperparameters, program
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import auto, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import choice, integer
from sagelab.algorithms.tables import Table
from sagelab.algorithms.tabular import channels, ndarrays

MODEL, PARTS = "model_algo-1", ("arrays.params", "settings.json")
CLASSIFIER, REGRESSOR = "classifier", "regressor"
MOST_CLASSES = 1_000_000
PART = 1000  # rows that are looked up together
LARGEST = 4 << 30  # bytes of one part of a model
HYPERPARAMETERS = {
    "feature_dim": required(integer(1)),
    "k": required(integer(1)),
    "predictor_type": required(choice(CLASSIFIER, REGRESSOR)),
    "sample_size": required(integer(1)),
    "dimension_reduction_target": optional(integer(1)),
    "dimension_reduction_type": optional(choice("sign", "fjlt")),
    "faiss_index_ivf_nlists": auto(integer(1)),
    "faiss_index_pq_m": optional(integer(1)),
    "index_metric": optional(choice("COSINE", "INNER_PRODUCT", "L2"), "L2"),
    "index_type": optional(choice("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"), "faiss.Flat"),
    "mini_batch_size": optional(integer(1), 5000),
}


@dataclass(frozen=True)
class Index:
    """The sample: rows (count, dimensions) and labels (count,). projection: (columns, dimensions), or None."""

    rows: Any
    labels: Any
    projection: Any
    k: int
    classes: bool
    metric: str

    @functools.cached_property
    def _neighbors(self) -> Any:
        return NearestNeighbors(n_neighbors=self.k).fit(self.rows)

    def search(self, rows: Any, k: int) -> tuple[Any, Any]:
        """(distances, labels) of the k nearest of each row; squared distances, as faiss has them."""
        asked = _unit(_project(_dense(rows), self.projection), self.metric)
        if self.metric == "L2":
            away, places = self._neighbors.kneighbors(asked, k)
            return away**2, self.labels[places]
        likeness = asked @ self.rows.T
        places = np.argsort(-likeness, axis=1)[:, :k]
        return np.take_along_axis(likeness, places, axis=1), self.labels[places]

    def predict(self, rows: Any) -> Any:
        """(rows,): of classes the one of most neighbours, of numbers their mean."""
        parts = [self.search(rows[at : at + PART], self.k)[1] for at in range(0, rows.shape[0], PART)]
        labels = np.concatenate(parts)
        if not self.classes:
            return labels.mean(axis=1)
        found, places = np.unique(labels, return_inverse=True)
        return found[[np.bincount(row).argmax() for row in places.reshape(labels.shape)]]


def train(job: Job) -> None:
    """Sample and project the channel `train`, leave the index. UserError: what the user has to put right."""
    settings = hyperparameters.read(job.config("hyperparameters"), HYPERPARAMETERS)
    _check(settings)
    width, host, began = settings["feature_dim"], job.hosts[0], time.monotonic()
    table = _checked("train", channels.need(job, "train", labelled=True, width=width), settings)
    test = channels.read(job, "test", labelled=True, width=width)
    index = build(table, settings)
    if len(index.labels) < settings["k"]:
        raise UserError(f"The sample has {len(index.labels)} rows, less than k, {settings['k']}.")
    program.progress(host, 1, 1)
    program.throughput(host, len(table.labels), began)
    if test is not None:
        test = _checked("test", test, settings)
        found = index.predict(test.features)
        if index.classes:
            _tell(host, {"accuracy": float((found == test.labels).mean()), "macro_f_1.000": _macro(test, found)})
        else:
            _tell(host, {"mse": float(((found - test.labels) ** 2).mean())})
    _save(index, job.model / MODEL)


def build(table: Table, settings: dict[str, Any]) -> Index:
    """The index of a sample of the rows."""
    rng, size = np.random.default_rng(0), settings["sample_size"]
    chosen = np.arange(len(table.labels))
    if size < len(chosen):
        chosen = np.sort(rng.choice(chosen, size, replace=False))
    rows, projection = _dense(table.features[chosen]), None
    if settings["dimension_reduction_type"]:
        projection = _projection(rows, settings)
    metric = settings["index_metric"]
    rows = _unit(_project(rows, projection), metric)
    if settings["index_type"] != "faiss.Flat":
        program.warn(f"index_type {settings['index_type']}: the index is exact here, as faiss.Flat's is")
    classes = settings["predictor_type"] == CLASSIFIER
    return Index(rows.astype(np.float32), table.labels[chosen], projection, settings["k"], classes, metric)


def _check(settings: dict[str, Any]) -> None:
    target, kind = settings["dimension_reduction_target"], settings["dimension_reduction_type"]
    if bool(target) != bool(kind):
        raise UserError(
            "dimension_reduction_target and dimension_reduction_type must be specified together, or not at all."
        )
    if target and target >= settings["feature_dim"]:
        raise UserError(
            f"The value '{target}' is not valid for the 'dimension_reduction_target' hyperparameter: it must be"
            f" less than feature_dim, {settings['feature_dim']}. {hyperparameters.WHY}"
        )


def _projection(rows: Any, settings: dict[str, Any]) -> Any:
    """Random signs, or what a fast Johnson-Lindenstrauss transform stands for: random Gaussian directions."""
    target, width = settings["dimension_reduction_target"], rows.shape[1]
    if settings["dimension_reduction_type"] == "sign":
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (width, target))
        return (signs / np.sqrt(target)).astype(np.float32)
    return GaussianRandomProjection(target, random_state=0).fit(rows).components_.T.astype(np.float32)


def _checked(channel: str, table: Table, settings: dict[str, Any]) -> Table:
    """UserError: a label is none."""
    labels = np.asarray(table.labels, np.float64)
    good = np.isfinite(labels)
    if settings["predictor_type"] == CLASSIFIER:
        good &= (labels >= 0) & (labels < MOST_CLASSES) & (labels == np.floor(labels))
    if not good.all():
        raise UserError(
            f"The label {labels[~good][0]:g} of channel '{channel}' is out of range: labels of a classifier must"
            " be integers that are not negative, those of a regressor finite numbers."
        )
    return Table(table.features, labels)


def _tell(host: str, scores: dict[str, float]) -> None:
    """As this algorithm has it: without <score> or <loss>."""
    for name, value in scores.items():
        program.line(f"#test_score ({host}) : {(name, value)}")
    for name, value in scores.items():
        program.line(f"#quality_metric: host={host}, test {name}={value!r}")


def _macro(table: Table, found: Any) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(table.labels, found, average="macro"))


def _dense(rows: Any) -> Any:
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def _project(rows: Any, projection: Any) -> Any:
    return rows if projection is None else rows @ projection


def _unit(rows: Any, metric: str) -> Any:
    if metric != "COSINE":
        return rows
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _save(index: Index, file: Path) -> None:
    arrays = {"rows": index.rows, "labels": index.labels.astype(np.float64)}
    arrays |= {} if index.projection is None else {"projection": index.projection}
    ndarrays.save(file, PARTS, arrays, {"k": index.k, "classes": index.classes, "metric": index.metric})


def read_model(file: Path) -> Index:
    """An index as it was saved. ValueError, KeyError: it is none."""
    arrays, extra = ndarrays.load(file, PARTS, LARGEST)
    rows, labels, projection = arrays["rows"], arrays["labels"], arrays.get("projection")
    if rows.ndim != 2 or labels.shape != (len(rows),) or not 0 < int(extra["k"]) <= len(rows):
        raise ValueError("the arrays of the model do not fit together")
    return Index(rows, labels, projection, int(extra["k"]), bool(extra["classes"]), str(extra["metric"]))


def load(folder: Path) -> Answer:
    """What answers requests for the model in a folder. Accept with `verbose=true` asks for the neighbours too."""
    index = read_model(folder / MODEL)
    width = index.rows.shape[1] if index.projection is None else len(index.projection)
    plain = answers.answering(lambda rows: {"predicted_label": index.predict(rows)}, width=width)

    def tell(rows: Any) -> dict[str, Any]:
        away, labels = index.search(rows, index.k)
        return {"predicted_label": index.predict(rows), "distances": away, "labels": labels}

    verbose = answers.answering(tell, width=width)

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        asked = "verbose=true" in accept.replace(" ", "").lower()
        return (verbose if asked else plain)(body, kind, accept)

    return answer


if __name__ == "__main__":
    program.main(train)
