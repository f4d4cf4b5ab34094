"""PyTorch in the SageMaker Python SDK v2 and v3, unmodified, from an environment of its own."""

from __future__ import annotations

import re
import sys

import pytest

from sagelab.cloud.engine.images.environments import PYTORCH, Environments
from tests.clients.conftest import SCRIPTS, Ran, Run
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

# Its packages are pulled first, more than 1 GB. PIP_FIND_LINKS may say where PyTorch's CPU build lies.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module", autouse=True)
def pulled(cloud: LocalCloud) -> None:
    Environments(cloud.home.environments).pull(PYTORCH)


@pytest.fixture(scope="session")
def v2_ran(run: Run, v2: str) -> Ran:
    return run(v2, "-W", "ignore", str(SCRIPTS / "pytorch_v2.py"), cwd=SCRIPTS)


def test_estimators_of_v2_run(v2_ran: Ran) -> None:
    assert v2_ran.code == 0, v2_ran.out[-3000:] + v2_ran.err[-3000:]


@pytest.mark.parametrize("said", ["estimator [[4.0], [7.0]]", "model [[10.0]]", "hub True"], ids=str.split)
def test_what_v2_trained_answers(v2_ran: Ran, said: str) -> None:
    assert said in v2_ran.out.splitlines()


def test_trainer_of_v3_runs_on_two_hosts_with_two_processes_each(run: Run, cloud: LocalCloud) -> None:
    ran = run(sys.executable, "-W", "ignore", str(SCRIPTS / "pytorch_v3.py"), cwd=SCRIPTS)
    assert ran.code == 0, ran.out[-3000:] + ran.err[-3000:]
    created = next(call["params"] for call in ran.calls if call["operation"] == "CreateTrainingJob")
    logs = [Jobs(cloud).log(created["TrainingJobName"], f"algo-{number}") for number in (1, 2)]
    for number, log in enumerate(logs):
        for rank in (2 * number, 2 * number + 1):
            found = re.search(rf"rank {rank} of 4 weight=([0-9.]+)", log)
            assert found
            assert float(found[1]) == pytest.approx(3, abs=0.05)
