"""CloudWatch's alarms through boto3; the clock is the test's own, and the watch is stepped by hand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.alarms.actions import told
from sagelab.cloud.alarms.alarms import Alarms
from sagelab.cloud.alarms.messages import call_of
from sagelab.cloud.alarms.watch import Watch
from sagelab.cloud.clock import Clock
from sagelab.cloud.context import Cloud
from sagelab.cloud.gateway.moto.metrics import SampleIndex
from tests.cloud.gateway.conftest import Serving

PLAIN = {
    "Namespace": "test/alarms",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
BEGIN = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
MATHS: list[dict[str, Any]] = [
    {"Id": "e1", "Expression": "SUM(METRICS())"},
    {
        "Id": "m1",
        "ReturnData": False,
        "MetricStat": {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"},
    },
]


@pytest.fixture
def cloudwatch(gateway: Serving) -> Any:
    return gateway.client("cloudwatch")


class Stage:
    """An alarm's cloud, whose clock stands still between two steps."""

    def __init__(self, cloud: Cloud, speed: float = 1.0) -> None:
        self.cloud, self.now = cloud, BEGIN.timestamp()
        changes = [(self.now, speed)] if speed != 1 else []
        self.clock = cloud.alarms.clock = Clock(changes, lambda: self.now)
        self.watch = Watch(cloud.alarms, SampleIndex().window)

    def step(self, seconds: float = 60) -> None:
        """Let so many seconds of the clock pass, and look."""
        self.now += seconds / self.clock.speed
        self.watch.look()
        self.cloud.alarms.actions.settle()


@pytest.fixture
def stage(gateway: Serving) -> Iterator[Stage]:
    alarms = gateway.cloud.alarms
    before = alarms.clock
    yield Stage(gateway.cloud)
    alarms.clock = before


@pytest.fixture
def alarm(cloudwatch: Any, unique: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """The request for an alarm on a metric that no other test writes to."""
    name = unique("alarm")
    yield {"AlarmName": name, "MetricName": name, **PLAIN}
    cloudwatch.delete_alarms(AlarmNames=[name])


def put(cloudwatch: Any, alarm: dict[str, Any], value: float, at: float) -> None:
    moment = datetime.fromtimestamp(at, UTC)
    data = [{"MetricName": alarm["MetricName"], "Value": value, "Timestamp": moment}]
    cloudwatch.put_metric_data(Namespace=alarm["Namespace"], MetricData=data)


def found(cloudwatch: Any, name: str) -> dict[str, Any]:
    kinds = ["MetricAlarm", "CompositeAlarm"]
    answer = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=kinds)
    (one,) = answer["MetricAlarms"] + answer["CompositeAlarms"]
    return dict(one)


def test_an_alarm_follows_its_metric(cloudwatch: Any, stage: Stage, alarm: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**alarm)
    first = found(cloudwatch, alarm["AlarmName"])
    assert first["StateValue"] == "INSUFFICIENT_DATA"
    assert first["StateReason"] == "Unchecked: Initial alarm creation"
    put(cloudwatch, alarm, 5.0, stage.now + 30)
    stage.step(30)
    assert found(cloudwatch, alarm["AlarmName"])["StateValue"] == "INSUFFICIENT_DATA"
    stage.step(32)
    second = found(cloudwatch, alarm["AlarmName"])
    words = "Threshold Crossed: 1 datapoint [5.0 (30/11/26 01:00:00)] was greater than the threshold (1.0)."
    assert (second["StateValue"], second["StateReason"]) == ("ALARM", words)
    data = json.loads(second["StateReasonData"])
    assert (data["statistic"], data["period"], data["recentDatapoints"]) == ("Sum", 60, [5.0])
    for _ in range(3):
        stage.step()
    third = found(cloudwatch, alarm["AlarmName"])
    assert third["StateReason"] == "Insufficient Data: 1 datapoint was unknown."


def test_on_a_fast_clock_a_period_is_shorter_and_the_reason_says_so(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any]
) -> None:
    fast = Stage(stage.cloud, 60)
    cloudwatch.put_metric_alarm(**alarm | {"Threshold": 2.5})
    for at in (0.1, 0.6, 1.1):
        put(cloudwatch, alarm, 2.0, fast.now + at)
    fast.step(90)
    fast.step(30)
    one = found(cloudwatch, alarm["AlarmName"])
    assert one["StateValue"] == "ALARM"
    assert "[4.0 (30/11/26 01:00:00)]" in one["StateReason"]
    assert one["StateReason"].endswith(" (on a clock 60 times faster)")


