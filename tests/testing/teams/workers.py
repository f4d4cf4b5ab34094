"""Tests that several workers share, each of which says where its local cloud is; one of them ends its worker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sagelab.testing import LocalCloud


@pytest.mark.parametrize("number", range(6))
def test_of_some_worker(sagelab_cloud: LocalCloud, number: int) -> None:
    said = {"worker": os.environ["PYTEST_XDIST_WORKER"], "server": sagelab_cloud.home.server()}
    Path(f"said-{number}.json").write_text(json.dumps(said))
    if number == 2:
        os._exit(9)
