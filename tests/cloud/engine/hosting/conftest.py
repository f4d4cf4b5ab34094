from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.endpoints import DOUBLER, Hosting
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def hosting(cloud: LocalCloud) -> Iterator[Hosting]:
    """Makes models and endpoints; those that a module leaves are deleted after it."""
    made = Hosting(cloud)
    yield made
    made.close()


@pytest.fixture(scope="session")
def doubler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that doubles two numbers."""
    return save(tmp_path_factory.mktemp("doubler"), 2)


@pytest.fixture(scope="session")
def tripler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("tripler"), 3)


def save(folder: Path, factor: int) -> Path:
    subprocess.run([sys.executable, "-c", DOUBLER, str(folder), str(factor)], check=True, capture_output=True)
    return folder
