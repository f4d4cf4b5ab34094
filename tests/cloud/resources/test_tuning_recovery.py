"""A search in a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.home import Home
from tests.cloud.jobs import Jobs
from tests.cloud.kills import wait_end
from tests.cloud.resources.test_recovery import start
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow

# The first job ends, the second one waits to be killed with the local cloud, all later ones end.
SECOND_WAITS = """
import os, signal
print("score: 0.5", flush=True)
if "-002-" in os.environ["TRAINING_JOB_NAME"]:
    signal.pause()
"""


def kill(home: Home) -> None:
    server = home.server()
    assert server is not None
    wait_end(server["pid"])


def restart(sagelab: Callable[..., Any], home: Home, tunings: Tunings, request: dict[str, Any]) -> Tunings:
    """Start the local cloud again; the script is put into S3 again, should that have forgotten it."""
    cloud: LocalCloud = start(sagelab, home)
    again = Jobs(cloud, tunings.jobs.bucket)
    static = request["TrainingJobDefinition"]["StaticHyperParameters"]
    key = static["sagemaker_submit_directory"].strip('"').partition(f"{again.bucket}/")[2]
    again.put(key, tunings.script)
    return Tunings(again)


def test_a_search_goes_on_after_a_kill_and_runs_no_job_twice(home: Home, sagelab: Callable[..., Any]) -> None:
    before = Tunings(Jobs(start(sagelab, home)))
    request = before.request(before.config(6, 1), source=SECOND_WAITS)
    name = before.create(request)
    before.wait_children(name, 1, "Completed")
    (second,) = before.wait_children(name, 1)
    before.jobs.wait_log(second["TrainingJobName"], "score")
    kill(home)

    after = restart(sagelab, home, before, request)
    job = after.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    children = after.children(name)
    assert [child["TrainingJobName"][-12:-9] for child in children] == [f"{n:03}" for n in range(1, 7)]
    assert children[0]["TrainingJobStatus"] == "Completed"
    assert children[1]["TrainingJobName"] == second["TrainingJobName"]
    assert children[1]["TrainingJobStatus"] == "Failed"
    assert "The local cloud ended while the job was running" in children[1]["FailureReason"]
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert job["BestTrainingJob"]["TrainingJobName"] == children[0]["TrainingJobName"]
    jobs = after.sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert len(jobs) == 6


def test_a_search_that_was_stopping_is_stopped_after_a_kill(home: Home, sagelab: Callable[..., Any]) -> None:
    before = Tunings(Jobs(start(sagelab, home)))
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('score: 1', flush=True)\n"
    request = before.request(before.config(3, 1), source=deaf + "while True:\n    signal.pause()")
    name = before.create(request)
    (child,) = before.wait_children(name, 1)
    before.jobs.wait_log(child["TrainingJobName"], "score")
    before.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert before.describe(name)["HyperParameterTuningJobStatus"] == "Stopping"
    kill(home)

    after = restart(sagelab, home, before, request)
    job = after.describe(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert len(after.children(name)) == 1
