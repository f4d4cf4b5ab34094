"""A Python that has imported an SDK, and runs each script that it is asked to in a fork of itself.

    python -P warm_sdk.py SOCKET OWNER MODULE ...

A line of JSON on a connection to the socket, {"arguments", "folder", "variables", "out"}, is one script with its
arguments; the line that comes back is its exit code. What it printed is in the folder `out`, in out and err. The
Python ends with the process OWNER. Standard library alone: it also runs in environments of other clients.
"""

from __future__ import annotations

import json
import os
import runpy
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

PAUSE = 1.0  # seconds between two looks after the owner


def main() -> None:
    """Import, then serve until the owner has gone; in a fork: run one script to its end."""
    address, owner, *modules = sys.argv[1:]
    for module in modules:
        import_module(module)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.new")
        server.listen()
        Path(f"{address}.new").rename(address)  # who sees it is heard
        server.settimeout(PAUSE)
        asked = None
        while asked is None and is_there(int(owner)):
            reap()
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection:
                asked = fork(connection)
    if asked is not None:
        run(**asked)


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def reap() -> None:
    """Let go of those that have answered."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def fork(connection: socket.socket) -> dict[str, Any] | None:
    """None in the process that serves; in the fork that is to run a script: what was asked for.

    Between the two stands one that waits for the script and answers.
    """
    connection.settimeout(None)
    if os.fork():
        return None
    with connection.makefile("r") as lines:
        asked: dict[str, Any] = json.loads(lines.readline())
    script = os.fork()
    if not script:
        return asked
    code = os.waitstatus_to_exitcode(os.waitpid(script, 0)[1])
    connection.sendall(f"{code}\n".encode())
    os._exit(0)


def run(arguments: list[str], folder: str, variables: dict[str, str], out: str) -> None:
    """Run a script as `python SCRIPT ARGUMENTS` does in that folder, with those environment variables alone."""
    for descriptor, path in enumerate((os.devnull, f"{out}/out", f"{out}/err")):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if descriptor else os.O_RDONLY
        os.dup2(os.open(path, flags, 0o600), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).parent))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
