"""A fork of the warm Python as the interpreter that a command asked for.

What an interpreter finds out at its start is found out again: where it is, its path, its streams, its randomness.
Where that is not enough (warmth.py) the fork becomes a fresh interpreter.

Standard library alone, imported before the fork.
"""

from __future__ import annotations

import atexit
import builtins
import importlib
import io
import os
import random
import runpy
import site
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from io import open_code
from multiprocessing import process, spawn
from pathlib import Path
from types import ModuleType
from typing import Any

from sagelab.cloud.engine.sandbox import warmth
from sagelab.cloud.engine.sandbox.namespaces import COMMANDS, LAYER, PACKAGES

EXECUTABLE = f"{COMMANDS}/python3"
LAYERED = f"{LAYER}/{PACKAGES}"
OWN_FRAMES = (__file__, runpy.__file__, "<frozen runpy>")


@dataclass(frozen=True)
class Command:
    """`python3 OPTIONS ARGUMENTS`, where ARGUMENTS are a script or -m module and its own.

    python: the real interpreter of the host. own: it is the platform's, and what a job brings is nothing to it.
    """

    arguments: list[str]
    env: dict[str, str]
    python: str = sys.executable
    options: tuple[str, ...] = ()
    own: bool = False


def run(command: Command) -> None:
    """Be that command in this process, and exit as it would."""
    if not command.own and not _fits(command):
        os.execve(command.python, [command.python, *command.options, *command.arguments], command.env)
    os.environ.clear()
    os.environ.update(command.env)
    _renew(command)
    code = 0
    try:
        _run_main(command.arguments)
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException as error:
        code = 1
        if isinstance(error, KeyboardInterrupt):
            code = 130
        sys.excepthook(type(error), error.with_traceback(_own_part(error)), error.__traceback__)
    _finish(code)


def _fits(command: Command) -> bool:
    """Whether a fork is what a fresh interpreter would be."""
    first, env = command.arguments[0], command.env
    if first != "-m" and not first.endswith(".py"):
        return False  # maybe an archive, or compiled: the real interpreter knows
    folders = [_first_folder(command.arguments), *_python_path(env)]
    new = [folder for folder in folders if not folder.startswith((sys.prefix, sys.base_prefix))]
    return not warmth.changed(env) and not warmth.shadowed(new, LAYERED)


def _first_folder(arguments: list[str]) -> str:
    """What an interpreter puts first on its path."""
    return str(Path.cwd() if arguments[0] == "-m" else Path(arguments[0]).resolve().parent)


def _python_path(env: dict[str, str]) -> list[str]:
    return [folder for folder in env.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _run_main(arguments: list[str]) -> None:
    """Run it as the module `__main__`, which stays: threads and children look for it there."""
    main = sys.modules["__main__"] = sys.modules["__mp_main__"] = ModuleType("__main__")
    sys.path.insert(0, _first_folder(arguments))
    if arguments[0] == "-m":
        sys.argv = ["-m", *arguments[2:]]
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined]
        return
    path = str(Path(arguments[0]).absolute())
    with open_code(path) as file:
        source = file.read()
    sys.argv, main.__loader__ = arguments, SourceFileLoader("__main__", path)
    main.__dict__.update(__file__=path, __cached__=None, __builtins__=builtins)
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def _renew(command: Command) -> None:
    """What must not be shared with the parent: where this is, streams, randomness, the search path's own part."""
    _open_streams(raw=bool(command.env.get("PYTHONUNBUFFERED")) or "-u" in command.options)
    _seed()
    time.tzset()
    tempfile.tempdir = None
    sys.executable, sys.orig_argv = EXECUTABLE, [EXECUTABLE, *command.options, *command.arguments]
    # Its children look for its script from here.
    process.ORIGINAL_DIR = str(Path.cwd())  # type: ignore[attr-defined]
    spawn.set_executable(command.python)
    sys.path[:] = [*_python_path(command.env), *_find_packages(command.python)]
    importlib.invalidate_caches()


def _open_streams(raw: bool) -> None:
    entry = open(0, "rb", closefd=False)  # noqa: SIM115
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(entry, "utf-8")  # type: ignore[misc]
    for name, number in (("stdout", 1), ("stderr", 2)):
        binary = open(number, "wb", 0 if raw else -1, closefd=False)  # noqa: SIM115
        stream = io.TextIOWrapper(
            binary, "utf-8", "backslashreplace", line_buffering=name == "stderr", write_through=raw
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _seed() -> None:
    """No two forks draw the same numbers, or trust each other's processes."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    process.current_process().authkey = os.urandom(32)


def _find_packages(python: str) -> list[str]:
    """The interpreter's own part of the search path, with what the host's layer adds to it."""
    inner = [folder for folder in sys.path if folder.startswith((sys.prefix, sys.base_prefix))]
    if not python.startswith(f"{LAYER}/"):
        sys.path[:] = inner
        for file in Path(LAYERED).glob("*.pth"):
            site.addpackage(str(Path(sys.prefix, PACKAGES)), file.name, None)
    else:  # a virtual environment, whose own file leads on to the image's packages
        sys.path[:] = [folder for folder in inner if folder not in site.getsitepackages()]
        site.addsitedir(LAYERED)
    return list(sys.path)


def _own_part(error: BaseException) -> Any:
    """The traceback from the user's first frame on: without this module's and runpy's own."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename in OWN_FRAMES:
        frames = frames.tb_next
    return frames


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _finish(code: int) -> None:
    """End as an interpreter does: threads joined, atexit run, streams flushed."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
    except BaseException:
        code = code or 120
    os._exit(code)
