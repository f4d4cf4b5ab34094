from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cloud.jobs import Gate, Jobs
from tests.conftest import LocalCloud

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium that the browser tests share."""
    from tests.cloud.chromium import CHROMIUM, launch

    if CHROMIUM is None:
        pytest.skip("there is no chromium here (Debian's package chromium)")
    with launch() as launched:
        yield launched


@pytest.fixture
def gate(cloud: LocalCloud) -> Gate:
    """Holds a job until the test opens it."""
    return Gate(cloud.home)


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    """Makes training jobs, in a bucket of the test module's own."""
    return Jobs(cloud)
