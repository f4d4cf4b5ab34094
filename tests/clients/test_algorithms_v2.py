"""Amazon's own built-in algorithms in the SageMaker Python SDK v2, unmodified, from an environment of its own."""

from __future__ import annotations

import pytest

from tests.clients.conformance import note
from tests.clients.conftest import SCRIPTS, Play, Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def algorithms(play: Play, v2: str) -> Ran:
    """Six estimators and three endpoints, run once."""
    return play(v2, "algorithms_v2.py", SCRIPTS)


def test_every_class_of_the_sdk_trains(algorithms: Ran) -> None:
    assert algorithms.code == 0, algorithms.out[-3000:] + algorithms.err[-3000:]
    note(algorithms.source, algorithms.calls)
    names = ("LinearLearner", "KMeans", "PCA", "KNN", "RandomCutForest", "FactorizationMachines")
    ended = {line.split()[0]: line.split()[1:] for line in algorithms.out.splitlines() if line.startswith(names)}
    assert ended == {name: ["Completed"] for name in names}


@pytest.mark.parametrize("said", ["classes True ['predicted_label', 'score']", "clusters True", "projections 2"])
def test_endpoints_answer_with_records(algorithms: Ran, said: str) -> None:
    assert said in algorithms.out.splitlines()
