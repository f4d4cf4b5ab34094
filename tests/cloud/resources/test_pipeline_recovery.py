"""An execution in a local cloud that is killed, and started again on the same home."""

from __future__ import annotations

import pytest

from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.jobs import Gate, Jobs
from tests.cloud.kills import kill
from tests.cloud.pipelines import Pipelines, definition, shell, step
from tests.waiting import until

pytestmark = pytest.mark.slow


def test_execution_goes_on_after_a_kill(home: Home) -> None:
    """What has succeeded stays, what ran is attempted anew, what was being stopped is stopped."""
    before = Pipelines(Jobs(clouds.start(home)))
    gate = Gate(home)
    loop = {"IterableItems": ["x"], "MaxConcurrency": 1, "ForEachBody": [shell("Each", gate.wait)]}
    steps = (
        shell("Done", "true"),
        shell("Waits", gate.wait, DependsOn=["Done"]),
        step("Loop", "ForEach", loop, DependsOn=["Done"]),
    )
    made = before.create(definition(*steps, shell("After", "true", DependsOn=["Waits"])))
    going, stopping = before.start(made), before.start(made)
    for arn in (going, stopping):
        before.wait_step(arn, "Waits")
        before.wait_step(arn, "Each-0")
    done = before.steps(going)["Done"]
    before.sagemaker.stop_pipeline_execution(PipelineExecutionArn=stopping)
    kill(home)
    after = Pipelines(Jobs(clouds.start(home), before.jobs.bucket))
    assert after.wait(stopping)["PipelineExecutionStatus"] == "Stopped"

    def let_on() -> str:
        gate.let()  # both of its steps come to it, each at a time of its own
        return str(after.describe(going)["PipelineExecutionStatus"])

    assert until(let_on, lambda status: status != "Executing") == "Succeeded"
    found = after.steps(going)
    assert found["Done"] == done
    assert set(found) == {"Done", "Waits", "Loop", "Each-0", "After"}
    assert after.statuses(stopping) == dict.fromkeys(("Waits", "Loop", "Each-0"), "Stopped") | {
        "Done": "Succeeded"
    }
