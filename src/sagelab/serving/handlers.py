"""The functions of a learner's script around a model; where one is absent, the framework's own.

model_fn, then input_fn, predict_fn and output_fn, or transform_fn:
https://github.com/aws/sagemaker-inference-toolkit
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sagelab.serving import codecs
from sagelab.serving.codecs import Answer
from sagelab.serving.errors import BadModel, BadRequest

_NO_LOADER = "Please provide a model_fn implementation: model_fn(model_dir) returns the model in the folder."
TEXT = (codecs.JSON, codecs.CSV, codecs.JSON_LINES, "text/plain")


@dataclass(frozen=True)
class Context:
    """What a function is told of the server, where it takes one argument more; names are TorchServe's."""

    system_properties: dict[str, Any]


@dataclass(frozen=True)
class Defaults:
    """What a framework does where the script does not.

    read: (body, content type) -> what is predicted from. predict: (that, model) -> prediction. write: (prediction,
    accept) -> (body, content type). load: folder -> model; None: a script must. text: content types whose bodies
    come to a script as text. refused: what its server makes of an error. context: a function may take one.
    """

    read: Callable[[Any, str], Any]
    predict: Callable[[Any, Any], Any]
    write: Callable[[Any, str], tuple[bytes, str]] = codecs.encode
    load: Callable[[Path], Any] | None = None
    text: tuple[str, ...] = TEXT
    refused: Callable[[Exception], Exception] = field(default=lambda error: error)
    context: bool = False


def around(module: ModuleType | None, model: Path, defaults: Defaults) -> Answer:
    """What answers for the model in a folder. module: the script; None: there is none.

    BadModel: nothing loads it, or its functions do not go together.
    """
    read, predict, write, transform, loader = (
        getattr(module, f"{name}_fn", None) for name in ("input", "predict", "output", "transform", "model")
    )
    if loader is None and defaults.load is None:
        raise BadModel(_NO_LOADER)
    if transform and (read or predict or write):
        raise BadModel("Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn")
    context = Context({"model_dir": str(model), "gpu_id": None, "batch_size": 1}) if defaults.context else None
    call = _caller(context)
    loaded = call(loader, str(model)) if loader else defaults.load and defaults.load(model)

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        kind, accept = kind or codecs.JSON, accept or codecs.JSON
        sent = _body(body, kind, defaults.text)
        if transform:
            return _given(call(transform, loaded, sent, kind, accept), accept)
        data = call(read, sent, kind) if read else defaults.read(body, kind)
        found = call(predict, data, loaded) if predict else defaults.predict(data, loaded)
        return _given(call(write, found, accept), accept) if write else defaults.write(found, accept)

    return _refusing(answer, defaults.refused)


def _caller(context: Context | None) -> Callable[..., Any]:
    """Calls a function with its arguments, and with the context where it takes one more."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        if context and len(inspect.signature(function).parameters) == len(arguments) + 1:
            return function(*arguments, context)
        return function(*arguments)

    return call


def _refusing(answer: Answer, refused: Callable[[Exception], Exception]) -> Answer:
    """The same, with errors as the framework's server has them."""

    def refuse(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        try:
            return answer(body, kind, accept)
        except Exception as error:
            raise refused(error) from error

    return refuse


def by_the_server(error: Exception) -> Exception:
    """What a framework cannot read or write, as an error of its server: 500. A script's own keeps its status."""
    return ValueError(str(error)) if type(error) is BadRequest else error


def _body(body: bytes, kind: str, text: tuple[str, ...]) -> bytes | str:
    """Text types come to a script as text."""
    return body.decode("utf-8", "replace") if kind.partition(";")[0].strip().lower() in text else body


def _given(returned: Any, accept: str) -> tuple[bytes, str]:
    """What a script's output_fn or transform_fn gave: a body, (body, content type), or what has both."""
    kind = accept
    if isinstance(returned, tuple):
        returned, kind = returned
    elif hasattr(returned, "response"):  # a Response of the older toolkit's
        returned, kind = returned.response, getattr(returned, "mimetype", None) or accept
    if isinstance(returned, (list, dict)) or hasattr(returned, "tolist"):
        return codecs.encode(returned, kind)
    return returned.encode() if isinstance(returned, str) else bytes(returned), kind
