"""Let a trained network read digits that it has never seen, and write down how well.

    $ python3 evaluate.py

In    /opt/ml/processing/model/model.tar.gz: what the training job left, a SavedModel in the folder 1
      /opt/ml/processing/test/test.npz: `image`, uint8 (n, 28, 28), and `label`, (n,) of 0 to 9
Out   /opt/ml/processing/evaluation/evaluation.json, in the form that the model registry draws: the accuracy and
      the confusion matrix
"""

import argparse
import json
import os
import tarfile
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter would drown the log

import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--folder", type=Path, default=Path("/opt/ml/processing"))
args = parser.parse_args()

with np.load(args.folder / "test" / "test.npz") as data:
    images, labels = data["image"].reshape(-1, 28, 28, 1).astype("float32") / 255, data["label"]

with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(args.folder / "model" / "model.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    model = tf.saved_model.load(f"{folder}/1")
    read = np.argmax(model.serve(tf.constant(images)), axis=1)

accuracy = round(float((read == labels).mean()), 4)
counts = np.zeros((10, 10), dtype=int)
np.add.at(counts, (labels, read), 1)
confusion = {str(label): dict(zip("0123456789", row.tolist(), strict=True)) for label, row in enumerate(counts)}

evaluation = args.folder / "evaluation"
evaluation.mkdir(parents=True, exist_ok=True)
measures = {"accuracy": {"value": accuracy, "standard_deviation": "NaN"}, "confusion_matrix": confusion}
(evaluation / "evaluation.json").write_text(json.dumps({"multiclass_classification_metrics": measures}))
print(f"{len(labels)} digits, {accuracy:.4f} of them read right")
