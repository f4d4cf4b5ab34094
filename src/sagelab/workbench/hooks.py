"""Lifecycle scripts: what OnCreate and OnStart of a lifecycle configuration do on an instance.

AWS: as root, with the instance's role, five minutes each; a script that fails or takes longer fails the instance.
https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

HOOKS = ("OnCreate", "OnStart")
# How the first command of an instance ends for a script's sake; beyond what JupyterLab ends with.
FAILED = {91: "OnCreate", 92: "OnStart"}
TOO_LONG = {93: "OnCreate", 94: "OnStart"}


def log_name(hook: str) -> str:
    """The last part of the name of a script's log stream, and of the pipe that it prints to."""
    return f"LifecycleConfig{hook}"


def run(folder: Path, hook: str, limit: float) -> int:
    """Run the script `hook` of a folder. 0, or the code that its instance ends with. limit: seconds."""
    with (folder / log_name(hook)).open("wb") as log:
        script = subprocess.Popen(
            ["/bin/bash", "-c", str(folder / hook)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd="/", env=os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}, start_new_session=True,
        )  # fmt: skip
        try:
            code = script.wait(limit)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(script.pid, signal.SIGKILL)
            script.wait()
            return next(number for number, name in TOO_LONG.items() if name == hook)
        if code:
            log.write(f"{hook} ended with exit code {code if code > 0 else 128 - code}\n".encode())
    return next(number for number, name in FAILED.items() if name == hook) if code else 0
