from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.built import build
from tests.cloud.endpoints import DOUBLER, Hosting
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def hosting(cloud: LocalCloud) -> Iterator[Hosting]:
    """Makes models and endpoints; those that a module leaves are deleted after it."""
    made = Hosting(cloud)
    yield made
    made.close()


@pytest.fixture(scope="session")
def doubler() -> Path:
    """A SavedModel that doubles two numbers."""
    return build(DOUBLER, "2")


@pytest.fixture(scope="session")
def tripler() -> Path:
    return build(DOUBLER, "3")
