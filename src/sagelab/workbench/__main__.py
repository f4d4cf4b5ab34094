"""The first command of a notebook instance: lifecycle scripts, then JupyterLab for as long as the instance runs.

    python3 -m sagelab.workbench --run DIR --files DIR [--root] [--limit SECONDS] [HOOK ...]

JupyterLab listens on `jupyter.sock` of --run, and starts again when somebody shuts it down from its menu.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from sagelab.workbench import hooks

SOCKET = "jupyter.sock"
JUPYTER = (
    "-P -m sagelab.desk.jupyterlab --allow-root --log-level=WARN"
    " --ServerApp.identity_provider_class=sagelab.workbench.identity.Presigned"
).split()
TRIES = 3  # ends of JupyterLab in a row, each within SOON seconds of its start, that are the instance's end
SOON = 10.0


def main() -> None:
    """Exits with a code of `hooks` where a script failed, with JupyterLab's own where that does not stay up."""
    parser = argparse.ArgumentParser(prog="sagelab.workbench")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--root", action="store_true", help="JupyterLab's terminals have sudo")
    parser.add_argument("--limit", type=float, default=300.0)
    parser.add_argument("hooks", nargs="*")
    options = parser.parse_args()
    for hook in options.hooks:
        if code := hooks.run(options.run, hook, options.limit):
            sys.exit(code)
    sys.exit(keep_jupyter(options.run, options.files, options.root))


def keep_jupyter(run: Path, files: Path, root: bool) -> int:
    """Run JupyterLab on `files` again and again; its exit code once it does not stay up."""
    path = f"{run}/bin:{os.environ['PATH']}" if root else os.environ["PATH"]
    env = os.environ | {"HOME": str(files.parent), "PATH": path, "SHELL": "/bin/bash"}
    socket_name = min(str(run / SOCKET), os.path.relpath(run / SOCKET, files), key=len)  # 107 bytes at most
    command = [sys.executable, *JUPYTER, f"--ServerApp.sock={socket_name}", f"--ServerApp.root_dir={files}"]
    short_lives, code = 0, 0
    while short_lives < TRIES:
        began = time.monotonic()
        (run / SOCKET).unlink(missing_ok=True)
        code = subprocess.call(command, cwd=files, env=env)
        short_lives = short_lives + 1 if time.monotonic() - began < SOON else 0
    return code or 1


if __name__ == "__main__":
    main()
