"""What triggers outside of workflows make of ends that they hear of, and where a workflow's run goes on."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.resources import firings, workflow_graphs, workflow_runs
from sagelab.cloud.resources.firings import OWN


def trigger(name: str, *jobs: str, after: tuple[str, ...] = (), logical: str = "AND") -> dict[str, Any]:
    conditions = [{"LogicalOperator": "EQUALS", "JobName": job, "State": "SUCCEEDED"} for job in after]
    predicate = {"Predicate": {"Logical": logical, "Conditions": conditions}} if after else {}
    own: dict[str, Any] = {"Actions": [], "Seen": [], "Met": {}, "Events": []}
    made = {"Name": name, "Type": "CONDITIONAL" if after else "ON_DEMAND", "State": "ACTIVATED", OWN: own}
    return made | {"Actions": [{"JobName": job} for job in jobs]} | predicate


def end(job: str, key: str, state: str = "SUCCEEDED") -> dict[str, Any]:
    return {"Kind": "JOB", "Name": job, "Id": key, "State": state}


def test_an_end_counts_once_however_often_it_is_told() -> None:
    both = trigger("both", "c", after=("a", "b"))
    for action in (end("a", "1"), end("a", "1"), end("b", "2"), end("b", "2"), end("a", "1")):
        firings.hear(both, action)
    (action,) = both[OWN]["Actions"]
    assert (action["Name"], action["State"], action["After"]) == ("c", "PENDING", [["a", "1"], ["b", "2"]])


def test_the_last_end_of_a_job_is_the_one_that_counts() -> None:
    both = trigger("both", "c", after=("a", "b"))
    for action in (end("a", "1"), end("a", "2", "FAILED"), end("b", "3")):
        firings.hear(both, action)
    assert both[OWN]["Actions"] == []
    firings.hear(both, end("a", "4"))
    firings.hear(both, end("b", "5"))  # what made it fire once is used up
    assert len(both[OWN]["Actions"]) == 1


def test_a_trigger_that_is_not_active_hears_nothing() -> None:
    one = trigger("one", "b", after=("a",)) | {"State": "DEACTIVATED"}
    firings.hear(one, end("a", "1"))
    assert one[OWN]["Actions"] == []


def test_a_run_goes_on_by_active_triggers_each_once_until_nothing_is_left() -> None:
    triggers = [trigger("start", "a"), trigger("then", "b", after=("a",)), trigger("asleep", "c", after=("a",))]
    run = workflow_runs.made("flow", {}, triggers)
    workflow_runs.fire(run, triggers[0])
    assert workflow_runs.go_on(run, {"then"}) == "RUNNING"
    (first,) = run[OWN]["Actions"]
    first["State"] = "SUCCEEDED"
    for _ in range(2):
        assert workflow_runs.go_on(run, {"then"}) == "RUNNING"
    first, second = run[OWN]["Actions"]
    assert (second["Name"], second["After"]) == ("b", [["a", first["Id"]]])
    second["State"] = "FAILED"
    assert workflow_runs.go_on(run, {"then"}) == "COMPLETED"
    counts = workflow_runs.statistics(run)
    assert (counts["TotalActions"], counts["SucceededActions"], counts["FailedActions"]) == (3, 1, 1)


def test_a_run_is_resumed_with_what_is_below_and_without_what_is_done() -> None:
    triggers = [trigger("start", "a", "x"), trigger("then", "b", after=("a",)), trigger("last", "c", after=("b",))]
    run = workflow_runs.made("flow", {"k": "v"}, triggers)
    for one, state in zip(triggers, ("SUCCEEDED", "FAILED", "SUCCEEDED"), strict=True):
        workflow_runs.fire(run, one)
        for action in run[OWN]["Actions"]:
            action["State"] = state if action["State"] == "PENDING" else action["State"]
    nodes = {name: workflow_graphs.node_id("flow", "JOB", name) for name in "abcx"}
    assert workflow_graphs.below("flow", triggers, [nodes["b"]]) == {
        workflow_graphs.node_id("flow", "TRIGGER", "last"),
        nodes["c"],
    }
    again = workflow_runs.resumed(run, [nodes["b"]])
    states = {one["Name"]: one["State"] for one in again[OWN]["Actions"]}
    assert states == {"a": "SUCCEEDED", "x": "SUCCEEDED", "b": "PENDING"}
    (asked,) = [one["Asked"]["Arguments"] for one in again[OWN]["Actions"] if one["Name"] == "b"]
    assert asked == {"--WORKFLOW_NAME": "flow", "--WORKFLOW_RUN_ID": again["WorkflowRunId"]}
    assert again[OWN]["Fired"] == ["start", "then"]
    assert (again["PreviousRunId"], again["WorkflowRunProperties"]) == (run["WorkflowRunId"], {"k": "v"})
    with pytest.raises(KeyError):
        workflow_runs.resumed(run, ["wnode_none"])
