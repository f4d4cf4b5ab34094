"""Tuning, compilation and spot in the SageMaker Python SDK v2, unmodified, from an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conformance import note
from tests.clients.conftest import Play, Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def search(play: Play, v2: str, course: Path) -> Ran:
    """The rest of the course, run once: tuning, compilation, spot."""
    return play(v2, "search_v2.py", course)


def test_tuning_compilation_and_spot_run(search: Ran) -> None:
    assert search.code == 0, search.out[-3000:] + search.err[-3000:]
    note(search.source, search.calls)


def test_tuner_tells_its_trials_and_deploys_the_best(search: Ran) -> None:
    assert "trials 2 best True" in search.out
    assert "best job True" in search.out
    assert "predictions (5, 10)" in search.out


def test_compiled_model_is_deployed_and_predicts(search: Ran) -> None:
    assert "compiled True" in search.out
    assert "compiled predictions (1, 10)" in search.out


def test_spot_job_completes_and_tells_its_savings(search: Ran) -> None:
    assert "spot Completed True 1200" in search.out
    assert "Managed Spot Training savings:" in search.out
