"""scikit-learn and XGBoost in the SageMaker Python SDK v2, unmodified, from an environment of its own."""

from __future__ import annotations

import pytest

from tests.clients.conformance import note
from tests.clients.conftest import SCRIPTS, Play, Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has seven jobs and five endpoints


@pytest.fixture(scope="session")
def frameworks(play: Play, v2: str) -> Ran:
    """Estimators, a search, endpoints and a transform, run once."""
    return play(v2, "frameworks_v2.py", SCRIPTS)


def test_every_estimator_runs(frameworks: Ran) -> None:
    assert frameworks.code == 0, frameworks.out[-3000:] + frameworks.err[-3000:]
    note(frameworks.source, frameworks.calls)


@pytest.mark.parametrize(
    "said",
    [
        "scikit-learn int64 True",
        "algorithm True",
        "transform 100 True",
        "script 3",
        "serverless 3",
        "row True",
        "listed ['first.tar.gz', 'second.tar.gz']",
        "of many True",
    ],
)
def test_what_was_trained_answers(frameworks: Ran, said: str) -> None:
    assert said in frameworks.out.splitlines()
