from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sagelab.lab import cleanup, elsewhere, security, states
from sagelab.lab.session import Lab

TRIES = {
    "StartAt": "First",
    "States": {
        "First": {"Type": "Pass", "Next": "Good?"},
        "Good?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.bad", "IsPresent": True, "Next": "No"}],
            "Default": "Yes",
        },
        "No": {"Type": "Fail", "Error": "Bad", "Cause": "It was said so."},
        "Yes": {"Type": "Succeed"},
    },
}


def test_a_machine_is_started_by_its_schedule_and_followed(lab: Lab, tmp_path: Path) -> None:
    allow = [{"Effect": "Allow", "Action": ["states:StartExecution"], "Resource": "*"}]
    role = security.role(lab, "line", allow, services=["states", "scheduler"])
    file = tmp_path / "line.asl.json"
    file.write_text(json.dumps(TRIES))
    machine = states.make(lab, str(file), role)
    assert states.make(lab, str(file), role) == machine
    known = states.executions(lab, machine)
    target = {"Arn": machine, "RoleArn": role, "Input": "{}"}
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for _ in range(2):
        states.schedule(lab, "nightly", "cron(0 3 * * ? *)", target)
    states.schedule(lab, "once", f"at({soon:%Y-%m-%dT%H:%M:%S})", target)
    execution = states.started(lab, machine, known)
    assert states.follow(lab, execution)["status"] == "SUCCEEDED"
    assert list(states.times(lab, execution)["state"]) == ["First", "Good?", "Yes"]
    bad = lab.client("stepfunctions").start_execution(stateMachineArn=machine, input='{"bad": true}')[
        "executionArn"
    ]
    with pytest.raises(states.ExecutionFailed, match=r"FAILED: Bad It was said so\."):
        states.follow(lab, bad)
    assert {noun for noun, _ in elsewhere.left(lab)} == {"schedule", "state machine"}
    assert f"removed state machine {machine}" in cleanup.clean(lab)
    assert not list(elsewhere.left(lab))
    security.remove(lab)
