"""A run of a workflow: which of its triggers fire next, its end, its statistics, a run that goes on from another.

https://docs.aws.amazon.com/glue/latest/dg/workflows_overview.html
"""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.resources.firings import OWN, PENDING, fired, fits, goes_on, is_met, named, new_id
from sagelab.cloud.resources.trigger_rules import CONDITIONAL, JOB
from sagelab.cloud.resources.workflow_graphs import below, node_id
from sagelab.cloud.store import Document

KIND = "glue-workflow-run"
RUNNING, STOPPING, STOPPED, COMPLETED, FAILED = "RUNNING", "STOPPING", "STOPPED", "COMPLETED", "ERROR"
# State of an action -> where it counts.
_COUNTED = {
    "SUCCEEDED": "SucceededActions",
    "FAILED": "FailedActions",
    "TIMEOUT": "TimeoutActions",
    "STOPPED": "StoppedActions",
    "CANCELLED": "StoppedActions",
    "ERROR": "ErroredActions",
    PENDING: "WaitingActions",
}


def new_run_id() -> str:
    return f"wr_{secrets.token_hex(32)}"


def made(workflow: str, properties: dict[str, str], triggers: list[Document]) -> Document:
    """A new run, without actions. triggers: of the workflow, as they are now."""
    plain = [{name: value for name, value in one.items() if name != OWN} for one in triggers]
    return {
        "Name": workflow,
        "WorkflowRunId": new_run_id(),
        "WorkflowRunProperties": properties,
        "StartedOn": datetime.now(UTC),
        "Status": RUNNING,
        OWN: {"Triggers": plain, "Fired": [], "Actions": []},
    }


def fire(run: Document, trigger: Document, after: list[list[str]] | None = None) -> None:
    """A trigger fires in a run, once."""
    words = {"--WORKFLOW_NAME": run["Name"], "--WORKFLOW_RUN_ID": run["WorkflowRunId"]}
    run[OWN]["Actions"] += fired(trigger, words, after or [])
    run[OWN]["Fired"].append(trigger["Name"])


def go_on(run: Document, active: set[str]) -> str:
    """What follows of the ends of its actions; its status. active: the names of triggers that fire."""
    own = run[OWN]
    if run["Status"] == RUNNING:
        latest = {(one["Kind"], one["Name"]): one for one in own["Actions"]}
        for trigger in own["Triggers"]:
            if trigger["Type"] != CONDITIONAL or trigger["Name"] in own["Fired"] or trigger["Name"] not in active:
                continue
            conditions = trigger["Predicate"]["Conditions"]
            met = [fits(one, latest[named(one)]) if named(one) in latest else False for one in conditions]
            if is_met(trigger["Predicate"], met):
                ends = (latest[named(one)] for one, is_so in zip(conditions, met, strict=True) if is_so)
                fire(run, trigger, [[end["Name"], end["Id"]] for end in ends if end["Kind"] == JOB])
    if run["Status"] in (RUNNING, STOPPING) and not any(map(goes_on, own["Actions"])):
        run["Status"] = COMPLETED if run["Status"] == RUNNING else STOPPED
        run["CompletedOn"] = datetime.now(UTC)
    return str(run["Status"])


def statistics(run: Document) -> dict[str, int]:
    """TotalActions are all that its triggers may start."""
    own = run[OWN]
    total = max(sum(len(one["Actions"]) for one in own["Triggers"]), len(own["Actions"]))
    counts = Counter(_COUNTED.get(one["State"], "RunningActions") for one in own["Actions"])
    names = ("RunningActions", *dict.fromkeys(_COUNTED.values()))
    return {"TotalActions": total} | {name: counts[name] for name in names}


def resumed(before: Document, nodes: list[str]) -> Document:
    """A run that does again what stands at these nodes and below them. KeyError: a node that was not run."""
    run = made(before["Name"], before["WorkflowRunProperties"], before[OWN]["Triggers"])
    latest = {node_id(before["Name"], one["Kind"], one["Name"]): one for one in before[OWN]["Actions"]}
    again = {node: latest[node] for node in nodes}
    under = below(before["Name"], before[OWN]["Triggers"], nodes)
    kept = [one for node, one in latest.items() if node not in under and node not in again]
    words = {"--WORKFLOW_RUN_ID": run["WorkflowRunId"]}
    for one in again.values():
        asked: dict[str, Any] = one["Asked"] | {"Arguments": one["Asked"]["Arguments"] | words}
        kept.append(one | {"Id": new_id(one["Kind"]), "State": PENDING, "Asked": asked})
    names = [name for name in before[OWN]["Fired"] if node_id(before["Name"], "TRIGGER", name) not in under]
    run[OWN] |= {"Actions": kept, "Fired": names}
    return run | {"PreviousRunId": before["WorkflowRunId"]}
