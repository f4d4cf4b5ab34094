"""The process: load the model, listen, serve until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sagelab.serving.access_log import AccessLog
from sagelab.serving.app import Service
from sagelab.serving.connections import Workers
from sagelab.serving.errors import BadModel
from sagelab.serving.inference import Inference
from sagelab.serving.model import Model, find

FINISH = 10  # seconds that requests in flight have after SIGTERM
BACKLOG = 1024  # connections that may wait to be accepted


def main() -> NoReturn:
    """Exit code 0 after SIGTERM, 1 for a model that cannot be served, with its reason on stderr."""
    serving, asked_to_end = _watch_signals()
    options = _options()
    try:
        workers, log = _start(options, serving)
    except BadModel as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    asked_to_end()
    for each in workers:
        each.close(FINISH)
    log.close()
    sys.stderr.flush()
    # A handler that goes on for longer than FINISH, or TensorFlow's own threads, would hold a plain exit up.
    os._exit(0)


def _watch_signals() -> tuple[Callable[[], None], Callable[[], None]]:
    """Two functions: SIGTERM and SIGINT end the process until the first is called; the second waits for one."""
    reader, writer = os.pipe()
    serves = threading.Event()

    def note(*_: int | FrameType | None) -> None:
        if not serves.is_set():
            os._exit(0)
        os.write(writer, b".")

    def wait() -> None:
        os.read(reader, 1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return serves.set, wait


def _start(options: argparse.Namespace, serving: Callable[[], None]) -> tuple[list[Workers], AccessLog]:
    """Load the model and its code, and answer from now on. BadModel: why not. serving: called before the first."""
    model, code = _load(options), options.model / "code"
    inference = Inference(code, options.installed) if (code / "inference.py").is_file() else None
    rest = _tcp(options.rest_port) if inference else None
    listening = _listen(options)
    threads = (options.threads or os.cpu_count() or 1) + 1
    service = Service(model, inference, rest.getsockname()[1] if rest else 0, threads)
    log = AccessLog()
    serving()
    workers = service.listen(listening, rest, log.note)
    print(f"Listening on {', '.join(_name(one) for one in (*listening, *([rest] if rest else ())))}", flush=True)
    return workers, log


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
    add("--installed", action="store_true", help="code/requirements.txt is installed already")
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


def _listen(options: argparse.Namespace) -> list[socket.socket]:
    found = []
    if options.socket:
        found.append(_unix(options.socket))
    if options.port is not None:
        found.append(_tcp(options.port))
    return found


def _unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        raise BadModel(f"cannot listen on {path}: {error}") from None
    return listener


def _tcp(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise BadModel(f"cannot listen on port {port}: {error}") from None
    return listener


def _name(listener: socket.socket) -> str:
    where = listener.getsockname()
    return where if isinstance(where, str) else f"port {where[1]}"


if __name__ == "__main__":
    main()
