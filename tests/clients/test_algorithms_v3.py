"""Amazon's own built-in algorithms in the SageMaker Python SDK v3, unmodified."""

from __future__ import annotations

import sys

import pytest

from tests.clients.conftest import SCRIPTS, Play, Ran, check

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def algorithms(play: Play) -> Ran:
    """Two jobs and an endpoint, run once."""
    return play(sys.executable, "algorithms_v3.py", SCRIPTS)


def test_algorithms_of_the_sdks_tables_train_and_answer(algorithms: Ran) -> None:
    check(algorithms)
    for said in ("images 12", "linear Completed", "groups Completed", "accuracy True", "classes True"):
        assert said in algorithms.out  # the SDK's progress has no end of line
    assert {"sagemaker.CreateTrainingJob", "sagemaker.CreateEndpoint"} <= algorithms.operations


def test_hyperparameter_that_is_a_list_reaches_the_algorithm(algorithms: Ran) -> None:
    assert "distance True" in algorithms.out.splitlines()