def test_windows_slide_by_the_minute(cloudwatch: Any, stage: Stage, alarm: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**alarm | {"Period": 300, "TreatMissingData": "notBreaching"})
    put(cloudwatch, alarm, 5.0, stage.now + 30)
    states: list[str] = []
    for _ in range(6):
        stage.step(62 if not states else 60)
        states.append(found(cloudwatch, alarm["AlarmName"])["StateValue"])
    assert states == ["ALARM"] * 6
    assert "01:01:00" not in found(cloudwatch, alarm["AlarmName"])["StateReason"]


def test_short_periods_are_looked_at_every_ten_seconds(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any]
) -> None:
    cloudwatch.put_metric_alarm(**alarm | {"Period": 10})
    stage.step(2)
    put(cloudwatch, alarm, 5.0, stage.now)
    stage.step(10)
    assert found(cloudwatch, alarm["AlarmName"])["StateValue"] == "ALARM"


def test_a_percentile_of_few_samples_changes_nothing_where_it_is_ignored(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any]
) -> None:
    asked = {name: value for name, value in alarm.items() if name != "Statistic"} | {"ExtendedStatistic": "p90"}
    cloudwatch.put_metric_alarm(**asked, EvaluateLowSampleCountPercentile="ignore")
    put(cloudwatch, alarm, 5.0, stage.now)
    stage.step(62)
    assert found(cloudwatch, alarm["AlarmName"])["StateValue"] == "INSUFFICIENT_DATA"
    cloudwatch.put_metric_alarm(**asked)
    stage.step()
    assert found(cloudwatch, alarm["AlarmName"])["StateValue"] == "ALARM"


def test_an_alarm_on_an_expression(cloudwatch: Any, stage: Stage, alarm: dict[str, Any]) -> None:
    metric = {"Namespace": alarm["Namespace"], "MetricName": alarm["MetricName"]}
    asked = {name: alarm[name] for name in ("AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator")}
    stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    metrics = [{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "m1 / 2"}]
    cloudwatch.put_metric_alarm(**asked, Metrics=metrics)
    put(cloudwatch, alarm, 3.0, stage.now)
    stage.step(62)
    one = found(cloudwatch, alarm["AlarmName"])
    assert (one["StateValue"], json.loads(one["StateReasonData"])["recentDatapoints"]) == ("ALARM", [1.5])
    assert [query["Id"] for query in one["Metrics"]] == ["m1", "e1"]


def test_actions_run_on_a_change_and_scaling_each_minute(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any]
) -> None:
    policy = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:resource/sagemaker/endpoint/e/variant/v"
    asked: list[tuple[str, str, str]] = []

    def act(arn: str, document: dict[str, Any], state: str) -> None:
        asked.append((arn, document["AlarmName"], state))
        if len(asked) == 2:
            raise RuntimeError("no room")

    stage.cloud.alarms.act_on("arn:aws:autoscaling:", act)
    try:
        cloudwatch.put_metric_alarm(**alarm | {"TreatMissingData": "breaching"}, AlarmActions=[policy])
        stage.step(62)
        assert asked == [(policy, alarm["AlarmName"], "ALARM")]
        for _ in range(2):
            stage.step()
        assert len(asked) == 3
        cloudwatch.disable_alarm_actions(AlarmNames=[alarm["AlarmName"]])
        stage.step()
        assert len(asked) == 3
    finally:
        stage.cloud.alarms.actions.takers.clear()
    items = cloudwatch.describe_alarm_history(AlarmName=alarm["AlarmName"], HistoryItemType="Action")
    summaries = [one["HistorySummary"] for one in reversed(items["AlarmHistoryItems"])]
    failed = f'Failed to execute action {policy}. Received error: "RuntimeError: no room"'
    done = f"Successfully executed action {policy}"
    assert summaries == [done, failed, done]


