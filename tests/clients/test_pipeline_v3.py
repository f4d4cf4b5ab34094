"""Pipelines in the SageMaker Python SDK v3, unmodified."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Play, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs


def test_functions_and_jobs_are_steps(play: Play, table: Path) -> None:
    ran = play(sys.executable, "pipeline_v3.py", table)
    check(ran)
    said = ran.out.splitlines()
    assert "ended WaiterError" in said
    assert "total 10" in said
    assert "step TooFew Failed only 5 numbers" in said
    for name in ("Split", "Numbers", "Total", "Check"):
        assert f"step {name} Succeeded " in said
