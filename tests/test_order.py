"""How the tests of a run are handed to its workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks, order

CONFTEST = """
import importlib.util

found = importlib.util.spec_from_file_location("order", {path!r})
order = importlib.util.module_from_spec(found)
found.loader.exec_module(order)


def pytest_xdist_make_scheduler(config, log):
    return order.Groups(config, log)
"""
DEADLY = """
import os
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(6))
def test_numbered(number):
    with Path(__file__).with_name("ran").open("a") as ran:
        print(number, file=ran)
    if number == 2:
        os._exit(1)
"""

NOTED = """
from pathlib import Path

with Path(__file__).with_name("imports").open("a") as imports:
    print(__name__, file=imports)
"""


def run(folder: Path, workers: int, python: forks.Warm | None = None) -> subprocess.CompletedProcess[str]:
    """The tests of a folder, in that many workers. python: what they are forks of; by default that of this run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    arguments = ("-m", "pytest", "-n", str(workers), "-p", "no:cacheprovider", "--no-loadscope-reorder", "-rf")
    return (python or forks.worker(sys.executable)).run(*arguments, folder=folder, variables=env)


@pytest.mark.slow
def test_fewer_tests_than_workers_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(path=order.__file__))
    (tmp_path / "pytest.ini").touch()
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text("def test_it():\n    pass\n")
    assert "2 passed" in run(tmp_path, 2).stdout


@pytest.mark.slow
def test_one_that_kills_its_worker_fails_once_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(path=order.__file__))
    (tmp_path / "test_deadly.py").write_text(DEADLY)
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    (tmp_path / "pytest.ini").touch()
    ran = run(tmp_path, 1)
    assert ran.returncode == 1, ran.stderr
    assert re.search(r"\b1 failed, 6 passed\b", ran.stdout), ran.stdout
    assert "FAILED test_deadly.py::test_numbered[2]" in ran.stdout
    assert sorted((tmp_path / "ran").read_text().split()) == list("012345")


@pytest.mark.slow
def test_files_are_imported_before_the_workers_and_what_cannot_be_by_each(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib --continue-on-collection-errors"
    )
    texts = {
        "fails": "def test_it():\n    assert [1, 2] == [1, 3]",
        "broken": "1 / 0",
        "passes": "def test_it():\n    pass",
    }
    for name, text in texts.items():
        (tmp_path / f"test_{name}.py").write_text(f"{NOTED}\n{text}\n")
    variables = forks.naming(sorted(tmp_path.glob("test_*.py")))
    folder, _ = forks.place()
    python = forks.Warm("imported", sys.executable, (str(forks.IMPORTED),), folder, os.getpid(), variables)
    ran = run(tmp_path, 0, python)
    assert "ZeroDivisionError" in ran.stdout
    assert "At index 1 diff: 2 != 3" in ran.stdout  # the assertions were rewritten
    assert "1 failed, 1 passed, 1 error" in ran.stdout
    imports = (tmp_path / "imports").read_text().split()
    assert sorted(imports) == ["test_broken", "test_broken", "test_fails", "test_passes"]
