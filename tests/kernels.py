"""The notebooks in the run of the tests: their kernels ask the run's local cloud, and what they ask is noted."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

RECORDER = Path(__file__).parent / "clients" / "recorder"
TIMEOUT = 1800  # seconds for one cell, however slow the machine


class Kernels:
    """Starts the kernel of a notebook as `sagelab exec` starts a program."""

    def __init__(self, find_variables: Callable[[], dict[str, str]], record: str | None) -> None:
        """find_variables: the environment of a program on the local cloud. record: where its calls go."""
        self._find, self._record = find_variables, record

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if is_cell(item):
                item.add_marker(pytest.mark.timeout(TIMEOUT))
                item.add_marker(pytest.mark.slow)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """The first cell of a notebook starts its kernel, with the environment of the moment."""
        if not is_cell(item):
            return (yield)
        before = dict(os.environ)
        os.environ.update(self._variables())
        try:
            return (yield)
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _variables(self) -> dict[str, str]:
        variables = self._find()
        if self._record is None:
            return variables
        path = os.pathsep.join([variables["PYTHONPATH"], str(RECORDER)])
        return variables | {"SAGELAB_RECORD": self._record, "PYTHONPATH": path}


def is_cell(item: pytest.Item) -> bool:
    return item.path.suffix == ".ipynb"