def test_a_topic_and_the_event_bus_are_told(
    gateway: Serving, cloudwatch: Any, stage: Stage, alarm: dict[str, Any], unique: Callable[[str], str]
) -> None:
    name = unique("told")
    sns, sqs, events = (gateway.client(service) for service in ("sns", "sqs", "events"))
    topic, url = sns.create_topic(Name=name)["TopicArn"], sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [alarm["AlarmName"]]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": queue}])

    cloudwatch.put_metric_alarm(**alarm, AlarmActions=[topic], AlarmDescription="too much")
    put(cloudwatch, alarm, 5.0, stage.now)
    stage.step(62)
    bodies = received(sqs, url, 2)
    (note,) = (body for body in bodies if body.get("Type") == "Notification")
    (event,) = (body for body in bodies if "detail-type" in body)
    message = json.loads(note["Message"])
    assert note["Subject"] == f'ALARM: "{alarm["AlarmName"]}" in US East (N. Virginia)'
    assert (message["NewStateValue"], message["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
    assert (message["Region"], message["AlarmDescription"]) == ("US East (N. Virginia)", "too much")
    assert message["Trigger"] == {
        "MetricName": alarm["MetricName"],
        "Namespace": "test/alarms",
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [],
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    }
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["detail"]["state"]["value"] == "ALARM"
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert event["detail"]["configuration"]["metrics"][0]["metricStat"]["stat"] == "Sum"
    stage.step()
    assert (
        cloudwatch.describe_alarm_history(AlarmName=alarm["AlarmName"], HistoryItemType="Action")[
            "AlarmHistoryItems"
        ][0]["HistorySummary"]
        == f"Successfully executed action {topic}"
    )


def received(sqs: Any, url: str, number: int) -> list[dict[str, Any]]:
    """So many messages of a queue, as soon as they are there."""
    bodies: list[dict[str, Any]] = []
    end = time.monotonic() + 30
    while len(bodies) < number and time.monotonic() < end:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10)
        bodies += [json.loads(one["Body"]) for one in answer.get("Messages", [])]
    return bodies


def test_a_topic_that_is_not_there_is_in_the_history(cloudwatch: Any, stage: Stage, alarm: dict[str, Any]) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:nowhere"
    cloudwatch.put_metric_alarm(**alarm, AlarmActions=[topic])
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="by hand")
    stage.cloud.alarms.actions.settle()
    items = cloudwatch.describe_alarm_history(AlarmName=alarm["AlarmName"], ScanBy="TimestampAscending")
    history = [(one["HistoryItemType"], one["HistorySummary"]) for one in items["AlarmHistoryItems"]]
    assert history == [
        ("ConfigurationUpdate", f'Alarm "{alarm["AlarmName"]}" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("Action", f'Failed to execute action {topic}. Received error: "{topic} does not exist."'),
    ]


def test_a_state_that_is_set_lasts_until_the_next_look(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any]
) -> None:
    cloudwatch.put_metric_alarm(**alarm)
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="by hand")
    cloudwatch.put_metric_alarm(**alarm | {"Threshold": 2})
    one = found(cloudwatch, alarm["AlarmName"])
    assert (one["StateValue"], one["StateReason"], one["Threshold"]) == ("ALARM", "by hand", 2)
    assert stage.cloud.alarms.state("us-east-1", alarm["AlarmName"]) == "ALARM"
    stage.step(62)
    assert found(cloudwatch, alarm["AlarmName"])["StateValue"] == "INSUFFICIENT_DATA"


