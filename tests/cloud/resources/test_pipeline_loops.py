"""ForEach steps: a step for each item, so many at a time, and what others read of them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.cloud.functions import Functions
from tests.cloud.jobs import Gate, Jobs
from tests.cloud.pipelines import Pipelines, definition, get, shell, step
from tests.cloud.resources.test_pipeline_functions import CODE, calling
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow
ITEM = "ForEach.CurrentItem"


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


@pytest.fixture(scope="module")
def arn(cloud: LocalCloud) -> str:
    """A function that doubles a number."""
    made = Functions(cloud, lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}").make(CODE)
    return f"arn:aws:lambda:us-east-1:123456789012:function:{made}"


def each(name: str, items: Any, *body: dict[str, Any], most: int = 50, **more: Any) -> dict[str, Any]:
    """A ForEach step. more: Selector."""
    return step(
        name, "ForEach", {"IterableItems": items, "MaxConcurrency": most, "ForEachBody": list(body)} | more
    )


def largest(name: str) -> dict[str, Any]:
    return {"Pick": "MaxBy", "Field": get(f"IterationOutput.{name}.OutputParameters['double']")}


def test_each_item_has_steps_of_its_own_and_the_largest_is_picked(pipelines: Pipelines, arn: str) -> None:
    first = calling("First", arn, {"number": get(f"{ITEM}.n")}, "double")
    second = calling("Second", arn, {"number": get("Steps.First.OutputParameters['double']")}, "double")
    loop = each("Loop", get("Parameters.Items"), first, second, Selector=largest("Second"))
    words = [
        get("Steps.Loop.Selected.OutputParameters['double']"),
        get("Steps.Loop.IterationOutputs[0].First.OutputParameters['double']"),
        get("Steps.Loop.InputItemCount"),
        get("Steps.Loop.SucceededStepCount"),
    ]
    told = step("Told", "Fail", {"ErrorMessage": {"Std:Join": {"On": " ", "Values": words}}})
    items = json.dumps([{"n": 2}, {"n": 7}, {"n": 3}])
    ran = pipelines.run(loop, told, parameters=[{"Name": "Items", "Type": "String", "DefaultValue": items}])
    steps = pipelines.steps(ran)
    assert steps["Told"]["FailureReason"] == "28 4 3 6"
    assert steps["Loop"]["Metadata"]["ForEach"] == {
        "Status": "Succeeded",
        "InputItemCount": 3,
        "TotalStepCount": 6,
        "SucceededStepCount": 6,
        "FailedStepCount": 0,
        "StoppedStepCount": 0,
        "Selector": {"StepName": "Second-1", "Index": 1},
    }
    assert steps["Second-2"]["IterationContext"] == {"ParentStepName": "Loop", "Index": 2, "Item": '{"n": 3}'}


def test_step_that_fails_leaves_the_other_items_alone_and_fails_the_loop(pipelines: Pipelines) -> None:
    command = {"Std:Join": {"On": " ", "Values": ["exit", get(ITEM)]}}
    ends = shell("Ends", "")
    ends["Arguments"]["AppSpecification"]["ContainerArguments"] = [command]
    then = shell("Then", "true", DependsOn=["Ends"])
    after = shell("After", "true", DependsOn=["Loop"])
    made = pipelines.create(definition(each("Loop", [3, 0], ends, then), after))
    ran = pipelines.start(made)
    pipelines.wait(ran)
    statuses = pipelines.statuses(ran)
    expected = {"Loop": "Failed", "Ends-0": "Failed", "Ends-1": "Succeeded", "Then-1": "Succeeded"}
    assert statuses == expected
    reason = pipelines.steps(ran)["Loop"]["FailureReason"]
    assert reason == "ClientError: 2 of the 4 steps of Loop did not succeed."
    kept = pipelines.steps(ran)["Then-1"]["Metadata"]
    pipelines.sagemaker.retry_pipeline_execution(PipelineExecutionArn=ran)
    pipelines.wait(ran)
    assert pipelines.statuses(ran) == expected
    assert pipelines.steps(ran)["Then-1"]["Metadata"] == kept


def test_so_many_items_are_under_way_at_a_time_until_the_execution_is_stopped(
    pipelines: Pipelines,
    gate: Gate,
) -> None:
    made = pipelines.create(definition(each("Loop", ["a", "b", "c", "d"], shell("Waits", gate.wait), most=2)))
    ran = pipelines.start(made)
    until(lambda: list(pipelines.statuses(ran).values()), lambda found: found.count("Executing") == 3)
    assert list(pipelines.steps(ran)) == ["Loop", "Waits-0", "Waits-1"]
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=ran)
    assert pipelines.wait(ran)["PipelineExecutionStatus"] == "Stopped"
    assert pipelines.statuses(ran) == {"Loop": "Stopped", "Waits-0": "Stopped", "Waits-1": "Stopped"}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("[]", "not a list of 1 to 100 items"),
        ("{}", "not a list of 1 to 100 items"),
        ("[1", "not a JSON list"),
        (json.dumps(["x"]), "no JSON object"),
        (json.dumps([{"m": 1}]), "there is no 'n'"),
        (json.dumps([{"n": "x" * 12_800}]), "more than 12800 characters"),
    ],
)
def test_items_that_are_none_fail_the_loop(pipelines: Pipelines, items: str, words: str) -> None:
    body = shell("Body", "true")
    body["Arguments"]["Environment"] = {"N": get(f"{ITEM}.n")}
    text = [{"Name": "Items", "Type": "String", "DefaultValue": items}]
    ran = pipelines.run(each("Loop", get("Parameters.Items"), body), parameters=text)
    steps = pipelines.steps(ran)
    assert set(steps) == {"Loop"}
    assert words in steps["Loop"]["FailureReason"]
