"""What would call SageMaker for a service of moto's is refused where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud

PIPELINE = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/train"
SDK = "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob"


def definition(resource: str) -> str:
    task = {"Type": "Task", "Resource": resource, "End": True}
    inner = {"StartAt": "Train", "States": {"Train": task}}
    return json.dumps(
        {"StartAt": "All", "States": {"All": {"Type": "Parallel", "Branches": [inner], "End": True}}}
    )


@pytest.mark.parametrize("call", ["sagemaker:createTrainingJob.sync", "aws-sdk:sagemaker:listModels"])
def test_state_machine_that_calls_sagemaker_is_refused(
    cloud: LocalCloud, unique: Callable[[str], str], call: str
) -> None:
    states, arn = cloud.client("stepfunctions"), f"arn:aws:states:::{call}"
    with pytest.raises(states.exceptions.InvalidDefinition) as refused:
        states.create_state_machine(name=unique("machine"), definition=definition(arn), roleArn=ROLE)
    said = refused.value.response["Error"]["Message"]
    assert f"The resource provided {arn} is not recognized." in said
    assert said.endswith("at /States/All/Branches[0]/States/Train/Resource'")
    other = definition("arn:aws:states:::sqs:sendMessage")
    made = states.create_state_machine(name=unique("machine"), definition=other, roleArn=ROLE)["stateMachineArn"]
    with pytest.raises(states.exceptions.InvalidDefinition):
        states.update_state_machine(stateMachineArn=made, definition=definition(arn))
    assert states.describe_state_machine(stateMachineArn=made)["definition"] == other


def test_rule_schedule_and_pipe_that_call_sagemaker_are_refused(
    cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    events, name = cloud.client("events"), unique("rule")
    events.put_rule(Name=name, EventPattern='{"source": ["aws.s3"]}')
    calls: list[tuple[Any, dict[str, Any]]] = [
        (events.put_targets, {"Rule": name, "Targets": [{"Id": "1", "Arn": PIPELINE}]}),
        (
            cloud.client("scheduler").create_schedule,
            {
                "Name": name,
                "ScheduleExpression": "rate(1 hour)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": SDK, "RoleArn": ROLE},
            },
        ),
        (
            cloud.client("pipes").create_pipe,
            {
                "Name": name,
                "RoleArn": ROLE,
                "Source": "arn:aws:sqs:us-east-1:123456789012:queue",
                "Target": PIPELINE,
            },
        ),
    ]
    for call, request in calls:
        with pytest.raises(botocore.exceptions.ClientError, match="SageMaker is not something") as refused:
            call(**request)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []


def test_stack_cannot_make_what_is_refused(cloud: LocalCloud, unique: Callable[[str], str]) -> None:
    name, text = unique("stack"), definition("arn:aws:states:::sagemaker:createTrainingJob")
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": ROLE, "DefinitionString": text},
    }
    client = cloud.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Machine": machine}}))
    assert client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [
        event["ResourceStatusReason"]
        for event in client.describe_stack_events(StackName=name)["StackEvents"]
        if (event["LogicalResourceId"], event["ResourceStatus"]) == ("Machine", "CREATE_FAILED")
    ]
    assert len(reasons) == 1
    assert "The resource provided arn:aws:states:::sagemaker:createTrainingJob is not recognized." in reasons[0]
    client.delete_stack(StackName=name)
