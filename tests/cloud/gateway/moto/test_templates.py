"""A template with something that no stack can make is refused as a whole; moto would leave it out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "of-template"}}


def template(**resources: Any) -> str:
    return json.dumps({"Resources": {"Queue": QUEUE} | resources})


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("AWS::EC2::Instance", "No virtual machine runs here"),
        ("AWS::RDS::DBInstance", "No database server runs here"),
        ("AWS::ECS::Service", "No container runs here"),
        ("AWS::AutoScaling::AutoScalingGroup", "No machine can be started here"),
        ("AWS::Lambda::EventSourceMapping", "A stack maps no stream to a function here"),
        ("Custom::Thing", "No address leads to a function here"),
        ("AWS::CloudFormation::WaitCondition", "Nobody can signal to a stack here"),
        ("AWS::Athena::WorkGroup", "A stack makes nothing of Athena's here"),
        ("AWS::Budgets::Budget", "Template format error: Unrecognized resource types: [AWS::Budgets::Budget]"),
    ],
)
def test_template_with_what_no_stack_can_make_is_refused(gateway: Any, kind: str, said: str) -> None:
    stacks = gateway.client("cloudformation")
    body = template(Thing={"Type": kind, "Properties": {}})
    for call, params in (
        (stacks.create_stack, {"StackName": "refused"}),
        (stacks.create_stack_set, {"StackSetName": "refused"}),
        (stacks.create_change_set, {"StackName": "refused", "ChangeSetName": "c", "ChangeSetType": "CREATE"}),
        (stacks.validate_template, {}),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match="ValidationError") as refused:
            call(TemplateBody=body, **params)
        assert said in refused.value.response["Error"]["Message"]
    assert "QueueUrls" not in gateway.client("sqs").list_queues(QueueNamePrefix="of-template")


RUNS = '!!python/object/apply:os.mkdir ["{}"]'
ALIASES = "A: &a {Type: x}\nResources: {B: *a}"


@pytest.mark.parametrize(
    "call", ["create_stack", "create_change_set", "validate_template", "get_template_summary"]
)
def test_template_calls_nothing_of_pythons(gateway: Any, tmp_path: Path, call: str) -> None:
    stacks, mark = gateway.client("cloudformation"), tmp_path / "called"
    names = {"create_stack": {"StackName": "runs"}, "create_change_set": {"StackName": "r", "ChangeSetName": "c"}}
    for text in (
        f"Description: {RUNS.format(mark)}",
        f"Resources: {RUNS.format(mark)}",
        ALIASES,
        "[1]",
        "x" * 51_000,
    ):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            getattr(stacks, call)(TemplateBody=text, **names.get(call, {}))
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert not mark.exists()


def test_short_forms_are_read(gateway: Any) -> None:
    stacks = gateway.client("cloudformation")
    body = """
    Resources:
      Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-queue"}}
    Outputs:
      Name: {Value: !GetAtt Queue.QueueName}
      Url: {Value: !Ref Queue}
    """
    stacks.create_stack(StackName="short", TemplateBody=body)
    outputs = stacks.describe_stacks(StackName="short")["Stacks"][0]["Outputs"]
    assert {one["OutputKey"]: one["OutputValue"] for one in outputs}["Name"] == "short-queue"
    stacks.delete_stack(StackName="short")


def test_stack_of_what_can_be_made_is_made(gateway: Any) -> None:
    stacks = gateway.client("cloudformation")
    body = template(CDKMetadata={"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2"}})
    stacks.create_stack(StackName="made", TemplateBody=body)
    assert stacks.describe_stacks(StackName="made")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    assert gateway.client("sqs").list_queues(QueueNamePrefix="of-template")["QueueUrls"]
    with pytest.raises(botocore.exceptions.ClientError, match="No virtual machine runs here"):
        stacks.update_stack(StackName="made", TemplateBody=template(Machine={"Type": "AWS::EC2::Instance"}))
    stacks.delete_stack(StackName="made")


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        (
            "AWS::SNS::Topic",
            {"Subscription": [{"Protocol": "https", "Endpoint": "https://127.0.0.1:9/"}]},
            "A subscription by https is not something",
        ),
        (
            "AWS::Events::Rule",
            {"EventPattern": {"source": ["a"]}, "Targets": [{"Id": "1", "Arn": "arn:aws:firehose:us-east-1:1:f"}]},
            "arn:aws:firehose:us-east-1:1:f is not valid",
        ),
    ],
)
def test_stack_is_held_to_what_calls_are(gateway: Any, kind: str, properties: dict[str, Any], said: str) -> None:
    stacks = gateway.client("cloudformation")
    stacks.create_stack(StackName="held", TemplateBody=template(Thing={"Type": kind, "Properties": properties}))
    assert stacks.describe_stacks(StackName="held")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [
        event.get("ResourceStatusReason", "")
        for event in stacks.describe_stack_events(StackName="held")["StackEvents"]
    ]
    assert any(said in reason for reason in reasons)
    stacks.delete_stack(StackName="held")
