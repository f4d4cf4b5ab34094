"""A Python that has imported what is slow to import, and runs programs in forks of itself.

    python -P warm.py SOCKET OWNER MODULE|SCRIPT ...

A line of JSON on a connection to the socket, {"arguments", "folder", "variables"}, and with it two open files, is
one program: its arguments as `python` has them (a script, `-m MODULE` or `-c CODE`, and what follows), and where
its output and its errors go; a file before those is its input. The lines that come back are its process and its
exit code. Whoever asked ends it by hanging up. The Python itself ends with the process OWNER. Standard library
alone: it also runs in environments of other clients.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

PAUSE = 1.0  # seconds between two looks after the owner
LIMIT = 1 << 20  # bytes of what is asked


def main() -> None:
    """Import, then serve until the owner has gone; in a fork: run one program to its end."""
    address, owner, *modules = sys.argv[1:]
    gc.disable()
    before = set(os.environ)
    for module in modules:
        runpy.run_path(module) if module.endswith(".py") else import_module(module)
    forget_session()
    said = {name: os.environ[name] for name in set(os.environ) - before}
    gc.enable()
    gc.freeze()
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
        run(**asked | {"variables": said | asked["variables"]})


def forget_session() -> None:
    """An SDK makes a default session as it is imported: its keys are those of this moment, not of a program."""
    if boto3 := sys.modules.get("boto3"):
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]


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
    """None in the process that serves; in the fork that is to run a program: what was asked for.

    Between the two stands one that waits for the program and answers.
    """
    connection.settimeout(None)
    if os.fork():
        return None
    asked, files = receive(connection)
    program = os.fork()
    if not program:
        given = files if len(files) == 3 else [os.open(os.devnull, os.O_RDONLY), *files]
        for descriptor, file in enumerate(given):
            os.dup2(file, descriptor)
            os.close(file)
        return asked
    for file in files:
        os.close(file)
    connection.sendall(f"{program}\n".encode())
    os._exit(wait(program, connection))


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What is asked for, and the files that came with it."""
    text, files, _, _ = socket.recv_fds(connection, LIMIT, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(LIMIT)
    asked: dict[str, Any] = json.loads(text)
    return asked, files


def wait(program: int, connection: socket.socket) -> int:
    """Tell the exit code of a program, or kill it where nobody wants to know."""
    ended = os.pidfd_open(program)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:
        os.kill(program, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with suppress(OSError):
        connection.sendall(f"{code}\n".encode())
    return 0


def run(arguments: list[str], folder: str, variables: dict[str, str]) -> None:
    """Run a program as `python ARGUMENTS` does in that folder, with those environment variables alone.

    Those that an import has set are among them: a process would have them once it imports the same.
    """
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    first, *rest = arguments
    if first == "-m":
        sys.argv = rest
        sys.path.insert(0, "")
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = [first, *rest[1:]]
        sys.path.insert(0, "")
        names = vars(sys.modules["__main__"])
        del names["__file__"]
        exec(compile(rest[0], "<string>", "exec"), names)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(first).parent))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
