"""The SageMaker Python SDK v3, unmodified: each script is run once, its words and its calls are looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.conformance import ASKS, note
from tests.clients.conftest import SCRIPTS, Ran, Run
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a script has a dozen jobs and endpoints


def check(ran: Ran) -> None:
    """It ran to its end, no call failed that must not, and the page of conformance has them all."""
    assert ran.code == 0, ran.out[-4000:] + ran.err[-4000:]
    assert [call for call in ran.calls if call["error"] and call["operation"] not in ASKS] == []
    note(ran.source, ran.calls)


def play(run: Run, name: str, folder: Path) -> Ran:
    return run(sys.executable, "-W", "ignore", str(SCRIPTS / name), cwd=folder)


@pytest.fixture(scope="session")
def trainer(run: Run, table: Path) -> Ran:
    return play(run, "trainer_v3.py", table)


@pytest.mark.xdist_group("trainer_v3")
def test_trainer_and_tuner_run(trainer: Ran) -> None:
    check(trainer)
    assert {"sagemaker.CreateTrainingJob", "sagemaker.CreateHyperParameterTuningJob"} <= trainer.operations


@pytest.mark.xdist_group("trainer_v3")
def test_trainers_options_reach_the_script(trainer: Ran, cloud: LocalCloud) -> None:
    created = [call for call in trainer.calls if call["operation"] == "CreateTrainingJob"]
    printed = "\n".join(Jobs(cloud).log(call["params"]["TrainingJobName"]) for call in created)
    for line in ("SM_CHANNEL_ROWS ['rows.csv']", "MODE careful", "step: 3 val_acc:"):
        assert line in printed
    assert "good morning from a command on algo-1" in printed


@pytest.mark.xdist_group("trainer_v3")
def test_trainer_goes_on_from_its_checkpoints_on_spot(trainer: Ran, cloud: LocalCloud) -> None:
    assert trainer.out.count("spot Completed 2 True") == 2
    names = [
        call["params"]["TrainingJobName"]
        for call in trainer.calls
        if call["operation"] == "CreateTrainingJob" and call["params"].get("EnableManagedSpotTraining")
    ]
    first, second = ([Jobs(cloud).log(name, host) for host in ("algo-1", "algo-2")] for name in names)
    for number, printed in enumerate(first, 1):
        assert f"before algo-{number} []" in printed
        assert "word good evening {'depth': 3} ['algo-1', 'algo-2']" in printed
        assert "Requirement already satisfied: numpy" in printed
        assert "files ['resume.py', 'split.py', 'train_steps.py']" in printed
    assert all("['state-algo-1', 'state-algo-2']" in printed for printed in second)


@pytest.mark.xdist_group("trainer_v3")
def test_trainers_job_has_its_model_and_metric(trainer: Ran) -> None:
    assert "job Completed s3://" in trainer.out
    assert "metric val_acc 0." in trainer.out


@pytest.mark.xdist_group("trainer_v3")
def test_trainer_raises_where_the_job_fails(trainer: Ran) -> None:
    assert "failed as it should: FailedStatusError" in trainer.out


@pytest.mark.xdist_group("trainer_v3")
def test_tuner_searches_and_tells_its_trials(trainer: Ran) -> None:
    assert "trials 4" in trainer.out
    assert "best True" in trainer.out


@pytest.fixture(scope="session")
def resources(run: Run, table: Path) -> Ran:
    return play(run, "resources_v3.py", table)


@pytest.mark.xdist_group("resources_v3")
def test_resources_are_created_found_and_deleted(resources: Ran) -> None:
    check(resources)
    assert "training Completed True" in resources.out
    assert "endpoints True" in resources.out
    assert "processing ['Completed']" in resources.out
    assert "left []" in resources.out


@pytest.mark.xdist_group("resources_v3")
def test_endpoint_resource_is_invoked(resources: Ran) -> None:
    assert "answer {'predictions': [[2.0, 4.0]]}" in resources.out


@pytest.mark.xdist_group("resources_v3")
def test_transform_resource_answers(resources: Ran) -> None:
    assert "batch Completed {'predictions': [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]]}" in resources.out


@pytest.fixture(scope="session")
def processing(run: Run, table: Path) -> Ran:
    return play(run, "processing_v3.py", table)


@pytest.mark.xdist_group("processing_v3")
def test_processors_and_transformer_run(processing: Ran) -> None:
    check(processing)
    assert "rows to train with 6" in processing.out
    assert "answers 3" in processing.out
    for host in ("algo-1", "algo-2"):
        assert f"hello from a folder on {host}" in processing.out + processing.err


@pytest.mark.xdist_group("builder_v3")
def test_model_builder_builds_deploys_and_invokes(run: Run, table: Path) -> None:
    ran = play(run, "builder_v3.py", table)
    check(ran)
    assert "answer {'predictions': [[2.0, 4.0]]}" in ran.out
    assert {"sagemaker.CreateEndpoint", "sagemaker.DeleteEndpoint"} <= ran.operations


@pytest.mark.xdist_group("remote_v3")
def test_remote_function_runs_as_a_job_and_comes_back(run: Run, table: Path) -> None:
    ran = play(run, "remote_v3.py", table)
    check(ran)
    assert "came back ([3, 6, 9], 'algo-1', 'far')" in ran.out
    assert "working on 3 numbers" in ran.out
    assert "raised here: division by zero" in ran.out
