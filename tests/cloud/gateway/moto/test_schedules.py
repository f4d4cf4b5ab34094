"""Rules and schedules that wait for a time: they fire, by a clock that the test has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud import clock as clocks
from sagelab.cloud.gateway.moto.event_bus import EventBridge
from sagelab.cloud.gateway.moto.schedules import Schedules
from tests.cloud.gateway.moto.test_event_bus import EVENTS, WAIT, settle
from tests.cloud.gateway.moto.test_targets import ACCOUNT, OWN, make_queue, messages
from tests.trusts import trusting
from tests.waiting import until

SCHEDULER = "scheduler.amazonaws.com"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()
        self.schedules = Schedules(
            EventBridge.current,
            lambda *_: nullcontext(),
            lambda _: ["us-east-1"],
            clocks.Clock(real=lambda: self.now),
        )

    def put_on(self, seconds: float) -> None:
        self.now += seconds
        self.schedules.timer.wake()
        until(lambda: self.schedules.timer._seen, lambda seen: seen == self.now)
        settle()


@pytest.fixture
def clock(gateway: Any) -> Iterator[Clock]:  # noqa: ARG001
    made = Clock()
    yield made
    made.schedules.close()


@pytest.fixture
def role(gateway: Any) -> str:
    """A role that Scheduler may take on, for anything that a queue or SageMaker can do."""
    iam = gateway.client("iam")
    name = f"scheduler-{time.monotonic_ns()}"
    trust = trusting({"Service": SCHEDULER})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": ["sqs:*", "sagemaker:*", "events:*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
    return str(arn)


def queue(gateway: Any, name: str) -> str:
    gateway.client("sqs").create_queue(QueueName=name)
    return f"{OWN}:sqs:us-east-1:{ACCOUNT}:{name}"


def test_rule_fires_at_its_rate(gateway: Any, clock: Clock) -> None:
    events = gateway.client("events")
    arn = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")["RuleArn"]
    events.put_targets(Rule="hourly", Targets=[{"Id": "1", "Arn": make_queue(gateway, "hourly", EVENTS)}])
    for _ in range(5):
        clock.put_on(1600)  # 8000 seconds
    found = messages(gateway, "hourly", WAIT)
    assert len(found) == 2
    assert (found[0]["source"], found[0]["detail-type"]) == ("aws.events", "Scheduled Event")
    assert (found[0]["resources"], found[0]["detail"]) == ([arn], {})
    events.disable_rule(Name="hourly")
    clock.put_on(8000)
    assert messages(gateway, "hourly") == []


def test_schedule_fires_with_its_role_and_its_input(gateway: Any, clock: Clock, role: str) -> None:
    scheduler, at = gateway.client("scheduler"), datetime.now(UTC) + timedelta(days=2)
    text = json.dumps({"when": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>"})
    once = at.strftime("at(%Y-%m-%dT%H:%M:%S)")
    made = scheduler.create_schedule(
        Name="once",
        ScheduleExpression=once,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue(gateway, "once"), "RoleArn": role, "Input": text},
        ActionAfterCompletion="DELETE",
    )
    clock.put_on(86400)
    assert messages(gateway, "once") == []
    clock.put_on(86400 + 5)
    clock.put_on(86400)
    (message,) = messages(gateway, "once", WAIT)
    assert message == {"when": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "by": made["ScheduleArn"]}
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name="once")


def test_schedule_calls_any_api_and_ends_with_its_end(gateway: Any, clock: Clock, role: str) -> None:
    scheduler, arn = gateway.client("scheduler"), "arn:aws:scheduler:::aws-sdk:sagemaker:listTrainingJobs"
    target = {"Arn": arn, "RoleArn": role, "Input": json.dumps({"NameContains": "scheduled"})}
    window = {"FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    end = datetime.now(UTC) + timedelta(hours=2, minutes=30)
    scheduler.create_schedule(Name="api", ScheduleExpression="rate(1 hour)", EndDate=end, **window)
    letters = queue(gateway, "api-letters")
    sent = {"Arn": letters, "RoleArn": role}
    scheduler.create_schedule(
        Name="queue", ScheduleExpression="rate(1 hour)", EndDate=end, **window | {"Target": sent}
    )
    broken = target | {"Input": "[]", "DeadLetterConfig": {"Arn": queue(gateway, "api-broken")}}
    scheduler.create_schedule(
        Name="broken", ScheduleExpression="rate(1 hour)", EndDate=end, **window | {"Target": broken}
    )
    for _ in range(5):
        clock.put_on(3601)
    assert gateway.jobs.kept["<list>"].params["NameContains"] == "scheduled"
    assert len(messages(gateway, "api-letters", WAIT)) == 2
    assert len(messages(gateway, "api-broken", WAIT)) == 2


def test_what_cannot_be_fired_is_refused(gateway: Any, role: str) -> None:
    scheduler, arn = gateway.client("scheduler"), queue(gateway, "never")
    base = {"Name": "no", "FlexibleTimeWindow": {"Mode": "OFF"}, "ScheduleExpression": "rate(2 days)"}
    target = {"Arn": arn, "RoleArn": role}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"ScheduleExpression": "rate(1 minutes)", "Target": target}, "Invalid Schedule Expression"),
        ({"ScheduleExpressionTimezone": "Mars/North", "Target": target}, "Invalid time zone"),
        ({"ScheduleExpression": "rate(2 days)", "Target": target | {"RoleArn": "arn:none"}}, "valid role"),
        (
            {
                "ScheduleExpression": "rate(2 days)",
                "Target": target | {"Arn": "arn:aws:ecs:us-east-1:1:cluster/c"},
            },
            "is not something that the local cloud's Scheduler can call",
        ),
        (
            {"ScheduleExpression": "rate(2 days)", "Target": target, "GroupName": "none"},
            "group none does not exist",
        ),
    ]
    for given, why in cases:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            scheduler.create_schedule(**base | given)
        assert why in refused.value.response["Error"]["Message"]
    assert scheduler.list_schedules(NamePrefix="no")["Schedules"] == []
    with pytest.raises(botocore.exceptions.ClientError, match="Parameter ScheduleExpression is not valid"):
        gateway.client("events").put_rule(Name="no", ScheduleExpression="cron(0 10 * * * *)")
