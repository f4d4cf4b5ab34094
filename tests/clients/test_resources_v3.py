"""The SageMaker Python SDK v3, unmodified: sagemaker.core.resources."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import SCRIPTS, Ran, Run, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def resources(run: Run, table: Path) -> Ran:
    return run(sys.executable, "-W", "ignore", str(SCRIPTS / "resources_v3.py"), cwd=table)


def test_resources_are_created_found_and_deleted(resources: Ran) -> None:
    check(resources)
    assert "training Completed True" in resources.out
    assert "endpoints True" in resources.out
    assert "processing ['Completed']" in resources.out
    assert "left []" in resources.out


def test_endpoint_resource_is_invoked(resources: Ran) -> None:
    assert "answer {'predictions': [[2.0, 4.0]]}" in resources.out


def test_transform_resource_answers(resources: Ran) -> None:
    assert "batch Completed {'predictions': [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]]}" in resources.out
