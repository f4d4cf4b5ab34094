"""The model servers of AWS's images of scikit-learn and XGBoost: `python3 -m sagelab.serving.scripts FRAMEWORK`.

The learner's script loads the model and answers: model_fn, with input_fn, predict_fn, output_fn, or transform_fn.
https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html#deploy-a-scikit-learn-model
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from sagelab.serving import codecs, process
from sagelab.serving.access_log import AccessLog
from sagelab.serving.codecs import Answer
from sagelab.serving.connections import Request, Response, Workers
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.inference import provide_packages

CODE = Path("/opt/ml/code")
SKLEARN, XGBOOST = "scikit-learn", "xgboost"
_NO_LOADER = "Please provide a model_fn implementation: model_fn(model_dir) returns the model in the folder."


@dataclass(frozen=True)
class Defaults:
    """What a framework does where the script does not. read: (body, content type) -> what is predicted from."""

    read: Callable[[bytes, str], Any]
    predict: Callable[[Any, Any], Any]


def main() -> NoReturn:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sagelab.serving.scripts", description=__doc__)
    parser.add_argument("framework", choices=(SKLEARN, XGBOOST))
    parser.add_argument("--model", type=Path, required=True, help="folder of the unpacked model archive")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to listen on")
    parser.add_argument("--threads", type=int, default=1, help="requests that are answered at once")
    options = parser.parse_args()
    process.run(lambda log, serving: _start(options, log, serving))


def _start(options: argparse.Namespace, log: AccessLog, serving: Callable[[], None]) -> list[Workers]:
    answer = load(options.framework, options.model)
    listening = process.listen(options.socket, None)
    serving()
    workers = [Workers(listening, Routes(answer).answer, log.note, options.threads)]
    process.say(listening)
    return workers


def load(framework: str, model: Path) -> Answer:
    """What answers for a model: the script that the container is told of, else the built-in algorithm.

    BadModel: there is neither. What the script raises is left to end the process, with its traceback.
    """
    program, code = os.environ.get("SAGEMAKER_PROGRAM", ""), _code(model)
    if program:
        provide_packages(code)
        return _around(_import(code, program), model, _defaults(framework))
    if framework == XGBOOST:
        from sagelab.serving import boosted

        return boosted.load(model)
    raise BadModel("SAGEMAKER_PROGRAM names no script: a scikit-learn model needs one with model_fn(model_dir).")


class Routes:
    """One method a path."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def answer(self, request: Request) -> Response:
        """The answer to any request; what the learner's code raises is a 500 with its words."""
        try:
            if request.path == "/ping" and request.method in ("GET", "HEAD"):
                return Response(b"\n")
            if request.path == "/execution-parameters" and request.method == "GET":
                return Response(json.dumps(_parameters()).encode())
            if request.path != "/invocations" or request.method != "POST":
                raise BadRequest("Not Found", 404)
            kind = request.headers.get("content-type") or codecs.JSON
            accept = request.headers.get("accept") or "*/*"
            body, given = self._answer(request.body, kind, _default_accept() if accept == "*/*" else accept)
            return Response(body, kind=given)
        except BadRequest as error:
            return Response(str(error).encode(), error.status, "text/plain")
        except Exception as error:  # the learner's code: whatever it raises is its answer
            traceback.print_exc()
            sys.stderr.flush()
            return Response(f"{type(error).__name__}: {error}".encode(), 500, "text/plain")


def _parameters() -> dict[str, Any]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html"""
    return {"MaxConcurrentTransforms": os.cpu_count() or 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


def _default_accept() -> str:
    return os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")


def _code(model: Path) -> Path:
    """The script's folder: what the platform brought, else what the archive has."""
    base = os.environ.get("SAGEMAKER_BASE_DIR")
    brought = Path(base, "code") if base else CODE
    return brought if brought.is_dir() and any(brought.iterdir()) else model / "code"


def _import(code: Path, program: str) -> ModuleType:
    file = code / program
    if not file.is_file():
        raise BadModel(f"SAGEMAKER_PROGRAM names {program}, which is not in the code of the model.")
    sys.path.insert(0, str(file.parent))
    return importlib.import_module(file.stem)


def _around(module: ModuleType, model: Path, defaults: Defaults) -> Answer:
    read, predict, write = (getattr(module, name, None) for name in ("input_fn", "predict_fn", "output_fn"))
    transform, loader = getattr(module, "transform_fn", None), getattr(module, "model_fn", None)
    if loader is None:
        raise BadModel(_NO_LOADER)
    if transform and (read or predict or write):
        raise BadModel("Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn")
    loaded = loader(str(model))

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        accept = accept or codecs.JSON
        if transform:
            return _given(transform(loaded, _body(body, kind), kind, accept), accept)
        data = read(_body(body, kind), kind) if read else defaults.read(body, kind)
        found = (predict or defaults.predict)(data, loaded)
        return _given(write(found, accept), accept) if write else codecs.encode(found, accept)

    return answer


def _body(body: bytes, kind: str) -> bytes | str:
    """Text types come to a script as text."""
    is_text = kind.partition(";")[0].strip().lower() in (codecs.JSON, codecs.CSV, codecs.JSON_LINES, "text/plain")
    return body.decode("utf-8", "replace") if is_text else body


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


def _defaults(framework: str) -> Defaults:
    if framework == XGBOOST:
        from sagelab.serving import boosted

        return Defaults(boosted.matrix, lambda data, model: model.predict(data, validate_features=False))
    return Defaults(_rows, lambda data, model: model.predict(data))


def _rows(body: bytes, kind: str) -> Any:
    """(rows, columns); one row may come alone."""
    found = codecs.decode(body, kind)
    return found.reshape(1, -1) if found.ndim == 1 else found


if __name__ == "__main__":
    main()
