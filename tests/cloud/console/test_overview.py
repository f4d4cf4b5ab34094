from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagelab import prices
from sagelab.cloud.console import overview
from tests.cloud import processing
from tests.cloud.jobs import Jobs


@pytest.fixture
def running(jobs: Jobs) -> Any:
    """A training job that runs for as long as the test does."""
    request = jobs.shell("sleep 600")
    jobs.sagemaker.create_training_job(**request)
    yield request["TrainingJobName"]
    jobs.wait(request["TrainingJobName"], "Training")
    jobs.sagemaker.stop_training_job(TrainingJobName=request["TrainingJobName"])


def look(jobs: Jobs, name: str, later: timedelta = timedelta()) -> dict[str, Any]:
    """What the overview says of one thing, so much later."""
    found = overview.look(jobs.cloud.client, datetime.now(UTC) + later)
    return next(each for each in found["running"] if each["name"] == name)


def test_what_runs_is_named_with_its_instances_and_their_price(jobs: Jobs, running: str) -> None:
    found = look(jobs, running)
    assert (found["kind"], found["forgotten"]) == ("training-jobs", None)
    assert found["instances"] == [{"type": "ml.m5.large", "count": 1, "dollars": 0.115}]
    assert found["dollars"] == pytest.approx(0.115)


def test_a_processing_job_costs_what_its_instances_do(jobs: Jobs) -> None:
    job = processing.request("sleep 600", count=2)
    jobs.sagemaker.create_processing_job(**job)
    found = look(jobs, job["ProcessingJobName"], timedelta(hours=49))
    jobs.sagemaker.stop_processing_job(ProcessingJobName=job["ProcessingJobName"])
    assert (found["kind"], found["dollars"]) == ("processing-jobs", pytest.approx(0.23))
    assert found["forgotten"] == "It has run for 49 hours."


def test_a_job_that_runs_for_days_may_be_forgotten(jobs: Jobs, running: str) -> None:
    assert look(jobs, running, timedelta(hours=49))["forgotten"] == "It has run for 49 hours."


def test_what_has_ended_is_not_there(jobs: Jobs) -> None:
    request = jobs.shell("true")
    jobs.run(request)
    with pytest.raises(StopIteration):
        look(jobs, request["TrainingJobName"])


def test_the_prices_say_of_when_they_are(jobs: Jobs) -> None:
    assert overview.look(jobs.cloud.client)["prices"]["date"] == prices.prices()["date"]


def test_of_what_does_not_run_no_list_is_asked_for(jobs: Jobs, running: str) -> None:
    asked: list[str] = []

    def client(service: str) -> Any:
        found = jobs.cloud.client(service)
        found.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
        return found

    found = overview.look(client, runs=lambda kind: kind.stem == "TrainingJob")
    assert running in [each["name"] for each in found["running"]]
    assert {name for name in asked if name.startswith("List")} == {"ListTrainingJobs"}


def running_on(*instances: overview.Instances) -> overview.Running:
    return overview.Running("endpoints", "one", "InService", datetime.now(UTC), list(instances))


def test_an_hour_of_several_instances_is_their_sum() -> None:
    assert running_on(("ml.c5.large", 2, 0.1), ("ml.eia2.medium", 2, 0.14)).dollars == pytest.approx(0.48)


def test_an_unknown_price_is_not_taken_for_nothing() -> None:
    assert running_on(("ml.c5.large", 1, 0.1), ("ml.p9.huge", 1, None)).dollars is None


def test_spot_capacity_has_its_own_price(jobs: Jobs) -> None:
    stop = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600}
    request = jobs.shell("sleep 600", EnableManagedSpotTraining=True, StoppingCondition=stop)
    jobs.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    assert look(jobs, name)["dollars"] == pytest.approx(0.115 * prices.spot_share("ml.m5.large"))
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
