"""The process that stands for TensorFlow Serving: `python -m sagelab.serving`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sagelab.serving import process
from sagelab.serving.access_log import AccessLog
from sagelab.serving.app import Service
from sagelab.serving.connections import Workers
from sagelab.serving.inference import Inference
from sagelab.serving.model import Model, find


def main() -> NoReturn:
    """Exit code 0 after SIGTERM, 1 for a model that cannot be served, with its reason on stderr."""
    options = _options()
    process.run(lambda log, serving: _start(options, log, serving))


def _start(options: argparse.Namespace, log: AccessLog, serving: Callable[[], None]) -> list[Workers]:
    """Load the model and its code, and answer from now on. BadModel: why not."""
    model, code = _load(options), options.model / "code"
    inference = Inference(code) if (code / "inference.py").is_file() else None
    rest = process.tcp(options.rest_port) if inference else None
    listening = process.listen(options.socket, options.port)
    threads = (options.threads or os.cpu_count() or 1) + 1
    service = Service(model, inference, rest.getsockname()[1] if rest else 0, threads)
    serving()
    workers = service.listen(listening, rest, log.note)
    process.say([*listening, *([rest] if rest else [])])
    return workers


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sagelab.serving", description="Serve a model as SageMaker's container does."
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="folder of the unpacked model archive")
    add("--compiled", type=Path, help="what sagelab.serving.accelerate made of the model: runs without TensorFlow")
    add("--instance-type", help="serve what a compilation job compiled for this type of instance")
    add("--socket", type=Path, help="unix socket to listen on")
    add("--port", type=int, help="TCP port of the loopback to listen on")
    add(
        "--rest-port", type=int, default=0, help="TCP port of TensorFlow Serving's REST API, for code/inference.py"
    )
    add("--threads", type=int, default=None, help="threads to compute with; all processors if not given")
    options = parser.parse_args()
    if options.socket is None and options.port is None:
        parser.error("say where to listen: --socket PATH, --port N or both")
    return options


def _load(options: argparse.Namespace) -> Model:
    start = time.perf_counter()
    model = _read(options)
    seconds = time.perf_counter() - start
    print(
        f"Loaded servable version {{name: {model.name} version: {model.version}}} in {seconds:.2f} s", flush=True
    )
    return model


def _read(options: argparse.Namespace) -> Model:
    """What the archive holds: an artifact of a compilation job, or a SavedModel, accelerated or as it is."""
    from sagelab.serving import compiled

    if options.instance_type:
        compiled.check_instance(options.model, options.instance_type)
        return compiled.load(options.model, threads=options.threads)
    name = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME")
    version = find(options.model, None if name in (None, "", "None") else name)
    if options.compiled:
        return compiled.load(options.compiled, version, options.threads)
    from sagelab.serving import savedmodel

    return savedmodel.load(version, options.threads)


if __name__ == "__main__":
    main()
