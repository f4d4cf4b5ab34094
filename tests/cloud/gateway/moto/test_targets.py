"""Who would call nothing for a service of moto's is refused where it is asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.master import Master
from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud

OWN, ACCOUNT = "arn:aws", "123456789012"


def definition(resource: str) -> str:
    task = {"Type": "Task", "Resource": resource, "End": True}
    inner = {"StartAt": "Train", "States": {"Train": task}}
    return json.dumps(
        {"StartAt": "All", "States": {"All": {"Type": "Parallel", "Branches": [inner], "End": True}}}
    )


@pytest.fixture(scope="module")
def topic(gateway: Any) -> str:
    return str(gateway.client("sns").create_topic(Name="targets")["TopicArn"])


def refusal(call: Callable[..., Any], **params: Any) -> str:
    """What a call is refused with."""
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    assert error["Code"] == "NotImplemented"
    return str(error["Message"])


@pytest.mark.parametrize(
    "target",
    [f"{OWN}:ecs:us-east-1:{ACCOUNT}:cluster/s", "arn:aws:events:::x/y", "arn:aws:events:us-east-1:::"],
)
def test_rule_takes_no_target_that_hears_nothing(gateway: Any, target: str) -> None:
    events = gateway.client("events")
    events.put_rule(Name="deaf", EventPattern='{"source": ["mine"]}')
    said = refusal(events.put_targets, Rule="deaf", Targets=[{"Id": "1", "Arn": target}])
    assert f"Parameter {target} is not valid." in said
    assert events.list_targets_by_rule(Rule="deaf")["Targets"] == []


def make_queue(gateway: Any, name: str, service: str, **condition: str) -> str:
    """The ARN of a new queue that a service may send to. condition: aws_SourceArn="..."."""
    arn = f"{OWN}:sqs:us-east-1:{ACCOUNT}:{name}"
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage"}
    statement |= {"Resource": arn}
    if condition:
        statement["Condition"] = {"ArnLike": {key.replace("_", ":"): value for key, value in condition.items()}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    gateway.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})
    return arn


def messages(gateway: Any, name: str, wait: int = 0) -> list[Any]:
    """The messages of a queue. wait: seconds for the first."""
    sqs = gateway.client("sqs")
    asked = {"QueueUrl": sqs.get_queue_url(QueueName=name)["QueueUrl"], "MaxNumberOfMessages": 10}
    found = sqs.receive_message(**asked, WaitTimeSeconds=wait)
    return [json.loads(one["Body"]) for one in found.get("Messages", [])]


def test_patterns_are_matched_in_linear_time(gateway: Any) -> None:
    events, s3, long = gateway.client("events"), gateway.client("s3"), "a" * 60
    with pytest.raises(botocore.exceptions.ClientError, match="namePrefix"):
        events.list_rules(NamePrefix="(a+)+$")
    events.put_rule(Name="slow", EventPattern='{"source": ["mine"]}')
    assert [rule["Name"] for rule in events.list_rules(NamePrefix="slo")["Rules"]] == ["slow"]
    s3.create_bucket(Bucket="shared-origins")
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.example", f"{'(.+)+' * 5}!"]}]
    s3.put_bucket_cors(Bucket="shared-origins", CORSConfiguration={"CORSRules": rules})
    from moto.s3 import responses

    matches = responses.cors_matches_origin
    allowed = rules[0]["AllowedOrigins"]
    assert [matches(one, allowed) for one in ("http://a.example", "http://a.example.com", long)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("protocol", ["http", "https", "email", "email-json", "sms", "firehose"])
def test_topic_takes_no_subscription_that_hears_nothing(gateway: Any, topic: str, protocol: str) -> None:
    sns = gateway.client("sns")
    assert protocol in refusal(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint="http://127.0.0.1:9/")
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert "telephone" in refusal(sns.publish, PhoneNumber="+447700900000", Message="m")


def test_topic_sends_to_no_queue_whose_policy_does_not_let_it(gateway: Any) -> None:
    sns, sqs = gateway.client("sns"), gateway.client("sqs")
    topic = sns.create_topic(Name="letting")["TopicArn"]
    sqs.create_queue(QueueName="takes-nothing")
    queues = {
        "takes-nothing": f"{OWN}:sqs:us-east-1:{ACCOUNT}:takes-nothing",
        "never-there": f"{OWN}:sqs:us-east-1:{ACCOUNT}:never-there",
        "takes-of-s3": make_queue(gateway, "takes-of-s3", "s3.amazonaws.com"),
        "takes-of-another": make_queue(
            gateway, "takes-of-another", "sns.amazonaws.com", aws_SourceArn=f"{topic}-other"
        ),
        "takes-of-the-topic": make_queue(gateway, "takes-of-the-topic", "sns.amazonaws.com", aws_SourceArn=topic),
    }
    for arn in queues.values():
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="one")
    sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "two"}])
    del queues["never-there"]
    found = {name: sorted(one["Message"] for one in messages(gateway, name)) for name in queues}
    assert found.pop("takes-of-the-topic") == ["one", "two"]
    assert not any(found.values())


def kept_queues(gateway: Any) -> bytes:
    """What is on disk of the queues."""
    with closing(sqlite3.connect(gateway.home.path / "services.db")) as db:
        query = "SELECT state FROM backends WHERE service='sqs' AND account=? AND region='us-east-1'"
        row: bytes = db.execute(query, (ACCOUNT,)).fetchone()[0]
    return Master(gateway.home.path).unwrap(row[1:], f"sqs/{ACCOUNT}/us-east-1".encode())


def test_message_of_a_topic_is_kept_with_its_queue(gateway: Any) -> None:
    sns = gateway.client("sns")
    topic = sns.create_topic(Name="keeping")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=make_queue(gateway, "keeping", "sns.amazonaws.com"))
    sns.publish(TopicArn=topic, Message="to be kept")
    assert b"to be kept" in kept_queues(gateway)


def test_log_goes_to_no_function(gateway: Any) -> None:
    logs = gateway.client("logs")
    logs.create_log_group(logGroupName="filtered")
    arn = f"{OWN}:lambda:us-east-1:{ACCOUNT}:function:f"
    filtering = {"logGroupName": "filtered", "filterName": "f", "filterPattern": ""}
    assert "Lambda" in refusal(logs.put_subscription_filter, **filtering, destinationArn=arn)
    assert logs.describe_subscription_filters(logGroupName="filtered")["subscriptionFilters"] == []


def test_bucket_notifies_no_function_that_does_not_take_it(gateway: Any) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="notifying")
    function = {
        "LambdaFunctionArn": f"{OWN}:lambda:us-east-1:{ACCOUNT}:function:f",
        "Events": ["s3:ObjectCreated:*"],
    }
    put = s3.put_bucket_notification_configuration
    with pytest.raises(botocore.exceptions.ClientError, match="Unable to validate the following destination"):
        put(Bucket="notifying", NotificationConfiguration={"LambdaFunctionConfigurations": [function]})
    queue = {"QueueArn": make_queue(gateway, "notified", "s3.amazonaws.com"), "Events": ["s3:ObjectCreated:*"]}
    put(Bucket="notifying", NotificationConfiguration={"QueueConfigurations": [queue]})
    assert "LambdaFunctionConfigurations" not in s3.get_bucket_notification_configuration(Bucket="notifying")


def notifying(gateway: Any, bucket: str, *queues: str) -> None:
    configurations = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]} for arn in queues]
    gateway.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": configurations}
    )


def test_bucket_notifies_whoever_takes_it_and_the_message_is_kept(gateway: Any) -> None:
    s3, sqs, bucket = gateway.client("s3"), gateway.client("sqs"), "arn:aws:s3:::notifies"
    s3.create_bucket(Bucket="notifies")
    sqs.create_queue(QueueName="closed")
    topic = gateway.client("sns").create_topic(Name="closed")["TopicArn"]
    wrong = [
        {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        for arn in (
            f"{OWN}:sqs:us-east-1:{ACCOUNT}:closed",
            f"{OWN}:sqs:us-east-1:{ACCOUNT}:never-made",
            f"{OWN}:sqs:us-east-1:210987654321:closed",
            make_queue(gateway, "of-events", "events.amazonaws.com"),
            make_queue(gateway, "of-another-bucket", "s3.amazonaws.com", aws_SourceArn=f"{bucket}-other"),
        )
    ]
    wrong.append({"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]})
    for configuration in wrong:
        with pytest.raises(botocore.exceptions.ClientError, match="Unable to validate the following destination"):
            s3.put_bucket_notification_configuration(Bucket="notifies", NotificationConfiguration=configuration)
    s3.put_object(Bucket="notifies", Key="before", Body=b"x")
    notifying(gateway, "notifies", make_queue(gateway, "open", "s3.amazonaws.com", aws_SourceArn=bucket))
    s3.put_object(Bucket="notifies", Key="to/be/kept", Body=b"x")
    assert b"to%2Fbe%2Fkept" in kept_queues(gateway)
    test, put = messages(gateway, "open")
    assert (test["Event"], put["Records"][0]["s3"]["object"]["key"]) == ("s3:TestEvent", "to%2Fbe%2Fkept")
    sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="open")["QueueUrl"], Attributes={"Policy": ""})
    s3.put_object(Bucket="notifies", Key="after", Body=b"x")
    assert messages(gateway, "open") == []


@pytest.mark.parametrize("policy", ["[]", "5", '{"Statement": 5}', '{"Statement": [{"Effect": "Allow"}]}', "null"])
def test_policy_that_is_none_lets_nobody_in_and_breaks_nothing(gateway: Any, policy: str) -> None:
    s3, sqs, name = gateway.client("s3"), gateway.client("sqs"), f"odd-{abs(hash(policy))}"
    s3.create_bucket(Bucket=name)
    notifying(gateway, name, make_queue(gateway, name, "s3.amazonaws.com"))
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    with suppress(botocore.exceptions.ClientError):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        s3.put_object(Bucket=name, Key="k", Body=b"x")
        assert len(messages(gateway, name)) == 1  # of the test alone


def test_stack_cannot_make_what_is_refused(cloud: LocalCloud, unique: Callable[[str], str]) -> None:
    name, text = unique("stack"), definition("arn:aws:states:::batch:submitJob")
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
    assert "The resource provided arn:aws:states:::batch:submitJob is not recognized." in reasons[0]
    client.delete_stack(StackName=name)
