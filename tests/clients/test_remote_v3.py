"""The SageMaker Python SDK v3, unmodified: a remote function."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Play, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


def test_remote_function_runs_as_a_job_and_comes_back(play: Play, table: Path) -> None:
    ran = play(sys.executable, "remote_v3.py", table)
    check(ran)
    assert "came back ([3, 6, 9], 'algo-1', 'far')" in ran.out
    assert "working on 3 numbers" in ran.out
