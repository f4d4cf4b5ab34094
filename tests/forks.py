"""Programs as forks of Pythons that have imported what they need: one Python for all workers of a run.

An import of TensorFlow takes six seconds of a processor, one of an SDK five. What is proved of a program is not
proved of its imports; where it is, it runs as a process of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.waiting import until

WARM = Path(__file__).with_name("warm.py")
RECORDER = Path(__file__).parent / "clients" / "recorder"
WORKER = Path(__file__).with_name("forked_worker.py")
IMPORTED = Path(__file__).with_name("imported.py")
TIMEOUT = 900  # seconds for a program that is waited for
# What scripts of an SDK import, and the kernels of notebooks.
SDKS = {
    "v2": (
        "sagemaker.tensorflow",
        "sagemaker.tuner",
        "sagemaker.sklearn.estimator",
        "sagemaker.xgboost.estimator",
    ),
    "v3": (
        "sagemaker.core.processing",
        "sagemaker.core.transformer",
        "sagemaker.train",
        "sagemaker.train.tuner",
        "sagemaker.serve.model_builder",
        "ipykernel.kernelapp",
    ),
}
# What several files of tests import while they are collected. Nothing whose assertions pytest rewrites: it must
# see those imported.
WORKERS = (
    "matplotlib.figure",
    "moto.ec2.models",
    "moto.server",
    "moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_factory",
    "pandas",
    "playwright.sync_api",
    "scipy.ndimage",
    "scipy.stats",
    "sklearn.base",
)


@dataclass
class Fork:
    """A program that runs, much as subprocess.Popen has it."""

    pid: int
    connection: socket.socket
    returncode: int | None = None
    stdout: IO[str] | None = None
    stderr: IO[str] | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        if self.returncode is None:
            self.connection.setblocking(False)
            try:
                self._read()
            except BlockingIOError:
                return None
        return self.returncode

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Its exit code. TimeoutError: it has none yet."""
        if self.returncode is None:
            self.connection.settimeout(timeout)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = TIMEOUT) -> tuple[str, str]:
        """All that is left of its output, and its errors, when it has ended."""
        assert self.stdout
        assert self.stderr
        with self.stdout, self.stderr:
            out = self.stdout.read()
            self.wait(timeout)
            return out, _read(self.stderr)

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Hang up, which ends it."""
        self.connection.close()
        for file in (self.stdout, self.stderr):
            if file:
                file.close()

    def _read(self) -> None:
        self.returncode = int(self.connection.recv(100))
        self.connection.close()


@dataclass(frozen=True)
class Warm:
    """A Python that has imported `modules`: in a folder that all workers of a run share, ended with its owner.

    variables: of its environment while it imports.
    """

    name: str
    python: str
    modules: tuple[str, ...]
    folder: Path
    owner: int
    variables: Mapping[str, str] | None = None

    def start(self, arguments: Iterable[str], out: IO[Any] | int, err: IO[Any] | int, **options: Any) -> Fork:
        """`python ARGUMENTS`, with its output and errors going to two open files.

        options: folder, its current directory; variables, all of its environment.
        """
        files = [file if isinstance(file, int) else file.fileno() for file in (out, err)]
        asked = {
            "arguments": list(arguments),
            "folder": str(options.get("folder") or Path.cwd()),
            "variables": dict(options.get("variables") or os.environ),
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.find()))
        text = json.dumps(asked).encode() + b"\n"
        sent = socket.send_fds(connection, [text], files)
        if rest := text[sent:]:  # where there is none, a program that has ended already is no broken pipe
            connection.sendall(rest)
        pid = b""
        while not pid.endswith(b"\n"):
            pid += connection.recv(1)
        return Fork(int(pid), connection)

    def open(self, *arguments: str, **options: Any) -> Fork:
        """A program whose output can be read while it runs, as subprocess.Popen with pipes."""
        reader, writer = os.pipe()
        errors = _memory()
        process = self.start(arguments, writer, errors, **options)
        os.close(writer)
        process.stdout, process.stderr = os.fdopen(reader, encoding="utf-8", errors="replace"), errors
        return process

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as subprocess.run with its output as text."""
        with _memory() as out, _memory() as err:
            code = self.start(arguments, out, err, **options).wait()
            return subprocess.CompletedProcess(list(arguments), code, _read(out), _read(err))

    def find(self) -> Path:
        """The socket of the Python, which is started where there is none."""
        made, log = self.folder / self.name, self.folder / f"{self.name}.log"
        self.folder.mkdir(exist_ok=True)
        with (self.folder / f"{self.name}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if not made.exists():
                command = [self.python, "-P", "-W", "ignore", str(WARM), str(made), str(self.owner), *self.modules]
                shell = ["sh", "-c", 'exec >"$0" 2>&1 </dev/null; "$@" &', str(log), *command]
                env = None if self.variables is None else dict(self.variables)
                subprocess.run(shell, env=env, start_new_session=True, check=True)
                until(lambda: made.exists() or "Error" in log.read_text(), bool)
            assert made.exists(), log.read_text()
        return made


def sdk(python: str, env: Mapping[str, str]) -> Warm:
    """A Python with an SDK of SageMaker's. python: this one, which has v3, or one that has v2.

    env: of a program on the local cloud. Calls are recorded where SAGELAB_RECORD of a program says.
    """
    name = "v3" if python == sys.executable else "v2"
    return Warm(name, python, SDKS[name], *place(), variables=recording(env, os.devnull))


def recording(env: Mapping[str, str], record: str) -> dict[str, str]:
    """The environment of a program whose calls of AWS are written down in a file."""
    path = f"{RECORDER}{os.pathsep}{env['PYTHONPATH']}"
    return {**env, "PYTHONPATH": path, "SAGELAB_RECORD": record}


def worker(python: str, files: Iterable[Path] = ()) -> Warm:
    """This Python with what workers import, and with those files of tests."""
    return Warm("workers", python, (*WORKERS, str(IMPORTED)), *place(), variables=naming(files))


def naming(files: Iterable[Path]) -> dict[str, str]:
    """The environment of a Python that imports those files of tests (imported.py)."""
    return {**os.environ, "SAGELAB_TEST_FILES": json.dumps([str(file) for file in files])}


def tensorflow() -> Warm:
    """This Python with TensorFlow and Keras."""
    return Warm("tensorflow", sys.executable, ("tensorflow", "keras"), *place())


def settle(find: Callable[[], tuple[Path, int]]) -> None:
    """find: the folder of the Pythons of this run, and the process that they end with."""
    global _find
    _find = find


def place() -> tuple[Path, int]:
    """The folder of the Pythons of this run, and the process that they end with."""
    assert _find is not None
    return _find()


_find: Callable[[], tuple[Path, int]] | None = None


def _memory() -> IO[str]:
    return os.fdopen(os.memfd_create("output"), "w+", encoding="utf-8", errors="replace")


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
