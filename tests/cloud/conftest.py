from __future__ import annotations

import pytest

from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    """Makes training jobs, in a bucket of the test module's own."""
    return Jobs(cloud)
