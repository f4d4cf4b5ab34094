"""The model servers of AWS's images that serve scripts: `python3 -m sagelab.serving.scripts FRAMEWORK`.

The learner's script loads the model and answers: model_fn, with input_fn, predict_fn, output_fn, or transform_fn.
https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html#deploy-a-scikit-learn-model
https://sagemaker.readthedocs.io/en/stable/frameworks/pytorch/using_pytorch.html#deploy-pytorch-models
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from sagelab.serving import codecs, process
from sagelab.serving.access_log import AccessLog
from sagelab.serving.codecs import Answer
from sagelab.serving.connections import Request, Response, Workers
from sagelab.serving.errors import BadModel, BadRequest
from sagelab.serving.handlers import Defaults, around
from sagelab.serving.inference import provide_packages

CODE = Path("/opt/ml/code")
SKLEARN, XGBOOST, PYTORCH, HUGGING_FACE = "scikit-learn", "xgboost", "pytorch", "huggingface"
WITHOUT_SCRIPT = (PYTORCH, HUGGING_FACE)  # a model that its archive says enough of needs none
PROGRAM = "inference.py"  # theirs, where the container is told of no other


def main() -> NoReturn:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="sagelab.serving.scripts", description=__doc__)
    parser.add_argument("framework", choices=(SKLEARN, XGBOOST, *WITHOUT_SCRIPT))
    serve(parser, lambda options: load(options.framework, options.model))


def serve(parser: argparse.ArgumentParser, load_model: Callable[[argparse.Namespace], Answer]) -> NoReturn:
    """Serve what answers for a model until SIGTERM. parser: knows already what says which kind of model it is."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the unpacked model archive")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to listen on")
    parser.add_argument("--threads", type=int, default=1, help="requests that are answered at once")
    options = parser.parse_args()

    def start(log: AccessLog, serving: Callable[[], None]) -> list[Workers]:
        answer = load_model(options)
        listening = process.listen(options.socket, None)
        serving()
        workers = [Workers(listening, Routes(answer).answer, log.note, options.threads)]
        process.say(listening)
        return workers

    process.run(start)


def load(framework: str, model: Path) -> Answer:
    """What answers for a model: the script that the container is told of, else the built-in algorithm.

    BadModel: there is neither. What the script raises is left to end the process, with its traceback.
    """
    program, code = os.environ.get("SAGEMAKER_PROGRAM", ""), _code(model)
    if framework in WITHOUT_SCRIPT:
        return _load(framework, model, code, program or PROGRAM)
    if program:
        provide_packages(code)
        return around(_import(code, program), model, _defaults(framework))
    if framework == XGBOOST:
        from sagelab.serving import boosted

        return boosted.load(model)
    raise BadModel("SAGEMAKER_PROGRAM names no script: a scikit-learn model needs one with model_fn(model_dir).")


def _load(framework: str, model: Path, code: Path, program: str) -> Answer:
    """The script's functions where there is one, and the framework's own for each that it has not."""
    if code.is_dir():
        provide_packages(code)
    file = program if program.endswith(".py") else f"{program}.py"
    module = _import(code, file) if (code / file).is_file() else None
    return around(module, model, _defaults(framework))


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
            kind = request.headers.get("content-type", "")
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


def _defaults(framework: str) -> Defaults:
    if framework == XGBOOST:
        from sagelab.serving import boosted

        return Defaults(boosted.matrix, lambda data, model: model.predict(data, validate_features=False))
    if framework == PYTORCH:
        from sagelab.serving import torch_models

        return torch_models.DEFAULTS
    if framework == HUGGING_FACE:
        from sagelab.serving import transformers_models

        return transformers_models.DEFAULTS
    return Defaults(_rows, lambda data, model: model.predict(data))


def _rows(body: bytes, kind: str) -> Any:
    """(rows, columns); one row may come alone."""
    found = codecs.decode(body, kind)
    return found.reshape(1, -1) if found.ndim == 1 else found


if __name__ == "__main__":
    main()
