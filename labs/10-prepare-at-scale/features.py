"""The first container of the inference pipeline: parcels as they are asked about in, features for XGBoost out.

It runs in AWS's image of scikit-learn. What Spark fitted lies beside it as ONNX, so there is no Spark here.
"""

import csv
import io
from pathlib import Path

import numpy as np
import onnxruntime

TEXTS, NUMBERS = ["carrier", "service", "origin", "destination"], ["kilometres", "kilograms", "weekday"]


def model_fn(folder):
    """The stages that Spark fitted."""
    stages = Path(folder, "stages.onnx").read_bytes()
    return onnxruntime.InferenceSession(stages, providers=["CPUExecutionProvider"])


def input_fn(body, content_type):
    """text/csv without a header -> {column: (n, 1)}. An empty number is one that nobody knows."""
    if content_type.partition(";")[0] != "text/csv":
        raise ValueError(f"This takes text/csv, not {content_type}.")
    text = body.decode() if isinstance(body, bytes) else body
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if any(len(row) != len(TEXTS) + len(NUMBERS) for row in rows):
        raise ValueError(f"A parcel has {len(TEXTS) + len(NUMBERS)} columns: {', '.join(TEXTS + NUMBERS)}.")
    cells = np.array(rows, object)
    cells[:, 0] = [carrier.strip().lower() for carrier in cells[:, 0]]
    columns = {name: cells[:, [number]] for number, name in enumerate(TEXTS + NUMBERS)}
    for name in NUMBERS:
        columns[name] = np.where(columns[name] == "", "nan", columns[name]).astype(np.float32)
    return columns


def predict_fn(columns, stages):
    """(n, features), in the order in which XGBoost learned them."""
    return stages.run(["features"], columns)[0]


def output_fn(features, _accept):
    """What the next container is sent, and its content type: as in training a zero is left out."""
    rows = [" ".join(f"{number}:{value:g}" for number, value in enumerate(row, 1) if value) for row in features]
    return "".join(f"0 {row}\n" for row in rows), "text/libsvm"
