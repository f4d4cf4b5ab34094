"""The SageMaker Python SDK v3, unmodified: its ModelBuilder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Play, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


def test_model_builder_builds_deploys_and_invokes(play: Play, table: Path) -> None:
    ran = play(sys.executable, "builder_v3.py", table)
    check(ran)
    assert "answer {'predictions': [[2.0, 4.0]]}" in ran.out
    assert "plan 2048" in ran.out
    assert "serverless {'predictions': [[4.0, 2.0]]}" in ran.out
    assert "containers 2" in ran.out
    assert "row 3,4 text/csv" in ran.out
    assert {"sagemaker.CreateEndpoint", "sagemaker.DeleteEndpoint"} <= ran.operations
