"""The learner's own code around a model: `code/inference.py` of the archive.

It has `handler(data, context)`, or `input_handler(data, context)` and `output_handler(response, context)`:
https://sagemaker.readthedocs.io/en/stable/frameworks/tensorflow/deploying_tensorflow_serving.html
"""

from __future__ import annotations

import importlib.util
import io
import pkgutil
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from sagelab.serving.errors import BadModel, BadRequest

Predict = Callable[[bytes], bytes]
Answer = Callable[[io.BytesIO, "Context", Predict], Any]
PLAIN = (bytes, bytearray, str)


class Context(NamedTuple):
    """What a handler is told of the request; names and order are the container's."""

    model_name: str | None
    model_version: str | None
    method: str | None
    rest_uri: str
    grpc_port: str | None
    channel: None
    custom_attributes: str | None
    request_content_type: str
    accept_header: str
    content_length: int


class Inference:
    """`inference.py`, imported. What it raises at import is left to end the process, with its traceback."""

    def __init__(self, code: Path) -> None:
        provide_packages(code)
        module = _import(code / "inference.py")
        self._answer = _whole(module) or _around(module)
        if self._answer is None:
            raise BadModel(
                "code/inference.py must have handler(data, context), or both input_handler(data, context) and"
                " output_handler(response, context)."
            )

    def __call__(self, body: bytes, context: Context, predict: Predict) -> tuple[Iterable[bytes], str]:
        """The answer, in parts, and its content type. predict: TensorFlow Serving's answer to a body."""
        assert self._answer
        answer = self._answer(io.BytesIO(body), context, predict)
        content, kind = answer if isinstance(answer, tuple) else (answer, context.accept_header)
        return _parts(content), kind


def _whole(module: ModuleType) -> Answer | None:
    """handler: it asks the model itself, at context.rest_uri."""
    handler = getattr(module, "handler", None)
    return handler and (lambda data, context, _: handler(data, context))


def _around(module: ModuleType) -> Answer | None:
    """input_handler before the model, output_handler after it."""
    before, after = getattr(module, "input_handler", None), getattr(module, "output_handler", None)
    if not (before and after):
        return None
    return lambda data, context, predict: after(_respond(before(data, context), context, predict), context)


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("inference", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference"] = module
    spec.loader.exec_module(module)
    return module


def provide_packages(code: Path) -> None:
    """code/ and code/lib are on the path. Without a lib, code/requirements.txt was installed before."""
    sys.path.insert(0, str(code))
    _forget({module.name for module in pkgutil.iter_modules([str(code)])})
    if (code / "lib").is_dir():
        sys.path.insert(1, str(code / "lib"))
        if (code / "requirements.txt").exists():
            print("code/lib is there: code/requirements.txt is ignored", file=sys.stderr, flush=True)


def _forget(names: set[str]) -> None:
    """Let these modules be imported anew: the code's own come before those of the server's packages.

    Not what has machine code in it: a process loads that once.
    """
    found = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}
    compiled = {name.partition(".")[0] for name, module in found.items() if _is_compiled(module)}
    for name in found:
        if name.partition(".")[0] not in compiled:
            del sys.modules[name]


def _is_compiled(module: ModuleType) -> bool:
    return (getattr(module, "__file__", None) or "").endswith(".so")


def _respond(sent: Any, context: Context, predict: Predict) -> Any:
    """What `requests.post(context.rest_uri, data=sent)` would return, without the way over a socket."""
    import requests

    body = sent.read() if hasattr(sent, "read") else sent
    if not isinstance(body, PLAIN):
        raise TypeError(f"input_handler must return str or bytes, not {type(body).__name__}")
    response = requests.Response()
    response.url, response.encoding = context.rest_uri, "utf-8"
    response.headers["Content-Type"] = "application/json"
    try:
        content, response.status_code = predict(body.encode() if isinstance(body, str) else bytes(body)), 200
    except BadRequest as error:
        content, response.status_code = error.body, error.status
    response.raw = io.BytesIO(content)
    return response


def _parts(content: Any) -> Iterable[bytes]:
    """What a handler returned, as bytes; of a generator the first part is drawn here, where an error is a 500."""
    if isinstance(content, (*PLAIN, dict)) or not isinstance(content, Iterable):
        return [_bytes(content)]
    parts = iter(content)
    first = next(parts, b"")
    return chain([_bytes(first)], (_bytes(part) for part in parts))


def _bytes(part: Any) -> bytes:
    if not isinstance(part, PLAIN):
        raise TypeError(f"a handler must return str or bytes, or an iterable of them, not {type(part).__name__}")
    return part.encode() if isinstance(part, str) else bytes(part)
