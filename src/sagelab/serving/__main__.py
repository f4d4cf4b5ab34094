"""The process: load the model, listen, serve until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sagelab.serving.errors import BadModel
from sagelab.serving.inference import Inference
from sagelab.serving.model import Model, find

FINISH = 10  # seconds that requests in flight have after SIGTERM
BACKLOG = 1024  # connections that may wait to be accepted
KEPT = 3600  # seconds that an idle connection is kept: whoever has a pool of them decides, not the server


def main() -> NoReturn:
    """Exit code 0 after SIGTERM, 1 for a model that cannot be served, with its reason on stderr."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    options = _options()
    try:
        model = _load(options)
        code = options.model / "code"
        inference = Inference(code) if (code / "inference.py").is_file() else None
        rest = _tcp(options.rest_port) if inference else None
        listening = [*_listen(options), *([rest] if rest else [])]
    except BadModel as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    print(f"Listening on {', '.join(_name(one) for one in listening)}", flush=True)
    _serve(model, inference, listening, options)
    sys.stdout.flush()
    sys.stderr.flush()
    # A handler that goes on for longer than FINISH, or TensorFlow's own threads, would hold a plain exit up.
    os._exit(0)


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


def _serve(
    model: Model, inference: Inference | None, listening: list[socket.socket], options: argparse.Namespace
) -> None:
    import uvicorn

    from sagelab.serving.app import Service

    threads = options.threads or os.cpu_count() or 1
    port = listening[-1].getsockname()[1] if inference else 0
    config = uvicorn.Config(
        Service(model, inference, port, threads + 1).app(),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEPT,
        timeout_graceful_shutdown=FINISH,
    )
    with suppress(SystemExit):  # uvicorn hands the signal on when it has finished, to _leave
        uvicorn.Server(config).run(sockets=listening)


def _leave(*_: int | FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
