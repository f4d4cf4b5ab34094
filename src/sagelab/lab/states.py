"""Executions of state machines, as a lab follows them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelab.lab import security, watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab


class ExecutionFailed(Exception):
    """An execution did not succeed; the text says why."""


def make(lab: Lab, file: str, role: str) -> str:
    """A state machine of a file in Amazon States Language, called as the lab; returns its ARN. It may be there."""
    states, definition = lab.client("stepfunctions"), Path(file).read_text()
    arn = f"arn:aws:states:{lab.region}:{lab.account}:stateMachine:{lab.name}"
    try:
        states.describe_state_machine(stateMachineArn=arn)
    except states.exceptions.StateMachineDoesNotExist:
        tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in lab.tags]
        asked = {"name": lab.name, "definition": definition, "roleArn": role, "tags": tags}
        return str(security.patiently(lambda: states.create_state_machine(**asked))["stateMachineArn"])
    states.update_state_machine(stateMachineArn=arn, definition=definition, roleArn=role)
    return arn


def schedule(lab: Lab, name: str, when: str, target: Mapping[str, str]) -> None:
    """A schedule of EventBridge's for a target, in place of one of its name. when: cron(...), at(...)."""
    scheduler, asked = lab.client("scheduler"), {"Name": f"{lab.name}-{name}", "ScheduleExpression": when}
    with suppress(scheduler.exceptions.ResourceNotFoundException):
        scheduler.delete_schedule(Name=asked["Name"])
    more = {"Target": dict(target), "FlexibleTimeWindow": {"Mode": "OFF"}}
    security.patiently(lambda: scheduler.create_schedule(**asked, **more))


def executions(lab: Lab, machine: str) -> set[str]:
    """The ARNs of a machine's executions."""
    pages = lab.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=machine)
    return {str(one["executionArn"]) for page in pages for one in page["executions"]}


def started(lab: Lab, machine: str, known: set[str]) -> str:
    """Wait for an execution beside those that are known, which somebody else starts, and return its ARN."""
    return min(watch.until(lab, lambda: executions(lab, machine) - known, bool))


def follow(lab: Lab, execution: str) -> dict[str, Any]:
    """Follow an execution on one line to its end. ExecutionFailed: it did not succeed, and why."""
    states, began = lab.client("stepfunctions"), time.time()

    def look() -> dict[str, Any]:
        found: dict[str, Any] = states.describe_execution(executionArn=execution)
        running = found["status"] == "RUNNING"
        return found | {"at": _entered(lab, execution)[-1:] if running else []}

    def tell(found: dict[str, Any]) -> str:
        return " · ".join((found["status"], f"{time.time() - began:.0f} s", *(name for name, _ in found["at"])))

    found = watch.follow_by(lab, look, tell, lambda found: found["status"] != "RUNNING")
    if found["status"] != "SUCCEEDED":
        raise ExecutionFailed(
            f"{found['status']}: {found.get('error', '')} {found.get('cause', '')[:500]}".strip()
        )
    return found


def times(lab: Lab, execution: str) -> pd.DataFrame:
    """The states that an execution entered, in order, with the seconds that each took."""
    import pandas as pd

    entered = _entered(lab, execution)
    end = lab.client("stepfunctions").describe_execution(executionArn=execution)["stopDate"]
    ends = [*(when for _, when in entered[1:]), end]
    rows = [(name, (after - when).total_seconds()) for (name, when), after in zip(entered, ends, strict=True)]
    return pd.DataFrame(rows, columns=["state", "seconds"]).round(1)


def _entered(lab: Lab, execution: str) -> list[tuple[str, Any]]:
    pages = lab.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    return [
        (event["stateEnteredEventDetails"]["name"], event["timestamp"])
        for page in pages
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]
