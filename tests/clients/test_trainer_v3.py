"""The SageMaker Python SDK v3, unmodified: its ModelTrainer with its options, and its tuner."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conftest import SCRIPTS, Play, Ran, check
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


@pytest.fixture(scope="session")
def trainer(play: Play, table: Path) -> Ran:
    return play(sys.executable, "trainer_v3.py", table)


def test_trainer_and_tuner_run(trainer: Ran) -> None:
    check(trainer)
    assert {"sagemaker.CreateTrainingJob", "sagemaker.CreateHyperParameterTuningJob"} <= trainer.operations


def test_trainers_options_reach_the_script(trainer: Ran, cloud: LocalCloud) -> None:
    created = [call for call in trainer.calls if call["operation"] == "CreateTrainingJob"]
    printed = "\n".join(Jobs(cloud).log(call["params"]["TrainingJobName"]) for call in created)
    for line in ("SM_CHANNEL_ROWS ['rows.csv']", "MODE careful", "step: 3 val_acc:"):
        assert line in printed
    assert "good morning from a command on algo-1" in printed


def test_trainer_goes_on_from_its_checkpoints_on_spot(trainer: Ran, cloud: LocalCloud) -> None:
    assert trainer.out.count("spot Completed 2 True") == 2
    names = [
        call["params"]["TrainingJobName"]
        for call in trainer.calls
        if call["operation"] == "CreateTrainingJob" and call["params"].get("EnableManagedSpotTraining")
    ]
    # All of the folder but what the trainer was told to ignore.
    files = sorted({file.name for file in (SCRIPTS / "code").glob("*.py")} - {"greet.py"})
    first, second = ([Jobs(cloud).log(name, host) for host in ("algo-1", "algo-2")] for name in names)
    for number, printed in enumerate(first, 1):
        assert f"before algo-{number} []" in printed
        assert "word good evening {'depth': 3} ['algo-1', 'algo-2']" in printed
        assert "Requirement already satisfied: numpy" in printed
        assert "Successfully installed heard-of-never-1.5" in printed
        assert "heard-of-never runs" in printed
        assert f"files {files}" in printed
    assert all("['state-algo-1', 'state-algo-2']" in printed for printed in second)


def test_trainers_job_has_its_model_and_metric(trainer: Ran) -> None:
    assert "job Completed s3://" in trainer.out
    assert "metric val_acc 0." in trainer.out


def test_trainer_raises_where_the_job_fails(trainer: Ran) -> None:
    assert "failed as it should: FailedStatusError" in trainer.out


def test_tuner_searches_and_tells_its_trials(trainer: Ran) -> None:
    assert "trials 4" in trainer.out
    assert "best True" in trainer.out
