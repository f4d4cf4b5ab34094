"""What runs in a server's host: the model server that stands for TensorFlow Serving, or the learner's own image.

Both listen on the same socket in the host's /run, so that whoever asks them need not know which it is.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from sagelab.cloud.engine.images import runtimes
from sagelab.cloud.engine.images.registry import Image
from sagelab.cloud.engine.images.runtimes import Runtime

MODEL, COMPILED, SOCKET = "/opt/ml/model", "/opt/ml/model.compiled", "/run/sagelab/http.sock"
SERVE = f"python3 -m sagelab.serving --model {MODEL} --socket {SOCKET}"
SCRIPTS = "python3 -m sagelab.serving.scripts"
ALGORITHMS = "python3 -m sagelab.serving.algorithms"
SCRIPTED = ("scikit-learn", "xgboost", "pytorch", "huggingface")  # images whose model server it stands for
BROUGHT, CODE = "/opt/ml/code", f"{MODEL}/code"  # by the platform, in the archive
INSTALL = (
    "{{ python3 -m pip install --quiet --disable-pip-version-check --requirement {}/requirements.txt"
    " || {{ echo 'pip could not install code/requirements.txt (its own words stand above)."
    " Without a network, put the packages into code/lib of the model archive.'; exit 1; }}; }} && "
)
COMPILE = f"python3 -m sagelab.serving.accelerate {MODEL} {COMPILED}"
RELAY = f"python3 -m sagelab.relay {SOCKET}"
PORT = 8080  # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
VERSION = "SAGEMAKER_FRAMEWORK_VERSION"
BIND_TO = "SAGEMAKER_BIND_TO_PORT"  # the platform's own way to say another port
FREE_PORTS = {"SAGEMAKER_SAFE_PORT_RANGE": "18000-18999"}
ACCELERATED = (
    "{}: the model is compiled ahead of time for this processor (IREE), which stands in for the accelerator"
)
OWN_NETWORK = "the container has a network of its own: its port 8080 is nobody else's"
SHARED_NETWORK = (
    "this machine has no namespaces, so the container must listen on the port that SAGEMAKER_BIND_TO_PORT names"
)
VCPUS = {"medium": 1, "large": 2, "xlarge": 4}


@dataclass(frozen=True)
class Container:
    """How to start a server.

    command: for /bin/sh. runtime: the Python it is forked from. network: whether it has one.
    environment: what it is told. notes: heads the log. program: the folder that the image stands for, if it is
    the learner's.
    """

    command: str
    runtime: Runtime
    network: bool
    environment: dict[str, str]
    notes: tuple[str, ...]
    program: Path | None = None


def tensorflow_serving(folder: Path, count: int, accelerator: str | None, isolated: bool) -> Container:
    """The project's own model server. folder: of the host, its model unpacked. isolated: without a network.

    count: of threads, here and below.
    """
    serve = f"{SERVE} --threads {count}"
    command = f"{COMPILE} && exec {serve} --compiled {COMPILED}" if accelerator else f"exec {serve}"
    code = folder / "ml/model/code"
    # The server imports TensorFlow in any case; code that replaces it needs a Python of its own.
    runtime = runtimes.choose(code, toolkit=True) if code.is_dir() else runtimes.TENSORFLOW
    command = _install(code, CODE) + command
    notes = [f"{runtimes.describe_here()}, {count} threads"]
    if accelerator:
        notes.append(ACCELERATED.format(accelerator))
    return Container(command, runtime, not isolated, {}, tuple(notes))


def script_serving(image: Image, uri: str, folder: Path, count: int, isolated: bool) -> Container:
    """The model server of images that serve scripts (SCRIPTED), with the learner's script or without one.

    uri: of the image; its version is told.
    """
    command = f"exec {SCRIPTS} {image.server} --model {MODEL} --socket {SOCKET} --threads {count}"
    brought, environment = folder / "ml/code", image.environment
    code, seen = (
        (brought, BROUGHT) if brought.is_dir() and any(brought.iterdir()) else (folder / "ml/model/code", CODE)
    )
    command = _install(code, seen) + command
    runtime = Runtime(environment.name, environment.imports, ("python3",), environment)
    notes = (f"{runtimes.describe_here(environment)}, {count} threads",)
    return Container(command, runtime, not isolated, {VERSION: image.version(uri) or ""}, notes)


def algorithm_serving(image: Image, count: int, isolated: bool) -> Container:
    """The model server of a built-in algorithm, whose module answers."""
    environment = image.environment
    command = f"exec {ALGORITHMS} {image.algorithm} --model {MODEL} --socket {SOCKET} --threads {count}"
    notes = (f"{runtimes.describe_here(environment)}, {count} threads",)
    return Container(command, runtimes.ready(environment), not isolated, {}, notes)


def neo_serving(instance_type: str, count: int, isolated: bool) -> Container:
    """The same server with a model that Neo compiled: it needs no TensorFlow, and the right processor."""
    command = f"exec {SERVE} --threads {count} --instance-type {instance_type}"
    return Container(command, runtimes.PYTHON, not isolated, {}, (f"{runtimes.describe_here()}, {count} threads",))


def own_image(program: Path, sandbox_unavailable: str | None, isolated: bool, row: bool) -> Container:
    """The learner's `serve`. sandbox_unavailable: why this machine has no namespaces, if it has none.

    row: it is one of several containers, which are told of ports that are free.
    """
    port = _free_port() if sandbox_unavailable else PORT
    # No child of `serve`: a request to end goes to processes without children.
    command = f"({RELAY} {port} &); exec serve"
    notes = (
        "its folder at /opt/program and this machine's Python",
        SHARED_NETWORK if sandbox_unavailable else OWN_NETWORK,
    )
    free = FREE_PORTS if row and not sandbox_unavailable else {}
    return Container(command, runtimes.PYTHON, not isolated, {BIND_TO: str(port), **free}, notes, program)


def _install(code: Path, seen: str) -> str:
    """What a shell does first for the code of a model, which the host has at `seen`: its requirements."""
    wanted = (code / "requirements.txt").exists() and not (code / "lib").is_dir()
    return INSTALL.format(seen) if wanted else ""


def threads(instance_type: str) -> int:
    """The instance's share of this machine: its vCPUs, as far as there are cores."""
    size = instance_type.rpartition(".")[2]
    found = re.fullmatch(r"(\d+)xlarge", size)
    vcpus = 4 * int(found[1]) if found else VCPUS.get(size, 2)
    return max(1, min(vcpus, os.cpu_count() or 1))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
