"""EventBridge: who hears of an event, and what fails nobody."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.gateway.moto.event_bus import EventBridge
from tests.cloud.gateway.moto.test_targets import ACCOUNT, OWN, make_queue, messages
from tests.trusts import trusting
from tests.waiting import until

WAIT = 10  # seconds for a message that comes in milliseconds
EVENTS = "events.amazonaws.com"


@pytest.fixture
def events(gateway: Any) -> Any:
    return gateway.client("events")


def rule(events: Any, name: str, *targets: dict[str, Any] | str, **pattern: Any) -> str:
    """The ARN of a rule for the events of the source `name`, with its targets."""
    wanted = json.dumps({"source": [name]} | pattern)
    arn = events.put_rule(Name=name, EventPattern=wanted)["RuleArn"]
    given = [{"Id": str(at), **({"Arn": one} if isinstance(one, str) else one)} for at, one in enumerate(targets)]
    if given:
        assert events.put_targets(Rule=name, Targets=given)["FailedEntryCount"] == 0
    return str(arn)


def put(events: Any, source: str, detail: str = "{}", **more: Any) -> dict[str, Any]:
    entry = {"Source": source, "DetailType": "t", "Detail": detail, **more}
    answer: dict[str, Any] = events.put_events(Entries=[entry])
    return answer


def settle() -> None:
    """Wait until nothing is left to be delivered."""
    store = EventBridge.current._store
    until(lambda: store.with_status("event-delivery", "Waiting"), lambda rows: not rows)


def test_rule_sends_to_no_queue_whose_policy_does_not_let_it(gateway: Any, events: Any) -> None:
    arn = rule(events, "let")
    gateway.client("sqs").create_queue(QueueName="of-nobody")
    queues = {
        "of-nobody": f"{OWN}:sqs:us-east-1:{ACCOUNT}:of-nobody",
        "of-s3": make_queue(gateway, "of-s3", "s3.amazonaws.com"),
        "of-another": make_queue(gateway, "of-another", EVENTS, aws_SourceArn=f"{arn}-other"),
        "of-the-rule": make_queue(gateway, "of-the-rule", EVENTS, aws_SourceArn=arn),
    }
    rule(events, "let", *queues.values())
    put(events, "let")
    settle()
    assert {name: len(messages(gateway, name)) for name in queues} == dict.fromkeys(queues, 0) | {"of-the-rule": 1}


def test_event_comes_as_it_was_put(gateway: Any, events: Any) -> None:
    rule(events, "as-put", make_queue(gateway, "as-put", EVENTS))
    when = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
    entry = put(events, "as-put", '{"a": {"$time": 1.5}}', Time=when, Resources=["arn:x"])["Entries"][0]
    (event,) = messages(gateway, "as-put", WAIT)
    assert event == {
        "version": "0",
        "id": entry["EventId"],
        "detail-type": "t",
        "source": "as-put",
        "account": ACCOUNT,
        "time": "2026-11-29T10:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"a": {"$time": 1.5}},
    }


def test_disabled_rule_is_silent(gateway: Any, events: Any) -> None:
    rule(events, "disabled", make_queue(gateway, "disabled", EVENTS))
    events.disable_rule(Name="disabled")
    put(events, "disabled")
    settle()
    events.enable_rule(Name="disabled")
    put(events, "disabled", '{"second": 1}')
    assert [one["detail"] for one in messages(gateway, "disabled", WAIT)] == [{"second": 1}]


def test_put_events_fails_nobody_and_what_is_lost_becomes_a_dead_letter(gateway: Any, events: Any) -> None:
    arn = rule(events, "dead")
    letters = make_queue(gateway, "letters", EVENTS, aws_SourceArn=arn)
    gateway.client("sqs").create_queue(QueueName="closed-to-all")
    targets = {
        "NO_RESOURCE": f"{OWN}:sns:us-east-1:{ACCOUNT}:never-made",
        "NO_PERMISSIONS": f"{OWN}:sqs:us-east-1:{ACCOUNT}:closed-to-all",
    }
    rule(events, "dead", *({"Arn": one, "DeadLetterConfig": {"Arn": letters}} for one in targets.values()))
    assert put(events, "dead", '{"a": 1}')["FailedEntryCount"] == 0
    sqs = gateway.client("sqs")
    url, found = sqs.get_queue_url(QueueName="letters")["QueueUrl"], list[Any]()
    asked = {"QueueUrl": url, "WaitTimeSeconds": WAIT, "MessageAttributeNames": ["All"], "MaxNumberOfMessages": 10}
    while len(found) < 2:
        found += sqs.receive_message(**asked)["Messages"]
    told = [{name: one["StringValue"] for name, one in each["MessageAttributes"].items()} for each in found]
    assert {one["ERROR_CODE"]: one["TARGET_ARN"] for one in told} == targets
    assert {(one["RULE_ARN"], one["RETRY_ATTEMPTS"]) for one in told} == {(arn, "0")}
    assert json.loads(found[0]["Body"])["detail"] == {"a": 1}


def test_targets_are_called_with_what_they_ask_for(gateway: Any, events: Any) -> None:
    queues = [make_queue(gateway, f"asked-{at}", EVENTS) for at in range(2)]
    template = {"InputPathsMap": {"a": "$.detail.a"}, "InputTemplate": '{"is": "<a>"}'}
    rule(
        events,
        "asked",
        {"Arn": queues[0], "InputTransformer": template},
        {"Arn": queues[1], "InputPath": "$.detail"},
    )
    put(events, "asked", '{"a": 1}')
    assert [messages(gateway, f"asked-{at}", WAIT) for at in range(2)] == [[{"is": "1"}], [{"a": 1}]]


def test_topic_and_log_group_hear_by_their_policies(gateway: Any, events: Any) -> None:
    sns, logs = (gateway.client(name) for name in ("sns", "logs"))
    allow = {"Effect": "Allow", "Principal": {"Service": EVENTS}}
    topic = sns.create_topic(Name="told")["TopicArn"]
    policy = {"Version": "2012-10-17", "Statement": [allow | {"Action": "sns:Publish", "Resource": topic}]}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    queue = make_queue(gateway, "told", "sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    group = f"{OWN}:logs:us-east-1:{ACCOUNT}:log-group:/aws/events/told"
    logs.create_log_group(logGroupName="/aws/events/told")
    rule(events, "told", topic, group)
    put(events, "told", '{"number": 1}')
    settle()
    assert logs.filter_log_events(logGroupName="/aws/events/told")["events"] == []
    action = {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": f"{group}:*"}
    policy = {"Version": "2012-10-17", "Statement": [allow | action]}
    logs.put_resource_policy(policyName="events", policyDocument=json.dumps(policy))
    put(events, "told", '{"number": 2}')
    settle()
    lines = [
        json.loads(one["message"]) for one in logs.filter_log_events(logGroupName="/aws/events/told")["events"]
    ]
    assert [one["detail"] for one in lines] == [{"number": 2}]
    told = messages(gateway, "told", WAIT)
    assert json.loads(told[0]["Message"])["detail"]["number"] in (1, 2)


def test_role_is_asked_where_there_is_one(gateway: Any, events: Any) -> None:
    iam, sqs = gateway.client("iam"), gateway.client("sqs")
    sqs.create_queue(QueueName="by-role")
    arn = f"{OWN}:sqs:us-east-1:{ACCOUNT}:by-role"
    roles = {}
    for name, action in (("may-send", "sqs:SendMessage"), ("may-not", "sqs:ReceiveMessage")):
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting({"Service": EVENTS}))["Role"][
            "Arn"
        ]
        statement = {"Effect": "Allow", "Action": action, "Resource": arn}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
        roles[name] = role
    targets = [{"Arn": arn, "RoleArn": role, "Input": json.dumps(name)} for name, role in roles.items()]
    rule(events, "by-role", *targets)
    put(events, "by-role")
    settle()
    assert messages(gateway, "by-role") == ["may-send"]


def test_bus_passes_on_and_two_that_pass_to_each_other_end(gateway: Any, events: Any) -> None:
    queue = make_queue(gateway, "at-the-end", EVENTS)
    names = ("ping", "pong")
    arns = [events.create_event_bus(Name=name)["EventBusArn"] for name in names]
    for name, other in zip(names, reversed(arns), strict=True):
        events.put_rule(Name="on", EventBusName=name, EventPattern='{"source": ["round"]}')
        events.put_targets(
            Rule="on", EventBusName=name, Targets=[{"Id": "1", "Arn": other}, {"Id": "2", "Arn": queue}]
        )
    put(events, "round", EventBusName="ping")
    settle()
    found = messages(gateway, "at-the-end")
    assert len(found) == 5
    assert {one["source"] for one in found} == {"round"}


def test_archive_is_replayed_to_the_rules_that_are_named(gateway: Any, events: Any) -> None:
    bus = events.create_event_bus(Name="archived")["EventBusArn"]
    archive = events.create_archive(ArchiveName="kept", EventSourceArn=bus, EventPattern='{"source": ["old"]}')
    queue, now = make_queue(gateway, "again", EVENTS), datetime.now(UTC)
    named = events.put_rule(Name="named", EventBusName="archived", EventPattern='{"source": ["old"]}')["RuleArn"]
    events.put_targets(Rule="named", EventBusName="archived", Targets=[{"Id": "1", "Arn": queue}])
    events.put_rule(Name="other", EventBusName="archived", EventPattern='{"source": ["old"]}')
    events.put_targets(Rule="other", EventBusName="archived", Targets=[{"Id": "1", "Arn": queue}])
    put(events, "old", '{"n": 1}', EventBusName="archived", Time=now - timedelta(days=1))
    put(events, "old", '{"n": 2}', EventBusName="archived", Time=now)
    put(events, "new", EventBusName="archived", Time=now)
    settle()
    assert len(messages(gateway, "again")) == 4
    events.start_replay(
        ReplayName="replayed",
        EventSourceArn=archive["ArchiveArn"],
        EventStartTime=now - timedelta(hours=1),
        EventEndTime=now + timedelta(hours=1),
        Destination={"Arn": bus, "FilterArns": [named]},
    )
    settle()
    found = messages(gateway, "again")
    assert [(one["detail"], one["replay-name"]) for one in found] == [({"n": 2}, "replayed")]
    assert events.describe_replay(ReplayName="replayed")["State"] == "COMPLETED"
    assert events.describe_archive(ArchiveName="kept")["EventCount"] == 2


def test_object_of_a_bucket_is_told(gateway: Any, events: Any) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="tells")
    s3.put_bucket_notification_configuration(
        Bucket="tells", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    events.put_rule(
        Name="objects", EventPattern='{"source": ["aws.s3"], "detail": {"bucket": {"name": ["tells"]}}}'
    )
    events.put_targets(Rule="objects", Targets=[{"Id": "1", "Arn": make_queue(gateway, "objects", EVENTS)}])
    s3.put_object(Bucket="tells", Key="model.tar.gz", Body=b"12345")
    (event,) = messages(gateway, "objects", WAIT)
    assert (event["detail-type"], event["resources"]) == ("Object Created", ["arn:aws:s3:::tells"])
    assert event["detail"]["object"]["key"] == "model.tar.gz"
    assert event["detail"]["object"]["size"] == 5


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_what_aws_refuses_is_refused(gateway: Any, events: Any) -> None:
    rule(events, "held")
    put_targets, machine = events.put_targets, f"{OWN}:states:us-east-1:{ACCOUNT}:stateMachine:m"
    queue = make_queue(gateway, "held", EVENTS)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"Arn": machine}, f"RoleArn is required for target {machine}."),
        ({"Arn": queue, "Input": "{}", "InputPath": "$"}, "Only one of Input"),
        ({"Arn": queue, "Input": "{"}, "JSON syntax error in input for target 1"),
        (
            {"Arn": queue, "DeadLetterConfig": {"Arn": f"{queue}.fifo"}},
            "a dead letter queue is a standard SQS queue",
        ),
    ]
    for target, why in cases:
        code, said = refusal(put_targets, Rule="held", Targets=[{"Id": "1"} | target])
        assert code == "ValidationException"
        assert why in said
    many = [{"Id": str(at), "Arn": queue} for at in range(6)]
    assert refusal(put_targets, Rule="held", Targets=many)[0] == "LimitExceededException"
    code, said = refusal(events.put_rule, Name="no", EventPattern='{"source": [{"like": "x"}]}')
    assert (code, said) == (
        "InvalidEventPatternException",
        "Event pattern is not valid. Reason: Unrecognized match type like",
    )
    large = [{"Source": "s", "DetailType": "t", "Detail": json.dumps({"a": "x" * (1 << 20)})}]
    assert (
        refusal(events.put_events, Entries=large)[1]
        == "Total size of the entries in the request is over the limit."
    )
    mixed = [{"Source": source, "DetailType": "t", "Detail": "{}"} for source in ("a", "aws.sagemaker", "b")]
    answer = events.put_events(Entries=mixed)
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][1]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert [set(one) for one in answer["Entries"]][::2] == [{"EventId"}, {"EventId"}]


def test_pattern_is_tried(events: Any) -> None:
    event: dict[str, Any] = dict.fromkeys(("id", "account", "source", "time", "region", "detail-type"), "x") | {
        "resources": []
    }
    tried = {"Event": json.dumps(event), "EventPattern": '{"source": ["x"]}'}
    assert events.test_event_pattern(**tried)["Result"] is True
    assert events.test_event_pattern(**tried | {"EventPattern": '{"source": ["y"]}'})["Result"] is False
    assert refusal(events.test_event_pattern, **tried | {"Event": "{}"})[0] == "ValidationException"


def test_state_change_is_told_once_it_is_noted(gateway: Any, events: Any) -> None:
    rule(events, "aws.sagemaker", make_queue(gateway, "changes", EVENTS))
    note = {"source": "aws.sagemaker", "region": "us-east-1", "detail": {"a": 1}, "detail-type": "t"}
    store = EventBridge.current._store
    store._db.execute("INSERT INTO notes (note) VALUES (?)", (json.dumps(note),))
    start = time.monotonic()
    store.tag("arn:x", {})
    EventBridge.current._noted.set()
    (event,) = messages(gateway, "changes", WAIT)
    assert event["detail"] == {"a": 1}
    assert time.monotonic() - start < WAIT
    until(store.notes, lambda notes: not notes)


def test_receiver_that_waits_does_not_hold_up_the_sender(gateway: Any) -> None:
    sqs = gateway.client("sqs")
    url, found = sqs.create_queue(QueueName="waited-for")["QueueUrl"], list[Any]()
    asked = {"QueueUrl": url, "WaitTimeSeconds": 20}
    thread = threading.Thread(target=lambda: found.extend(sqs.receive_message(**asked).get("Messages", [])))
    thread.start()
    start = time.monotonic()
    gateway.client("sqs").send_message(QueueUrl=url, MessageBody="now")
    thread.join()
    assert [one["Body"] for one in found] == ["now"]
    assert time.monotonic() - start < 10
