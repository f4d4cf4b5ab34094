from __future__ import annotations

import pytest

from tests.cloud.jobs import Gate, Jobs
from tests.conftest import LocalCloud


@pytest.fixture
def gate(cloud: LocalCloud) -> Gate:
    """Holds a job until the test opens it."""
    return Gate(cloud.home)


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    """Makes training jobs, in a bucket of the test module's own."""
    return Jobs(cloud)
