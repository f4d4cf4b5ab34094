"""The dev container: what it names is here, and what it does when it is made brings up the start page."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sagelab.cloud import home as homes
from tests.test_studio import end_bytecode

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".devcontainer"
WANTED = json.loads((FOLDER / "devcontainer.json").read_text())
STARTED = 240.0  # seconds


def test_its_commands_are_here() -> None:
    script = ROOT / WANTED["postCreateCommand"]
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert WANTED["postAttachCommand"] == "make lab"
    assert "\nlab: setup" in (ROOT / "Makefile").read_text()


def test_its_ports_are_those_that_are_served() -> None:
    assert WANTED["forwardPorts"] == [homes.PORT, homes.CONSOLE_PORT, 8888]
    assert list(WANTED["portsAttributes"]) == list(map(str, WANTED["forwardPorts"]))


def test_its_python_is_one_that_the_workflow_tests() -> None:
    version = WANTED["image"].rpartition(":")[2].split("-")[1]
    assert f'"{version}"' in (ROOT / ".github" / "workflows" / "labs.yml").read_text()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_what_it_does_when_it_is_made_brings_up_the_start_page(tmp_path: Path) -> None:
    """Step by step in a fresh clone. What it installs of the system is shown, not installed."""
    clone, tools = tmp_path / "sagelab", tmp_path / "bin"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", clone], check=True)
    tools.mkdir()
    (tools / "python3").symlink_to(Path(sys.executable).resolve())
    (tools / "sudo").write_text('#!/bin/sh\necho "sudo $*"\n')
    (tools / "sudo").chmod(0o755)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JUPYTER", "PYTHON"))
    }
    cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
    env = kept | {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path / "home"), "UV_CACHE_DIR": cache}
    env |= {"SAGELAB_HOME": str(tmp_path / "home" / ".sagelab")}
    Path(env["HOME"]).mkdir()
    made = subprocess.run(
        [clone / WANTED["postCreateCommand"]], cwd=clone, env=env, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "good    packages" in made.stdout
    end_bytecode(clone / ".venv")
    said = attach(clone, env)
    assert said.startswith("start page: http://127.0.0.1:")
    status = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True)
    assert status.stdout == ""
    shutil.rmtree(clone)


def attach(clone: Path, env: dict[str, str]) -> str:
    """What `make lab` says last, with its page asked for once."""
    # A worker of the tests ignores Ctrl-C, and so would what it starts.
    command = ["env", "--default-signal=INT", *shlex.split(WANTED["postAttachCommand"])]
    lab = subprocess.Popen(command, cwd=clone, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert lab.stdout is not None
    try:
        began, line = time.monotonic(), ""
        while not line.startswith("start page: "):
            assert time.monotonic() - began < STARTED
            line = lab.stdout.readline()
            assert line
        with urllib.request.urlopen(line.removeprefix("start page: ").strip()) as answer:
            assert "Train a digit classifier" in answer.read().decode()
        return line
    finally:
        os.killpg(lab.pid, signal.SIGINT)
        lab.communicate(timeout=120)
