"""The API server seen from another process: start it, end it, point kubectl at it.

HOME/kubernetes/      a folder of its own, with its lock and its log
  cluster.db          every object
  ca.crt, server.crt, server.key
  token               what clients show; mode 0600
  kubeconfig          the server's address, its authority and the token; mode 0600
  operator.log        what the operator has said since its last start
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sagelab.cloud import control
from sagelab.cloud.engine.images.environments import KUBERNETES, Environments
from sagelab.cloud.errors import NotRunning, StartFailed
from sagelab.cloud.home import Home

GRACE = 20.0  # seconds between asking it to end and killing it
LOG_END = 10  # lines of the log that explain a failed start


def place(home: Home) -> Home:
    """The folder of a home's API server, which has a lock, a log and an announcement as a home has them."""
    return Home(home.path / "kubernetes")


def kubeconfig(home: Home) -> Path:
    """The file that points a client at it. NotRunning: none runs."""
    if place(home).server() is None:
        raise NotRunning(f"No Kubernetes API runs on {home.path}; start it with: sagelab k8s up")
    return place(home).path / "kubeconfig"


def up(home: Home, port: int | None = None, operator: bool = True) -> str:
    """The URL of the API server of a home, started in the background if none runs; so is its local cloud.

    It ends with that local cloud. operator: whether SageMaker's kinds are there and acted on. PullFailed: what the
    operator needs could not be had. StartFailed: it ended before it was ready.
    """
    if operator:
        Environments(home.environments).pull(KUBERNETES)
    control.up(home)
    with place(home).starting():
        running = place(home).server()
        return str(running["url"]) if running else _start(home, port, operator)


def down(home: Home) -> bool:
    """End it, by force after 20 s. False: none ran."""
    with place(home).starting():
        running = place(home).server()
        if running is None:
            return False
        if not control.end(running["pid"], signal.SIGTERM, GRACE):
            control.end(running["pid"], signal.SIGKILL, GRACE)
        return True


def status(home: Home) -> dict[str, Any] | None:
    """url, pid, start and operator of the one that runs, or None."""
    return place(home).server()


def _start(home: Home, port: int | None, operator: bool) -> str:
    folder = place(home)
    command = [sys.executable, "-P", "-m", "sagelab.k8s.server", "--home", str(home.path)]
    command += [*(["--port", str(port)] if port else []), *([] if operator else ["--without-operator"])]
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as ready, folder.log.open("ab") as log:
        said_before = log.tell()
        try:
            subprocess.run(
                ["sh", "-c", '"$@" &', "sh", *command, "--ready-fd", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder.path,
                pass_fds=[writer],
                start_new_session=True,
            )
        finally:
            os.close(writer)
        if ready.read(1) and (running := folder.server()):
            return str(running["url"])
    said = folder.log.read_bytes()[said_before:].decode(errors="replace").splitlines()[-LOG_END:]
    raise StartFailed("\n".join(["The Kubernetes API ended before it was ready. Its log says:", *said]))
