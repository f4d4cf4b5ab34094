"""Random Cut Forest: how odd a row is among those of the training channel.

https://docs.aws.amazon.com/sagemaker/latest/dg/randomcutforest.html; random_cut_trees.py does the work.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import answers, hyperparameters, program
from sagelab.algorithms.answers import Answer
from sagelab.algorithms.hyperparameters import boolean, names, optional, required
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.parameters import integer
from sagelab.algorithms.tabular import channels, ndarrays
from sagelab.algorithms.tabular.random_cut_trees import ARRAYS, LEAF, Tree

MODEL = "model_algo-1"
ACCURACY, FSCORE = "accuracy", "precision_recall_fscore"
DEVIATIONS = 3  # above the mean score of the training rows, where an anomaly begins
HYPERPARAMETERS = {
    "feature_dim": required(integer(1, 10_000)),
    "eval_metrics": optional(names(ACCURACY, FSCORE), [ACCURACY, FSCORE]),
    "num_samples_per_tree": optional(integer(1, 2048), 256),
    "num_trees": optional(integer(50, 1000), 100),
    # Without a meaning here, where all rows are read at once; the SDK sets the first.
    "mini_batch_size": optional(integer(1), 1000),
    "epochs": optional(integer(1), 1),
    "force_dense": optional(boolean(), True),
}


def train(job: Job) -> None:
    """Grow trees of the channel `train`, leave them. UserError: what the user has to put right."""
    settings = hyperparameters.read(job.config("hyperparameters"), HYPERPARAMETERS)
    width, host, began = settings["feature_dim"], job.hosts[0], time.monotonic()
    rows = _dense(channels.need(job, "train", width=width).features)
    test = channels.read(job, "test", labelled=True, width=width)
    trees = grow(rows, settings["num_trees"], settings["num_samples_per_tree"])
    program.progress(host, 1, 1)
    program.throughput(host, len(rows), began)
    if test is not None:
        few = rows[:: max(1, len(rows) // 1000)]
        usual = score(trees, few)
        threshold = float(usual.mean() + DEVIATIONS * usual.std())
        _report(host, _labels(test.labels), score(trees, _dense(test.features)) > threshold, settings)
    (job.model / MODEL).write_bytes(pack(trees))


def grow(rows: Any, count: int, size: int) -> list[Tree]:
    """Trees of different rows where there are enough of them, else of samples that overlap."""
    rng = np.random.default_rng(0)
    if len(rows) < size:
        program.warn(f"num_samples_per_tree is {size}, and there are {len(rows)} rows: each tree has all of them")
        size = len(rows)
    if len(rows) >= count * size:
        parts = rng.permutation(len(rows))[: count * size].reshape(count, size)
    else:
        parts = np.array([rng.choice(len(rows), size, replace=False) for _ in range(count)])
    return [Tree.grow(rows[part].astype(np.float64), rng) for part in parts]


def score(trees: list[Tree], rows: Any) -> Any:
    """(rows,): the mean of what the trees say."""
    return np.mean([tree.score(rows) for tree in trees], axis=0)


def _labels(labels: Any) -> Any:
    """Whether each row is an anomaly. UserError: a label is neither 0 nor 1."""
    if not np.isin(labels, (0, 1)).all():
        raise UserError("The labels of channel 'test' must be 0 for ordinary rows and 1 for anomalies.")
    return np.asarray(labels) == 1


def _report(host: str, own: Any, found: Any, settings: dict[str, Any]) -> None:
    hits = int((own & found).sum())
    precision, recall = hits / max(1, int(found.sum())), hits / max(1, int(own.sum()))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    scores = {ACCURACY: float((own == found).mean())} if ACCURACY in settings["eval_metrics"] else {}
    if FSCORE in settings["eval_metrics"]:
        scores |= {"precision": precision, "recall": recall, "f1": f1}
    for name, value in scores.items():
        program.line(f"#test_score ({host}) : {(name, value)}")
        program.quality(host, f"test {name}", value)


def _dense(rows: Any) -> Any:
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def pack(trees: list[Tree]) -> bytes:
    """Trees as one file: their nodes one after the other, and how many each has."""
    arrays = {name: np.concatenate([getattr(tree, name) for tree in trees]) for name in ARRAYS}
    kinds = {name: np.float64 if name in ("low", "high", "cut") else np.int32 for name in ARRAYS}
    packed = {name: array.astype(kinds[name]) for name, array in arrays.items()}
    return ndarrays.write(packed | {"nodes": np.array([len(tree.mass) for tree in trees], np.int32)})


def unpack(data: bytes) -> list[Tree]:
    """ValueError, KeyError: it is no forest."""
    arrays = ndarrays.read(data)
    ends = np.cumsum(arrays["nodes"])[:-1]
    parts = {name: np.split(arrays[name], ends) for name in ARRAYS}
    trees = [Tree(**{name: parts[name][number] for name in ARRAYS}) for number in range(len(arrays["nodes"]))]
    if not trees:
        raise ValueError("the model has no trees")
    for tree in trees:
        inner, own = tree.axis != LEAF, np.arange(len(tree.axis))
        # Children come after their node: there is an end to every walk.
        after = (tree.left > own) & (tree.right > own) & (tree.left < len(own)) & (tree.right < len(own))
        if not after[inner].all() or (tree.axis >= tree.low.shape[1]).any() or (tree.axis < LEAF).any():
            raise ValueError("a tree of the model is none")
    return trees


def load(folder: Path) -> Answer:
    """What answers requests for the model in a folder."""
    trees = unpack((folder / MODEL).read_bytes())
    width = trees[0].low.shape[1]
    return answers.answering(lambda rows: {"score": score(trees, _dense(rows))}, "scores", width)


if __name__ == "__main__":
    program.main(train)
