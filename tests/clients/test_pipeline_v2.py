"""Pipelines in the SageMaker Python SDK v2, unmodified, from an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conformance import note
from tests.clients.conftest import Play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs


def test_pipeline_trains_evaluates_and_registers(play: Play, v2: str, table: Path) -> None:
    ran = play(v2, "pipeline_v2.py", table)
    assert ran.code == 0, ran.out[-3000:] + ran.err[-3000:]
    note(ran.source, ran.calls)
    said = ran.out.splitlines()
    assert "status Succeeded" in said
    assert "step Train Succeeded TrainingJob" in said
    assert "step Check Succeeded Condition" in said
    assert "step Register-RegisterModel Succeeded RegisterModel" in said
    assert "second WaiterError" in said
    assert "again Prepare Succeeded cached" in said
    assert "again TooFar Failed ran" in said
