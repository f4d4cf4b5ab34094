"""What SageMaker's own toolkits make of a request's body, and of a prediction: CSV, JSON and NumPy's own form.

https://github.com/aws/sagemaker-inference-toolkit
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from sagelab.serving.errors import BadRequest

# (body, content type, accept) -> (body, content type)
Answer = Callable[[bytes, str, str], tuple[bytes, str]]

JSON, CSV, NPY, JSON_LINES = "application/json", "text/csv", "application/x-npy", "application/jsonlines"


def decode(body: bytes, content_type: str) -> Any:
    """An array. BadRequest: 415, the content type is none of these; 400, the body is not of its own."""
    kind = content_type.partition(";")[0].strip().lower()
    read = _READ.get(kind)
    if read is None:
        raise BadRequest(f"Content type {content_type} is not supported by this framework.", 415)
    try:
        return read(body)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not {kind}: {error}") from None


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """The body and its content type. BadRequest: 406, the type is none of these."""
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        kind = JSON if kind in ("", "*/*", "application/*") else kind
        if kind in _WRITE:
            return _WRITE[kind](prediction), kind
    raise BadRequest(f"Content type {accept} is not supported by this framework.", 406)


def _csv(body: bytes) -> Any:
    return np.genfromtxt(io.StringIO(body.decode()), dtype=np.float32, delimiter=",")


def _npy(body: bytes) -> Any:
    return np.load(io.BytesIO(body), allow_pickle=False)


def _to_csv(prediction: Any) -> bytes:
    text = io.StringIO()
    np.savetxt(text, np.asarray(prediction), delimiter=",", fmt="%s")
    return text.getvalue().encode()


def _to_npy(prediction: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, np.asarray(prediction), allow_pickle=False)
    return content.getvalue()


def _to_json(prediction: Any) -> bytes:
    return json.dumps(prediction, default=_plain).encode()


def _to_lines(prediction: Any) -> bytes:
    return b"".join(_to_json(row) + b"\n" for row in _plain(np.asarray(prediction)))


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


_READ: dict[str, Callable[[bytes], Any]] = {JSON: lambda body: np.array(json.loads(body)), CSV: _csv, NPY: _npy}
_WRITE: dict[str, Callable[[Any], bytes]] = {JSON: _to_json, CSV: _to_csv, NPY: _to_npy, JSON_LINES: _to_lines}
