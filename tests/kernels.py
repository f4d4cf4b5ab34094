"""The notebooks in the run of the tests: their kernels ask the run's local cloud, and what they ask is noted.

A kernel is a fork of the Python that has imported the SDK (forks.py); `make labs` starts each as a process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests import forks

NAME = "forked"  # of the kernel, for nbval's option
CLIENT = Path(__file__).with_name("forked_kernel.py")
TIMEOUT = 1800  # seconds for one cell, however slow the machine
# What is said after a notebook's own parameters: less to train, and still enough for all that its cells assert.
# `make labs` runs every notebook with its own.
SHORTER = {
    "01-train-a-digit-classifier": "EPOCHS = 3",
    "02-deploy-and-read-handwriting": "EPOCHS = 1",
    "03-tune-the-classifier": "JOBS, EPOCHS = 4, 2",
    "07-operate-an-endpoint": "EPOCHS = 1",
    "09-feed-it": "READERS, CLICKS, SPIKE, TASK_NODES, PACE, PAGE_MS = 150, 10_000, 2_000, 1, 3, 1_000",
    "10-prepare-at-scale": "PARCELS, PICTURES = 12_000, 24",
    "11-explore-impute-model": "SEEDS, EPOCHS, EACH = 4, 6, 1",
}

# Whose image has 600 MB to be pulled first, as every test of Spark's: `make test-long` runs them.
LONG = ("09-feed-it", "10-prepare-at-scale")
# What changes a local cloud as a whole, its clock and its zones, has one of its own.
APART = ("06-lock-it-down", "07-operate-an-endpoint")
SHARED = "cloud"


class Kernels:
    """Starts the kernel of a notebook as `sagelab exec` starts a program."""

    def __init__(
        self, find_variables: Callable[[str], dict[str, str]], end: Callable[[str], None], record: str | None
    ) -> None:
        """find_variables: the environment of a program on a local cloud of the run, by the cloud's name; it is
        started. end: ends one. record: where its calls go.
        """
        self._find, self._end, self._record = find_variables, end, record

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if is_cell(item):
                item.add_marker(pytest.mark.timeout(TIMEOUT))
                item.add_marker(pytest.mark.slow)
                if item.path.stem in LONG:
                    item.add_marker(pytest.mark.long)
                shorten(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """The first cell of a notebook starts its kernel, with the environment of the moment."""
        if not is_cell(item):
            return (yield)
        before = dict(os.environ)
        os.environ.update(self._variables(cloud_of(item)))
        try:
            return (yield)
        finally:
            os.environ.clear()
            os.environ.update(before)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """The last cell of a notebook with a local cloud of its own ends that."""
        last = nextitem is None or nextitem.path != item.path
        if is_cell(item) and last and cloud_of(item) != SHARED:
            self._end(cloud_of(item))

    def _variables(self, cloud: str) -> dict[str, str]:
        env = self._find(cloud)
        variables = forks.recording(env, self._record or os.devnull)
        return variables | {"JUPYTER_PATH": str(write_kernel(forks.sdk(sys.executable, env).find()))}


def write_kernel(address: Path) -> Path:
    """The folder with Jupyter's description of the kernel. address: of the Python that it is a fork of."""
    folder = address.with_name("jupyter")
    kernel = folder / "kernels" / NAME
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-I", str(CLIENT), str(address), "{connection_file}"]
    described = {"argv": argv, "display_name": NAME, "language": "python", "interrupt_mode": "message"}
    draft = kernel / f"{os.getpid()}"
    draft.write_text(json.dumps(described))
    draft.rename(kernel / "kernel.json")
    return folder


def shorten(item: pytest.Item) -> None:
    """Have the cell with a notebook's parameters end in those of SHORTER."""
    cell = item.cell  # type: ignore[attr-defined] # nbval's
    if "parameters" in cell.metadata.get("tags", ()):
        cell.source += "\n" + SHORTER.get(item.path.stem, "")


def cloud_of(item: pytest.Item) -> str:
    """The name of the local cloud that a notebook's cell asks."""
    return item.path.stem if item.path.stem in APART else SHARED


def is_cell(item: pytest.Item) -> bool:
    return item.path.suffix == ".ipynb"
