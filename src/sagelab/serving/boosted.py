"""A model of the built-in XGBoost, served: CSV, libsvm or RecordIO-protobuf in, scores out.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html#InputOutput-XGBoost
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from sagelab.algorithms import tables
from sagelab.algorithms.job import UserError
from sagelab.algorithms.xgboost import FIRST
from sagelab.algorithms.xgboost import load as load_model
from sagelab.serving import codecs
from sagelab.serving.codecs import CSV, JSON, JSON_LINES, Answer
from sagelab.serving.errors import BadModel, BadRequest

WRITTEN = (CSV, JSON, JSON_LINES)
VOTES = ("multi:softmax", "binary:hinge")  # whose score is a class


def load(folder: Path) -> Answer:
    """What answers for the models of a folder; of several, together. BadModel: they cannot be read."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise BadModel("The model archive has no file that could be an XGBoost model.")
    ensemble = os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "true"
    models = [_read(file) for file in (files if ensemble else files[:1])]
    votes = json.loads(models[0].save_config())["learner"]["objective"]["name"] in VOTES

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        if not body:
            return b"", accept or CSV
        data = matrix(body, kind)
        try:
            scores = _combine([model.predict(data, validate_features=False) for model in models], votes)
        except xgboost.core.XGBoostError as error:
            raise BadRequest(f"Unable to evaluate payload provided: {str(error).splitlines()[0]}") from None
        return _write(scores.tolist(), accept)

    return answer


def _combine(scores: list[Any], votes: bool) -> Any:
    """(rows,) or (rows, classes) of several models: their mean, or the class that most are for."""
    if len(scores) == 1 or not votes:
        return np.mean(scores, axis=0)
    return np.array([np.bincount(row.astype(int)).argmax() for row in np.transpose(scores)], float)


def matrix(body: bytes, kind: str) -> xgboost.DMatrix:
    """BadRequest: 415, the body is none of what the model takes."""
    try:
        return xgboost.DMatrix(tables.read_request(body, tables.kind_of(kind)))
    except UserError as error:
        raise BadRequest(str(error), 415) from None


def _read(file: Path) -> xgboost.Booster:
    try:
        return load_model(file)
    except Exception as error:  # what a pickle of somebody's raises
        raise BadModel(f"Model {file.name} cannot be loaded: {type(error).__name__}: {error}") from None


def _write(scores: list[Any], accept: str) -> tuple[bytes, str]:
    """As AWS's container has it: a line for each score, but commas between them in its first versions.

    So it is among many models of one container in any version; in a batch transform each score has a line.
    """
    kind = accept.partition(";")[0].strip().lower() or CSV
    if kind not in WRITTEN:
        raise BadRequest(
            f"Accept type {accept} is not supported. Please use supported accept types: {list(WRITTEN)}.", 406
        )
    if os.environ.get("SAGEMAKER_BATCH"):
        return "".join(f"{score}\n" for score in scores).encode(), kind
    version, several = os.environ.get("SAGEMAKER_FRAMEWORK_VERSION", ""), os.environ.get("SAGEMAKER_MULTI_MODEL")
    if kind == CSV and (version.partition("-")[0] in FIRST or several == "true"):
        return ",".join(map(str, scores)).encode(), kind
    if kind == CSV:
        return codecs.encode(scores, CSV)
    named = [{"score": score} for score in scores]
    if kind == JSON:
        return json.dumps({"predictions": named}).encode(), kind
    return "".join(f"{json.dumps(one)}\n" for one in named).encode(), kind
