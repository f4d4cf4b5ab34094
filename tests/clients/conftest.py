"""Other clients in environments of their own, run as a person runs them: `sagelab exec -- ...`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelab.lab import digits
from tests import forks
from tests.built import build
from tests.clients.conformance import ASKS, note
from tests.cloud.endpoints import DOUBLER, pack_folder
from tests.conftest import LocalCloud
from tests.forks import RECORDER
from tests.wheels import make_wheel

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
IMPOSSIBLE = 3  # exit code of tools/environments.py where an environment cannot be made
TIMEOUT = 900


@dataclass(frozen=True)
class Ran:
    """A command that has ended. calls: of AWS, each {"service", "operation", "params", "error"}.

    source: what was run, as the page of conformance has it.
    """

    source: str
    code: int
    out: str
    err: str
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def operations(self) -> set[str]:
        """service.Operation of every call that succeeded."""
        return {f"{call['service']}.{call['operation']}" for call in self.calls if call["error"] is None}


Run = Callable[..., Ran]
Play = Callable[[str, str, Path], Ran]


@pytest.fixture(scope="session")
def run(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """run(COMMAND, ..., cwd=FOLDER) below `sagelab exec` on the tests' local cloud; its calls are recorded."""

    def act(*command: str, cwd: Path | None = None, **env: str) -> Ran:
        record = tmp_path_factory.mktemp("record") / "calls.jsonl"
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        surroundings |= {"SAGELAB_HOME": str(cloud.home.path), "SAGELAB_RECORD": str(record)} | env
        # `sagelab exec` puts its own folder first on PYTHONPATH: env(1) puts the recorder before it.
        first = ["env", f"RECORDER={RECORDER}", "sh", "-c", 'PYTHONPATH="$RECORDER:$PYTHONPATH" exec "$@"', "sh"]
        sagelab = [str(Path(sys.executable).with_name("sagelab")), "exec", "--"]
        done = subprocess.run(
            [*sagelab, *first, *command],
            env=surroundings,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        source = next((part for part in command if part.endswith(".py")), command[-1])
        return Ran(Path(source).name, done.returncode, done.stdout, done.stderr, read_calls(record))

    return act


def read_calls(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


@pytest.fixture(scope="session")
def play(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """play(PYTHON, SCRIPT, FOLDER): a script of an SDK's, in a fork of that Python, with its calls recorded.

    The long tests run the same scripts as processes of their own.
    """

    def act(python: str, script: str, folder: Path) -> Ran:
        record = tmp_path_factory.mktemp("script") / "calls.jsonl"
        variables = forks.recording(cloud.env, str(record))
        ran = forks.sdk(python, cloud.env).run(str(SCRIPTS / script), folder=folder, variables=variables)
        return Ran(script, ran.returncode, ran.stdout, ran.stderr, read_calls(record))

    return act


def environment(name: str) -> Path:
    """The folder of a client's environment; the test is skipped where it cannot be made."""
    command = [sys.executable, str(ROOT / "tools" / "environments.py"), name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == IMPOSSIBLE:
        pytest.skip(f"the environment of {name} cannot be made here: {done.stderr.strip()[:300]}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows.csv, rows.jsonl, scripts in code/, and a model.tar.gz that doubles two numbers."""
    folder = tmp_path_factory.mktemp("table")
    shutil.copytree(SCRIPTS / "code", folder / "code")
    make_wheel(folder / "code/wheels", "heard-of-never", "1.5")  # what requirements.txt asks for, and no index has
    (folder / "rows.csv").write_text("\n".join(f"{n},{n + 1}" for n in range(8)))
    (folder / "rows.jsonl").write_text("\n".join(f"[{n}, {n + 1}]" for n in range(3)))
    (folder / "model.tar.gz").write_bytes(pack_folder(build(DOUBLER, "2")))
    return folder


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the course's notebook has it: its training script, and its digits in data/."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "labs" / "01-train-a-digit-classifier" / "mnist-train-cnn.py", folder)
    shutil.copytree(SCRIPTS / "code", folder / "code")
    (folder / "data").mkdir()
    data = digits.load()
    np.savez(folder / "data/training.npz", image=data.images[:2000], label=data.labels[:2000])
    np.savez(folder / "data/validation.npz", image=data.held_out_images[:500], label=data.held_out_labels[:500])
    return folder


@pytest.fixture(scope="session")
def v2() -> str:
    """The Python that has the SageMaker Python SDK v2."""
    return str(environment("v2") / "bin" / "python")


@pytest.fixture(scope="session")
def aws() -> str:
    """The AWS CLI."""
    return str(environment("cli") / "bin" / "aws")


def check(ran: Ran, *refused: str) -> None:
    """It ran to its end, no call failed that must not, and the page of conformance has them all.

    refused: operations that the script has refused to it.
    """
    assert ran.code == 0, ran.out[-4000:] + ran.err[-4000:]
    failed = [call for call in ran.calls if call["error"] and call["operation"] not in ASKS]
    assert [call for call in failed if call["operation"] not in refused] == []
    note(ran.source, ran.calls)