def test_a_composite_alarm_follows_its_children(
    cloudwatch: Any, alarm: dict[str, Any], unique: Callable[[str], str]
) -> None:
    name, outer = unique("composite"), unique("outer")
    cloudwatch.put_metric_alarm(**alarm)
    cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=f'ALARM("{alarm["AlarmName"]}") AND NOT FALSE')
    cloudwatch.put_composite_alarm(AlarmName=outer, AlarmRule=f"OK({name})")
    assert [found(cloudwatch, one)["StateValue"] for one in (name, outer)] == ["OK", "ALARM"]
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="by hand")
    inner = found(cloudwatch, name)
    assert [inner["StateValue"], found(cloudwatch, outer)["StateValue"]] == ["ALARM", "OK"]
    arn = found(cloudwatch, alarm["AlarmName"])["AlarmArn"]
    assert inner["StateReason"].startswith(f"{arn} transitioned to ALARM at ")
    assert json.loads(inner["StateReasonData"])["triggeringAlarms"][0]["arn"] == arn
    kin = cloudwatch.describe_alarms(ParentsOfAlarmName=alarm["AlarmName"], AlarmTypes=["CompositeAlarm"])
    assert [one["AlarmName"] for one in kin["CompositeAlarms"]] == [name]
    assert (
        cloudwatch.describe_alarms(ChildrenOfAlarmName=name)["MetricAlarms"][0]["AlarmName"] == alarm["AlarmName"]
    )
    for rule, words in [
        (f"OK({outer})", "depend on itself"),
        ("ALARM(none)", "do not exist"),
        ("ALARM(", "complete"),
    ]:
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule)
    with pytest.raises(botocore.exceptions.ClientError, match="depending on it"):
        cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"]])
    for one in (outer, name):
        cloudwatch.delete_alarms(AlarmNames=[one])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"EvaluationPeriods": 1441}, "Metrics cannot be checked across more than a day"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
        ({"ExtendedStatistic": "p90"}, "either Statistic or ExtendedStatistic"),
        ({"Unit": "Furlongs"}, "enum value set"),
        ({"AlarmActions": ["arn:aws:sns:us-east-1:1:t"] * 6}, "length less than or equal to 5"),
        ({"AlarmActions": ["topic"]}, "Invalid arn syntax: topic"),
        ({"AlarmActions": ["arn:aws:sns:eu-west-1:1:t"]}, "Only us-east-1 is supported"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "NotImplemented"),
        ({"TreatMissingData": "forget"}, "not supported for TreatMissingData"),
        ({"EvaluateLowSampleCountPercentile": "maybe"}, "Supported options"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "no anomaly detection"),
        ({"Metrics": MATHS}, "exclude each other"),
    ],
)
def test_what_is_no_alarm_is_refused(
    cloudwatch: Any, alarm: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        cloudwatch.put_metric_alarm(**alarm | changes)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ([*MATHS, *({**MATHS[1], "Id": f"n{n}"} for n in range(10))], "between 1 and 10 metrics"),
        ([MATHS[0], {**MATHS[1], "ReturnData": True}], "Exactly one element"),
        ([{"Id": "e1", "Expression": "m1 +"}, MATHS[1]], "Error in expression 'e1': Invalid syntax"),
        ([{"Id": "e1", "Expression": "AVG(m1)"}, MATHS[1]], "must be a time series"),
        ([{"Id": "e1", "Expression": "SEARCH('x', 'Sum')"}, MATHS[1]], "no search expressions"),
        ([{"Id": "E1", "Expression": "m1"}, MATHS[1]], "not matching"),
    ],
)
def test_what_is_no_alarm_on_an_expression_is_refused(
    cloudwatch: Any, metrics: list[dict[str, Any]], words: str
) -> None:
    asked = {name: PLAIN[name] for name in ("EvaluationPeriods", "Threshold", "ComparisonOperator")}
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        cloudwatch.put_metric_alarm(AlarmName="never", Metrics=metrics, **asked)


def test_alarms_come_in_pages_and_by_what_they_are(
    cloudwatch: Any, alarm: dict[str, Any], unique: Callable[[str], str]
) -> None:
    prefix = unique("many")
    names = [f"{prefix}-{n}" for n in range(3)]
    for name in names:
        cloudwatch.put_metric_alarm(**alarm | {"AlarmName": name}, Tags=[{"Key": "k", "Value": name}])
    pages = [
        [one["AlarmName"] for one in page["MetricAlarms"]]
        for page in cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=prefix, PaginationConfig={"PageSize": 2}
        )
    ]
    assert pages == [names[:2], names[2:]]
    of_metric = cloudwatch.describe_alarms_for_metric(
        MetricName=alarm["MetricName"], Namespace=alarm["Namespace"], Statistic="Sum"
    )
    assert [one["AlarmName"] for one in of_metric["MetricAlarms"]] == names
    arn = found(cloudwatch, names[0])["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "more", "Value": "1"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["k"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "more", "Value": "1"}]
    cloudwatch.delete_alarms(AlarmNames=[*names, "nobody"])
    assert cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"] == []
    deleted = cloudwatch.describe_alarm_history(AlarmName=names[0])["AlarmHistoryItems"][0]
    assert deleted["HistorySummary"] == f'Alarm "{names[0]}" deleted'
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidNextToken"):
        cloudwatch.describe_alarms(NextToken="x")
    with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFound"):
        cloudwatch.set_alarm_state(AlarmName=names[0], StateValue="OK", StateReason="")


def test_the_query_protocol_is_answered_in_kind(gateway: Serving, cloudwatch: Any, alarm: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**alarm)
    body = f"Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1={alarm['AlarmName']}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, xml = gateway.signed("POST", "/", "monitoring", body, kind)
    assert (status, b"<StateValue>INSUFFICIENT_DATA</StateValue>" in b"".join(xml.split())) == (200, True)
    updated = found(cloudwatch, alarm["AlarmName"])["AlarmConfigurationUpdatedTimestamp"]
    assert abs(updated - datetime.now(UTC)) < timedelta(minutes=5)
    assert f"{updated:%Y-%m-%dT%H:%M:%S}".encode() in xml


def test_alarms_are_there_after_a_restart(cloudwatch: Any, gateway: Serving, alarm: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**alarm)
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="by hand")
    again = Alarms(gateway.cloud)
    kept = again.find("us-east-1", alarm["AlarmName"])
    assert kept is not None
    assert told(kept) == told(gateway.cloud.alarms.find("us-east-1", alarm["AlarmName"]) or {})
    assert again.state("us-east-1", alarm["AlarmName"]) == "OK"
    assert again.state("us-east-1", "nobody") is None


