"""The algorithms for pictures train on what is drawn: on a few, and in the long tests on enough to reach a bar."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sagelab.algorithms.definitions import known
from tests import forks

PROGRAM = Path(__file__).with_name("pictures.py")


def train(algorithm: str, root: Path, *how: str) -> tuple[dict[str, Any], str]:
    """What came of it, and the log."""
    done = forks.tensorflow().run(str(PROGRAM), algorithm, str(root), *how)
    assert done.returncode == 0, done.stderr[-3000:]
    log, _, last = done.stdout.strip().rpartition("\n")
    definition = known(f"sagelab.algorithms.{algorithm.replace('-', '_')}")
    assert definition
    assert [name for name, expression in definition.metrics if not re.search(expression, log)] == []
    found: dict[str, Any] = json.loads(last)
    return found, log


def best(log: str, what: str) -> float:
    """The best value that a log has of a metric."""
    return max(float(line.rpartition("=")[2].strip("()")) for line in log.splitlines() if what in line)


@pytest.mark.slow
def test_classes_are_learnt_and_told(tmp_path: Path) -> None:
    found, log = train("image-classification", tmp_path, "light")
    assert "Epoch[1] Train-accuracy=" in log
    assert "kv_store: one machine trains" in log
    assert "precision_dtype: on processors float16 has no advantage" in log
    assert "Epoch[1] Train-top_k_accuracy_2=" in log
    assert 'Saved checkpoint to "/opt/ml/model/image-classification-000' in log
    files = [f"image-classification-{epoch:04d}.params" for epoch in (1, 2, 3)]
    assert found["files"] == [*files, "image-classification-symbol.json"]
    assert sum(found["answer"][""]) == pytest.approx(1, abs=1e-5)
    assert found["answer"]["application/jsonlines"] == {"prediction": found["answer"][""]}
    assert found["answer"]["text/csv"] == "Accept type 'text/csv' is not supported."
    assert found["again"] == "Hyperparameter num_classes must be 3, as it was for the model in the model channel."
    assert "resuming after epoch 1" in log
    assert found["same"]


@pytest.mark.slow
def test_objects_are_learnt_and_told(tmp_path: Path) -> None:
    found, log = train("object-detection", tmp_path, "light")
    assert "AWS's pretrained weights are not here" in log.splitlines()[2]
    for what in (
        "batch=1 train cross_entropy <loss>=",
        "batch=1 train smooth_l1 <loss>=",
        "validation mAP <score>=(",
    ):
        assert f"#quality_metric: host=algo-1, epoch=0, {what}" in log
    assert "kv_store: one machine trains" in log
    assert "Training begins with the model of the model channel" in log
    assert found["files"] == ["hyperparams.json", "model_algo_1-0000.params", "model_algo_1-symbol.json"]
    rows = found["answer"][""]["prediction"]
    assert rows
    assert all(kind in (0, 1) and 0 < score <= 1 and 0 <= min(box) <= max(box) <= 1 for kind, score, *box in rows)
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)
    assert found["again"] == "Hyperparameter num_classes must be 2, as it was for the model in the model channel."


@pytest.mark.slow
def test_pixels_are_learnt_and_told(tmp_path: Path) -> None:
    found, log = train("semantic-segmentation", tmp_path, "light")
    for what in ("train loss <loss>=(", "validation mIOU <score>=(", "validation pixel_accuracy <score>=("):
        assert f"#quality_metric: host=algo-1, epoch=0, {what}" in log
    assert "syncbn: there is no second GPU" in log
    assert found["files"] == ["hyperparams.json", "label_map.json", "model_algo-1"]
    mask = found["answer"][""]
    assert mask["shape"] == [64, 64]
    assert set(mask["numbers"]) <= {0, 10, 20, 30}
    chances = found["answer"]["application/x-recordio-protobuf"]
    assert chances["shape"] == [1, 4, 64, 64]
    assert chances["sums"] == pytest.approx([1, 1], abs=1e-4)
    assert found["again"] == "Hyperparameter num_classes must be 4, as it was for the model in the model channel."


@pytest.mark.long
@pytest.mark.parametrize(
    ("algorithm", "what", "bar"),
    [
        ("image-classification", "Validation-accuracy=", 0.95),
        ("object-detection", "validation mAP <score>=", 0.9),
        ("semantic-segmentation", "validation mIOU <score>=", 0.75),
    ],
)
def test_drawn_pictures_are_learnt_to_a_bar(algorithm: str, what: str, bar: float, tmp_path: Path) -> None:
    found, log = train(algorithm, tmp_path)
    assert best(log, what) >= bar
    assert found["seconds"] < 120  # of processors: a minute of two
