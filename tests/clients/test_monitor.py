"""Model Monitor in both versions of the SageMaker Python SDK, unmodified."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Play, Ran, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a script has an endpoint and three jobs


def finds_the_drift(ran: Ran) -> None:
    check(ran)
    said = [line.lstrip(".!") for line in ran.out.splitlines()]  # version 2 draws how a job goes on
    assert "suggested sum:Integral a:Fractional b:Fractional" in said
    assert "execution CompletedWithViolations" in said
    (found,) = (line for line in said if line.startswith("violations "))
    assert {"a:baseline_drift_check", "sum:data_type_check"} <= set(found.split())
    assert {"records 200", "looked at 100", "same True", "status Stopped", "mae 1.0"} <= set(said)


def test_version_2(play: Play, v2: str, tmp_path: Path) -> None:
    finds_the_drift(play(v2, "monitor_v2.py", tmp_path))


@pytest.mark.long
def test_version_3(play: Play, tmp_path: Path) -> None:
    finds_the_drift(play(sys.executable, "monitor_v3.py", tmp_path))
