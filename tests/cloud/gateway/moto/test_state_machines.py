"""State machines that run: their states, their tasks by the front door, their ends."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.gateway.moto import state_tasks
from sagelab.cloud.gateway.moto.state_machines import INTERRUPTED, KIND, StateMachines
from tests.cloud.gateway.moto.test_event_bus import EVENTS, WAIT, rule
from tests.cloud.gateway.moto.test_targets import ACCOUNT, OWN, make_queue, messages
from tests.trusts import trusting
from tests.waiting import until

STATES = "states.amazonaws.com"


@pytest.fixture(scope="module")
def role(gateway: Any) -> str:
    """A role that Step Functions may take on, for queues, topics, tables, events and SageMaker."""
    iam, name = gateway.client("iam"), f"machine-{uuid.uuid4().hex[:8]}"
    trust = trusting({"Service": [STATES, EVENTS]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    actions = ["sqs:*", "sns:*", "dynamodb:*", "events:*", "sagemaker:List*", "states:*"]
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
    )
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
    return str(arn)


class Machines:
    """Makes state machines and runs them."""

    def __init__(self, gateway: Any, role: str) -> None:
        self.client, self.role = gateway.client("stepfunctions"), role

    def make(self, states: dict[str, Any], **more: Any) -> str:
        definition = json.dumps({"StartAt": next(iter(states)), "States": states} | more)
        name = f"machine-{uuid.uuid4().hex[:8]}"
        made = self.client.create_state_machine(name=name, definition=definition, roleArn=self.role)
        return str(made["stateMachineArn"])

    def start(self, machine: str, given: Any = None, **more: Any) -> str:
        asked = {"stateMachineArn": machine, "input": json.dumps(given or {}), **more}
        return str(self.client.start_execution(**asked)["executionArn"])

    def end(self, execution: str) -> dict[str, Any]:
        return until(
            lambda: self.client.describe_execution(executionArn=execution), lambda one: one["status"] != "RUNNING"
        )

    def run(self, states: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
        return self.end(self.start(self.make(states, **more), given))

    def output(self, states: dict[str, Any], given: Any = None) -> Any:
        found = self.run(states, given)
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])

    def refusal(self, states: dict[str, Any], **more: Any) -> str:
        with pytest.raises(self.client.exceptions.InvalidDefinition) as refused:
            self.make(states, **more)
        return str(refused.value.response["Error"]["Message"])


@pytest.fixture(scope="module")
def machines(gateway: Any, role: str) -> Machines:
    return Machines(gateway, role)


END = {"End": True}


def task(resource: str, parameters: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {"Parameters": parameters} if parameters is not None else {}
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", **given, **(more or END)}


def test_states_do_what_they_say(machines: Machines) -> None:
    square = {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, **END}
    states = {
        "Choose": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.kind", "StringMatches": "m*y", "Next": "Many"}],
            "Default": "Sorry",
        },
        "Many": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {"StartAt": "Add", "States": {"Add": square}},
            "ResultPath": "$.added",
            "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": name, "States": {name: {"Type": "Pass", "Result": name, **END}}} for name in ("A", "B")
            ],
            "ResultPath": "$.both",
            "Next": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 0, "Next": "Done"},
        "Done": {"Type": "Succeed", "OutputPath": "$['added', 'both']"},
        "Sorry": {"Type": "Fail", "Error": "Sorry", "Cause": "not this"},
    }
    states["Done"] = {"Type": "Succeed"}
    found = machines.output(states, {"kind": "many", "items": [{"n": 1}, {"n": 2}]})
    assert (found["added"], found["both"]) == ([{"n": 2}, {"n": 3}], ["A", "B"])
    failed = machines.run(states, {"kind": "few"})
    assert (failed["status"], failed["error"], failed["cause"]) == ("FAILED", "Sorry", "not this")


def test_tasks_act_with_the_role_of_the_machine(gateway: Any, machines: Machines) -> None:
    sqs, dynamodb = gateway.client("sqs"), gateway.client("dynamodb")
    url = sqs.create_queue(QueueName="of-a-machine")["QueueUrl"]
    key = {"AttributeName": "id", "AttributeType": "S"}
    dynamodb.create_table(
        TableName="of-a-machine",
        AttributeDefinitions=[key],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    entry = {"Source": "machine", "DetailType": "t", "Detail": {"from": "a machine"}}
    rule(gateway.client("events"), "machine", make_queue(gateway, "machine-events", EVENTS))
    states = {
        "Send": task(
            "sqs:sendMessage", {"QueueUrl": url, "MessageBody.$": "$.text"}, ResultPath="$.sent", Next="Keep"
        ),
        "Keep": task(
            "dynamodb:putItem",
            {"TableName": "of-a-machine", "Item": {"id": {"S.$": "$.text"}}},
            ResultPath="$.kept",
            Next="Tell",
        ),
        "Tell": task("events:putEvents", {"Entries": [entry]}, ResultPath="$.told", Next="Look"),
        "Look": task("aws-sdk:dynamodb:describeTable", {"TableName": "of-a-machine"}),
    }
    found = machines.output(states, {"text": "hello"})
    assert found["Table"]["TableName"] == "of-a-machine"
    assert isinstance(found["Table"]["CreationDateTime"], str)
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
    assert dynamodb.scan(TableName="of-a-machine")["Items"] == [{"id": {"S": "hello"}}]
    assert messages(gateway, "machine-events", WAIT)[0]["detail"] == {"from": "a machine"}
    failed = machines.run({"Look": task("aws-sdk:kms:listKeys", {})})
    assert failed["status"] == "FAILED"
    assert "AccessDenied" in failed["error"] or "not authorized" in failed["cause"]


def test_task_is_caught_and_tried_again(machines: Machines) -> None:
    states = {
        "Try": task(
            "sqs:sendMessage",
            {"QueueUrl": f"http://127.0.0.1/{ACCOUNT}/never-made", "MessageBody": "x"},
            Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}],
            Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.why", "Next": "Caught"}],
            **END,
        ),
        "Caught": {"Type": "Pass", **END},
    }
    execution = machines.start(machines.make(states))
    found = machines.end(execution)
    assert found["status"] == "SUCCEEDED"
    assert json.loads(found["output"])["why"]["Error"].startswith("SQS.")
    events = machines.client.get_execution_history(executionArn=execution, maxResults=1000)["events"]
    assert [one["type"] for one in events].count("TaskFailed") == 2
    assert [one["id"] for one in events] == list(range(1, len(events) + 1))


def test_a_path_by_an_index_leads_to_a_value(machines: Machines) -> None:
    rule = {"Variable": "$.tasks[0].status", "StringEquals": "stopped", "Next": "Tell"}
    told = {"first.$": "$.tasks[0].status", "all.$": "$.tasks[*].status", "last.$": "$.deep[1][0]"}
    states = {
        "Look": {"Type": "Choice", "Choices": [rule]},
        "Tell": {"Type": "Pass", "Parameters": told, **END},
    }
    given = {"tasks": [{"status": "stopped"}, {"status": "failed"}], "deep": [[], [7]]}
    assert machines.output(states, given) == {"first": "stopped", "all": ["stopped", "failed"], "last": 7}


def test_callback_is_waited_for(gateway: Any, machines: Machines) -> None:
    url = gateway.client("sqs").create_queue(QueueName="tokens")["QueueUrl"]
    body = {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}}
    machine = machines.make({"Ask": task("sqs:sendMessage.waitForTaskToken", body)})
    ends = []
    for answer in ("success", "failure"):
        execution = machines.start(machine)
        (message,) = messages(gateway, "tokens", WAIT)
        if answer == "success":
            machines.client.send_task_success(taskToken=message["token"], output='{"said": "yes"}')
        else:
            machines.client.send_task_failure(taskToken=message["token"], error="No", cause="because")
        ends.append(machines.end(execution))
    assert json.loads(ends[0]["output"]) == {"said": "yes"}
    assert (ends[1]["error"], ends[1]["cause"]) == ("No", "because")
    with pytest.raises(botocore.exceptions.ClientError):
        machines.client.send_task_success(taskToken="x" * 20, output="{}")


def test_execution_is_stopped_and_times_out(machines: Machines) -> None:
    wait = {"Wait": {"Type": "Wait", "Seconds": 99999, **END}}
    execution = machines.start(machines.make(wait), name="stopped")
    history = machines.client.get_execution_history
    until(lambda: history(executionArn=execution)["events"], lambda seen: len(seen) > 1)
    machines.client.stop_execution(executionArn=execution, error="Enough", cause="too long")
    found = machines.client.describe_execution(executionArn=execution)
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "Enough", "too long")
    assert history(executionArn=execution, reverseOrder=True)["events"][0]["type"] == "ExecutionAborted"
    late = machines.run(wait, TimeoutSeconds=1)
    assert late["status"] == "TIMED_OUT"
    assert "stopDate" in late


def test_machine_that_goes_round_for_ever_ends(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_tasks, "EVENTS", 500)
    states: dict[str, Any] = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    states["Never"] = {"Type": "Succeed"}
    states["A"] = {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "Never"}]}
    states["A"]["Default"] = "B"
    execution = machines.start(machines.make(states))
    found = machines.end(execution)
    assert found["status"] == "FAILED"
    assert found["cause"] == "The execution reached the maximum number of history events (25000)."
    last = machines.client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"]
    assert (last[0]["type"], last[0]["id"]) == ("ExecutionFailed", 500)


def test_data_is_bounded(machines: Machines) -> None:
    machine = machines.make({"P": {"Type": "Pass", **END}})
    with pytest.raises(botocore.exceptions.ClientError, match="less than or equal to 262144"):
        machines.start(machine, "x" * 300_000)
    double = {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}, **END}
    found = machines.run({"Double": double}, {"text": "x" * 200_000})
    assert (found["status"], found["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_executions_are_listed_page_by_page_and_told_of(gateway: Any, machines: Machines) -> None:
    queue = make_queue(gateway, "executions", EVENTS)
    pattern = {"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"], "name": [{"prefix": "listed-"}]}}
    rule(gateway.client("events"), "executions", queue, **pattern)
    machine = machines.make({"P": {"Type": "Pass", **END}})
    made = [machines.start(machine, name=f"listed-{at}") for at in range(3)]
    for execution in made:
        machines.end(execution)
    listed = machines.client.list_executions
    first = listed(stateMachineArn=machine, maxResults=2)
    rest = listed(stateMachineArn=machine, maxResults=2, nextToken=first["nextToken"])
    found = [one["executionArn"] for one in first["executions"] + rest["executions"]]
    assert found == made[::-1]
    assert "nextToken" not in rest
    assert listed(stateMachineArn=machine, statusFilter="RUNNING")["executions"] == []
    heard: list[Any] = []

    def hear() -> int:
        heard.extend(messages(gateway, "executions", WAIT))
        return len(heard)

    until(hear, lambda count: count >= 3)
    assert heard[0]["detail-type"] == "Step Functions Execution Status Change"
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        machines.start(machine, name="listed-0")
    with pytest.raises(machines.client.exceptions.ExecutionDoesNotExist):
        machines.client.describe_execution(executionArn=f"{made[0]}-other")


def test_execution_that_was_cut_off_has_failed(machines: Machines) -> None:
    machine = machines.make({"Wait": {"Type": "Wait", "Seconds": 99999, **END}})
    execution = machines.start(machine)
    now = StateMachines.current
    again = StateMachines(now._cloud, now._tell)  # as the next start does
    StateMachines.current = now
    found = machines.client.describe_execution(executionArn=execution)
    assert (found["status"], found["cause"]) == ("FAILED", INTERRUPTED)
    assert again.store.with_status(KIND, "RUNNING") == []
    now.runs[execution].stop_with(None, None)
    assert machines.client.describe_execution(executionArn=execution)["status"] == "FAILED"


def test_rule_starts_an_execution(gateway: Any, machines: Machines, role: str) -> None:
    machine = machines.make({"P": {"Type": "Pass", **END}})
    rule(gateway.client("events"), "starts", {"Arn": machine, "RoleArn": role, "InputPath": "$.detail"})
    gateway.client("events").put_events(Entries=[{"Source": "starts", "DetailType": "t", "Detail": '{"a": 1}'}])
    listed = machines.client.list_executions
    (one,) = until(lambda: listed(stateMachineArn=machine)["executions"], bool)
    assert json.loads(machines.end(one["executionArn"])["output"]) == {"a": 1}


PASS = {"Type": "Pass", **END}
DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "P", "States": {"P": PASS}}
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Missing 'StartAt' target: Q at /StartAt": ({"P": PASS}, {"StartAt": "Q"}),
    "Missing 'Next' target: Q at /States/P/Next": ({"P": {"Type": "Pass", "Next": "Q"}}, {}),
    'State "Q" is not reachable. at /States/Q': ({"P": PASS, "Q": PASS}, {}),
    "The value of 'Type' must be one of": ({"P": {"Type": "Do", **END}}, {}),
    "One of the fields 'Next' and 'End' is required. at /States/P": ({"P": {"Type": "Pass"}}, {}),
    "arn:aws:states:::batch:submitJob is not recognized": (
        {"P": task("batch:submitJob")},
        {},
    ),
    "sagemaker:createModel.sync is not recognized": ({"P": task("sagemaker:createModel.sync")}, {}),
    "A QueryLanguage other than JSONPath": ({"P": PASS}, {"QueryLanguage": "JSONata"}),
    "A distributed Map": ({"P": {"Type": "Map", "ItemProcessor": DISTRIBUTED, **END}}, {}),
    "Value is not a valid JSONPath": ({"P": {**PASS, "InputPath": "$[?(@.a =~ '(a+)+$')]"}}, {}),
    "SCHEMA_VALIDATION_FAILED": ({"P": {"Type": "Wait", "Seconds": "soon", **END}}, {}),
}


@pytest.mark.parametrize("why", WRONG)
def test_definition_that_cannot_run_is_refused(machines: Machines, why: str) -> None:
    states, more = WRONG[why]
    said = machines.refusal(states, **more)
    assert said.startswith("Invalid State Machine Definition: '")
    assert why in said


def test_definition_is_tried(machines: Machines) -> None:
    tried = machines.client.validate_state_machine_definition
    assert tried(definition=json.dumps({"StartAt": "P", "States": {"P": PASS}}))["result"] == "OK"
    found = tried(definition=json.dumps({"StartAt": "Q", "States": {"P": PASS}}))
    assert found["result"] == "FAIL"
    assert found["diagnostics"][0]["code"] == "MISSING_TRANSITION_TARGET"
    assert tried(definition="{")["diagnostics"][0]["code"] == "INVALID_JSON_DESCRIPTION"
    deep: dict[str, Any] = {"StartAt": "P", "States": {"P": PASS}}
    for _ in range(200):
        deep = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": deep, **END}}}
    start = time.process_time()
    assert "20 deep" in tried(definition=json.dumps(deep))["diagnostics"][0]["message"]
    assert time.process_time() - start < 2


def test_role_that_does_not_trust_step_functions_does_nothing(gateway: Any) -> None:
    iam = gateway.client("iam")
    arn = iam.create_role(RoleName="not-for-machines", AssumeRolePolicyDocument=trusting({"Service": EVENTS}))
    other = Machines(gateway, arn["Role"]["Arn"])
    url = f"{OWN}:sqs:us-east-1:{ACCOUNT}:x"
    found = other.run({"Send": task("sqs:sendMessage", {"QueueUrl": url, "MessageBody": "x"})})
    assert found["status"] == "FAILED"
