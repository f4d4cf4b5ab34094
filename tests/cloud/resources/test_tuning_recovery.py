"""A search in a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.jobs import LIGHT, Jobs
from tests.cloud.kills import kill
from tests.cloud.tunings import Tunings

pytestmark = pytest.mark.slow

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("score: 1", flush=True)
while True:
    signal.pause()
"""
# The first job ends, the second one waits to be killed with the local cloud, all later ones end.
SECOND_WAITS = """
import os, signal
print("score: 0.5", flush=True)
if "-002-" in os.environ["TRAINING_JOB_NAME"]:
    signal.pause()
"""


@dataclass(frozen=True)
class Killed:
    """Two searches of a local cloud that was killed and started again; `second` is the job that one was at."""

    going: str
    second: dict[str, Any]
    stopping: str
    after: Tunings


@pytest.fixture(scope="module")
def killed(sagelab: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    home = Home(tmp_path_factory.mktemp("killed"))
    before = Tunings(Jobs(clouds.start(home), image=LIGHT))
    going = before.create(before.request(before.config(6, 1), source=SECOND_WAITS))
    stopping = before.create(before.request(before.config(3, 1), source=DEAF))
    before.wait_children(going, 1, "Completed")
    (second,), (child,) = before.wait_children(going, 1), before.wait_children(stopping, 1)
    for job in (second, child):
        before.jobs.wait_log(job["TrainingJobName"], "score")
    before.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=stopping)
    assert before.describe(stopping)["HyperParameterTuningJobStatus"] == "Stopping"
    kill(home)
    yield Killed(going, second, stopping, Tunings(Jobs(clouds.start(home), before.jobs.bucket, LIGHT)))
    assert sagelab("down", home=home.path).returncode == 0


def test_a_search_goes_on_after_a_kill_and_runs_no_job_twice(killed: Killed) -> None:
    after, name = killed.after, killed.going
    job = after.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    children = after.children(name)
    assert [child["TrainingJobName"][-12:-9] for child in children] == [f"{n:03}" for n in range(1, 7)]
    assert children[0]["TrainingJobStatus"] == "Completed"
    assert children[1]["TrainingJobName"] == killed.second["TrainingJobName"]
    assert children[1]["TrainingJobStatus"] == "Failed"
    assert "The local cloud ended while the job was running" in children[1]["FailureReason"]
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert job["BestTrainingJob"]["TrainingJobName"] == children[0]["TrainingJobName"]
    jobs = after.sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert len(jobs) == 6


def test_a_search_that_was_stopping_is_stopped_after_a_kill(killed: Killed) -> None:
    job = killed.after.describe(killed.stopping)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert len(killed.after.children(killed.stopping)) == 1