def test_the_thread_looks_when_it_is_time(gateway: Serving, cloudwatch: Any, alarm: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**alarm | {"TreatMissingData": "breaching"})
    alarms = gateway.cloud.alarms
    moved = threading.Event()
    alarms.follow(lambda document: moved.set() if document["AlarmName"] == alarm["AlarmName"] else None)
    before, alarms.clock = alarms.clock, Clock([(time.time() - 1, 600)])
    watch = Watch(alarms, SampleIndex().window)
    alarms.clock = before
    watch.start()
    try:
        assert moved.wait(30)
    finally:
        watch.close()


def test_a_function_that_does_not_let_alarms_in_is_not_called(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any]
) -> None:
    function = "arn:aws:lambda:us-east-1:000000000000:function:nowhere"
    cloudwatch.put_metric_alarm(**alarm, InsufficientDataActions=[], OKActions=[function])
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="by hand")
    stage.cloud.alarms.actions.settle()
    items = cloudwatch.describe_alarm_history(AlarmName=alarm["AlarmName"], HistoryItemType="Action")
    (one,) = items["AlarmHistoryItems"]
    assert one["HistorySummary"].startswith(f"Failed to execute action {function}. Received error: ")
    assert json.loads(one["HistoryData"])["actionState"] == "Failed"


def test_a_function_is_told_what_events_are() -> None:
    changed = {
        "AlarmName": "a", "AlarmArn": "arn:a", "Region": "us-east-1", "StateValue": "ALARM", "StateReason": "r",
        "StateReasonData": "{}", "StateUpdatedTimestamp": BEGIN, "Metrics": MATHS, "AlarmDescription": "d",
    }  # fmt: skip
    event = json.loads(call_of(changed, changed | {"StateValue": "OK"}, "123456789012"))
    assert (event["source"], event["alarmArn"], event["accountId"]) == ("aws.cloudwatch", "arn:a", "123456789012")
    data = event["alarmData"]
    assert (data["state"]["value"], data["previousState"]["value"]) == ("ALARM", "OK")
    assert data["configuration"]["metrics"][0] == {"id": "e1", "expression": "SUM(METRICS())", "returnData": True}
    assert data["configuration"]["metrics"][1]["metricStat"]["metric"]["name"] == "m"


def test_a_suppressor_holds_back_the_actions_of_a_composite_alarm(
    cloudwatch: Any, stage: Stage, alarm: dict[str, Any], unique: Callable[[str], str]
) -> None:
    name, quiet = unique("composite"), unique("quiet")
    topic = "arn:aws:sns:us-east-1:000000000000:nowhere"
    asked: list[str] = []
    stage.cloud.alarms.act_on(
        topic, lambda _arn, document, state: asked.append(f"{document['AlarmName']} {state}")
    )
    for one in (alarm["AlarmName"], quiet):
        cloudwatch.put_metric_alarm(**alarm | {"AlarmName": one, "TreatMissingData": "ignore"})
    rule = {"AlarmName": name, "AlarmRule": f"ALARM({alarm['AlarmName']})", "AlarmActions": [topic]}
    suppressor = {
        "ActionsSuppressor": quiet,
        "ActionsSuppressorWaitPeriod": 60,
        "ActionsSuppressorExtensionPeriod": 30,
    }
    with pytest.raises(botocore.exceptions.ClientError, match="specified together"):
        cloudwatch.put_composite_alarm(**rule, ActionsSuppressor=quiet)
    cloudwatch.put_composite_alarm(**rule, **suppressor)
    try:
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="by hand")
        assert found(cloudwatch, name)["ActionsSuppressedBy"] == "WaitPeriod"
        cloudwatch.set_alarm_state(AlarmName=quiet, StateValue="ALARM", StateReason="by hand")
        assert found(cloudwatch, name)["ActionsSuppressedBy"] == "Alarm"
        stage.step(600)
        cloudwatch.set_alarm_state(AlarmName=quiet, StateValue="OK", StateReason="by hand")
        assert found(cloudwatch, name)["ActionsSuppressedBy"] == "ExtensionPeriod"
        assert asked == []
        stage.step(40)
        assert asked == [f"{name} ALARM"]
        assert "ActionsSuppressedBy" not in found(cloudwatch, name)
    finally:
        stage.cloud.alarms.actions.takers.clear()
        cloudwatch.delete_alarms(AlarmNames=[name, quiet])
