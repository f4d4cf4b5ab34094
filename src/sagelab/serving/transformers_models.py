"""A Hugging Face model where its script leaves something to the server: a pipeline of transformers for its task.

https://github.com/aws/sagemaker-huggingface-inference-toolkit
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.serving import codecs
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.handlers import Defaults

IMAGES = tuple(f"image/{kind}" for kind in ("jpeg", "png", "tiff", "bmp", "gif", "webp", "x-image"))
SOUNDS = tuple(f"audio/{kind}" for kind in ("x-flac", "mpeg", "wave", "ogg", "x-audio"))
COLUMNS = ("question", "context", "inputs")  # one of which the header of a CSV body has
# What the end of an architecture's name says of the task.
TASKS = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "GPT2LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "T5WithLMHeadModel": "text2text-generation",
}
# Tasks whose models have a feature extractor in a tokenizer's place.
OF_PICTURES_AND_SOUNDS = (
    "automatic-speech-recognition",
    "image-segmentation",
    "image-classification",
    "audio-classification",
    "object-detection",
    "zero-shot-image-classification",
)


def load(folder: Path) -> Any:
    """The pipeline for the model of a folder. BadModel: nothing says its task."""
    task = os.environ.get("HF_TASK") or task_of(folder)
    os.environ["HF_TASK"] = task
    from transformers import pipeline

    part = "feature_extractor" if task in OF_PICTURES_AND_SOUNDS else "tokenizer"
    remote = os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in ("1", "true", "yes", "y", "t", "on")
    return pipeline(task, model=str(folder), device=-1, trust_remote_code=remote, **{part: str(folder)})


def task_of(folder: Path) -> str:
    """What config.json says that the model is for. BadModel: it says nothing."""
    file = folder / "config.json"
    if not file.is_file():
        raise BadModel(
            "You need to define the task of the model as env 'HF_TASK': its archive has no config.json."
        )
    found = json.loads(file.read_text()).get("architectures") or [""]
    task = next((task for end, task in TASKS.items() if str(found[0]).endswith(end)), None)
    if task is None:
        raise BadModel(
            f"Task couldn't be inferenced from {found[0]}. Inference Toolkit can only inference tasks from"
            f" architectures ending with {list(TASKS)}. Use env `HF_TASK` to define your task."
        )
    return task


def read(body: bytes, kind: str) -> Any:
    """What a pipeline is given: of JSON, CSV, a picture or a sound a dict with "inputs"; of NumPy's form an array.

    BadRequest: the content type is none of these, or the body not of its own.
    """
    kind = kind.partition(";")[0].strip().lower()
    if kind in IMAGES:
        from PIL import Image

        return {"inputs": Image.open(io.BytesIO(body)).convert("RGB")}
    if kind in SOUNDS:
        return {"inputs": body}
    if kind not in _READ:
        raise BadRequest(f"Content type {kind} is not supported by this framework.")
    return _READ[kind](body)


def predict(data: Any, model: Any) -> Any:
    """The pipeline's answer to "inputs", with "parameters" as its arguments."""
    if not isinstance(data, dict):
        return model(data)
    inputs, parameters = data.pop("inputs", data), data.pop("parameters", None)
    return model(inputs, **(parameters or {}))


def write(prediction: Any, accept: str) -> tuple[bytes, str]:
    """The answer as JSON, CSV, NumPy's form or a picture. BadRequest: none of them is asked for."""
    if accept in IMAGES:
        content = io.BytesIO()
        kind = accept.partition("/")[2].upper()
        prediction.save(content, format="PNG" if kind == "X-IMAGE" else kind)
        return content.getvalue(), accept
    if accept not in _WRITE:
        raise BadRequest(f"Content type {accept} is not supported by this framework.")
    return _WRITE[accept](prediction), accept


def _rows(body: bytes) -> dict[str, Any]:
    if os.environ.get("HF_TASK") in ("zero-shot-classification", "table-question-answering"):
        raise BadRequest(f"content type {codecs.CSV} not support with {os.environ['HF_TASK']}")
    text = body.decode()
    header = text.partition("\n")[0].lower()
    if not any(column in header for column in COLUMNS):
        raise BadRequest(
            "You need to provide the correct CSV with Header columns to use it with the inference toolkit default"
            " handler."
        )
    rows = list(csv.DictReader(io.StringIO(text)))
    return {"inputs": [row["inputs"] for row in rows] if rows and "inputs" in rows[0] else rows}


def _table(prediction: Any) -> bytes:
    rows, text = list(prediction), io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _json(prediction: Any) -> bytes:
    text = json.dumps(prediction, ensure_ascii=False, allow_nan=False, default=_plain, separators=(",", ":"))
    return text.encode()


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy's and tensors as plain ones; anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _npy(prediction: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, np.asarray(prediction), allow_pickle=False)
    return content.getvalue()


def _refused(error: Exception) -> Exception:
    """The toolkit answers any error with 400 and its words."""
    answer = {"code": 400, "type": "InternalServerException", "message": str(error)}
    return BadRequest(json.dumps(answer, ensure_ascii=False))


_READ: dict[str, Callable[[bytes], Any]] = {
    codecs.JSON: json.loads,
    codecs.CSV: _rows,
    codecs.NPY: lambda body: np.load(io.BytesIO(body), allow_pickle=False),
}
_WRITE: dict[str, Callable[[Any], bytes]] = {codecs.JSON: _json, codecs.CSV: _table, codecs.NPY: _npy}
DEFAULTS = Defaults(read, predict, write, load, (codecs.JSON, codecs.CSV), _refused, context=True)
