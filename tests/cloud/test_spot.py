"""The spot market of a home, set and used from the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.engine.jobs.market import Market
from sagelab.cloud.home import Home
from sagelab.cloud.spot import read_market
from tests import clouds
from tests.cloud.jobs import Jobs
from tests.cloud.spot import epochs, spot, stages

Sagelab = Callable[..., Any]


def facts(output: str) -> dict[str, float]:
    return {name: float(value) for name, value in (line.split() for line in output.splitlines())}


def test_market_is_shown_and_set_for_one_home(sagelab: Sagelab, home: Home) -> None:
    before = facts(sagelab("spot", "show", home=home.path).stdout)
    assert before == vars(Market())
    changed = sagelab("spot", "set", "--rate", "30", "--seed", "5", home=home.path)
    assert facts(changed.stdout) == before | {"rate": 30, "seed": 5}
    assert facts(sagelab("spot", "set", "--wait", "2", home=home.path).stdout) == before | {
        "rate": 30,
        "seed": 5,
        "wait": 2,
    }
    assert read_market(home) == Market(rate=30, seed=5, wait=2)


def test_market_that_makes_no_sense_is_refused_and_the_old_one_stays(sagelab: Sagelab, home: Home) -> None:
    result = sagelab("spot", "set", "--rate", "often", home=home.path)
    assert result.returncode == 1
    assert result.stderr == "Error: rate of a spot market is a number from 0 to 1,000,000, not 'often'.\n"
    assert read_market(home) == Market()


def test_interrupting_needs_a_local_cloud(sagelab: Sagelab, home: Home) -> None:
    result = sagelab("spot", "interrupt", "job", home=home.path)
    assert result.returncode == 1
    assert "No local cloud runs" in result.stderr


@pytest.mark.slow
def test_capacity_is_taken_from_a_shell(sagelab: Sagelab, jobs: Jobs) -> None:
    once = "/opt/ml/checkpoints/once"
    request = spot(jobs, f"[ -e {once} ] && exit; touch {once}; echo ready; sleep 1000")
    name, home = request["TrainingJobName"], jobs.cloud.home.path
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(name, "ready")
    assert sagelab("spot", "interrupt", name, home=home).stdout == f"the capacity of {name} is taken away\n"
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stages(job).count("Interrupted") == 1
    refused = sagelab("spot", "interrupt", name, home=home)
    assert "its status is Completed" in refused.stderr
    assert "Requested resource not found" in sagelab("spot", "interrupt", "nobody", home=home).stderr


@pytest.mark.slow
def test_spot_job_without_tags_is_on_the_market_of_its_home(sagelab: Sagelab, home: Home) -> None:
    assert sagelab("spot", "set", "--rate", "7200", "--wait", "0.1", "--interruptions", "1", home=home.path)
    jobs = Jobs(clouds.start(home))
    request = spot(jobs, epochs(5, 0.4))
    del request["Tags"]
    job = jobs.run(request)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert stages(job).count("Interrupted") == 1
    tags = jobs.sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "sagelab:spot-rate", "Value": "7200"} in tags
