"""Both SageMaker SDKs in the process of the tests themselves."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.clients.conftest import environment
from tests.testing.suites import run

ROOT = Path(__file__).parents[2]
PYTEST = ("pytest", "pluggy", "iniconfig")  # what it needs besides is in the SDK's environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_clients_that_the_sdk_v3_keeps_are_those_of_the_place_that_a_test_is_in(tmp_path: Path) -> None:
    ran = run(tmp_path, "sdk_v3", "-W", "default")
    assert ran.outcomes == dict.fromkeys(("test_before", "test_with_it", "test_after"), "passed"), ran.said


@pytest.fixture
def beside(tmp_path: Path) -> str:
    """A PYTHONPATH that brings this project and pytest into the environment of another SDK."""
    folder = tmp_path / "beside"
    folder.mkdir()
    packages = Path(sysconfig.get_path("purelib"))
    files = [file for name in PYTEST for file in importlib.metadata.files(name) or []]
    for name in {file.parts[0] for file in files} - {"..", "__pycache__"}:
        (folder / name).symlink_to(packages / name)
    return os.pathsep.join([str(ROOT / "src"), str(folder)])


@pytest.mark.long
def test_sdk_v2_has_the_local_cloud_of_another_environment(tmp_path: Path, beside: str) -> None:
    python = str(environment("v2") / "bin" / "python")
    env = {"PYTHONPATH": beside, "SAGELAB_PYTHON": sys.executable}
    ran = run(tmp_path / "team", "sdk_v2", "-W", "default", "-p", "sagelab.testing.plugin", python=python, **env)
    assert ran.outcomes["test_estimator_trains"] == "passed", ran.said
    assert "the last words" in ran.said.partition("sagelab: training job")[2]
