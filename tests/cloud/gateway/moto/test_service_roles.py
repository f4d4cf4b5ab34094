"""What a service reads or writes for who asks, it does with that one's rights, or as a bucket's policy has it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.gateway.auth.test_permissions import Role, allow, refused

TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Secret": {"Value": "told"}}}
TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def role(gateway: Any, unique: Callable[[str], str]) -> Callable[..., Role]:
    return lambda *statements: Role(gateway, unique("role"), *statements)


@pytest.fixture
def bucket(gateway: Any, unique: Callable[[str], str]) -> str:
    name, s3 = unique("bucket"), gateway.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="secret.json", Body=json.dumps(TEMPLATE))
    s3.put_object(Bucket=name, Key="items/a.json", Body=json.dumps({"Item": {"k": {"S": "a"}}}))
    return name


def keys(gateway: Any, bucket: str) -> set[str]:
    return {one["Key"] for one in gateway.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_template_in_s3_is_read_with_the_callers_rights(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str], bucket: str
) -> None:
    everything_else = [allow("cloudformation:*"), allow("sqs:*")]
    caller = role(*everything_else).client("cloudformation")
    for url in (
        f"https://s3.amazonaws.com/{bucket}/secret.json",
        f"https://{bucket}.s3.us-east-1.amazonaws.com/secret.json",
        f"{gateway.url}/{bucket}/secret.json",
    ):
        assert "s3:GetObject on resource" in refused(caller.validate_template, TemplateURL=url)
        assert "s3:GetObject on resource" in refused(caller.create_stack, StackName=unique("s"), TemplateURL=url)
    inner = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    name, whole = unique("stack"), json.dumps({"Resources": {"Inner": inner}})
    caller.create_stack(StackName=name, TemplateBody=whole)
    events = caller.describe_stack_events(StackName=name)["StackEvents"]
    assert any("s3:GetObject on resource" in one.get("ResourceStatusReason", "") for one in events)
    caller.delete_stack(StackName=name)
    reader = role(*everything_else, allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*")).client("cloudformation")
    reader.create_stack(StackName=name, TemplateURL=url)
    assert reader.get_template(StackName=name)["TemplateBody"]["Outputs"] == TEMPLATE["Outputs"]
    with pytest.raises(botocore.exceptions.ClientError, match="TemplateURL must be a supported URL"):
        reader.validate_template(TemplateURL=f"http://elsewhere.example/{bucket}/secret.json")


def test_parameter_of_a_stack_is_read_with_the_callers_rights(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    name = unique("parameter")
    gateway.client("ssm").put_parameter(Name=name, Value="secret", Type="String")
    given = {"Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": name}}}
    text = json.dumps(TEMPLATE | given | {"Outputs": {"P": {"Value": {"Ref": "P"}}}})
    caller = role(allow("cloudformation:*", "sqs:*")).client("cloudformation")
    assert "ssm:GetParameters" in refused(caller.create_stack, StackName=name, TemplateBody=text)


def test_templates_are_taken_as_they_are(gateway: Any, unique: Callable[[str], str]) -> None:
    create = gateway.client("cloudformation").create_stack
    include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}}
    for more in ({"Transform": "AWS::LanguageExtensions"}, {"Mappings": {"M": include}}):
        with pytest.raises(botocore.exceptions.ClientError, match="A transform is not something"):
            create(StackName=unique("stack"), TemplateBody=json.dumps(TEMPLATE | more))


def test_table_is_imported_and_exported_with_the_callers_rights(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str], bucket: str
) -> None:
    name, owner = unique("table"), gateway.client("dynamodb")
    arn = owner.create_table(TableName=name, **TABLE)["TableDescription"]["TableArn"]
    recovery = {"PointInTimeRecoveryEnabled": True}
    owner.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    source = {"S3BucketSource": {"S3Bucket": bucket, "S3KeyPrefix": "items/"}, "InputFormat": "DYNAMODB_JSON"}
    caller = role(allow("dynamodb:*")).client("dynamodb")
    table = {"TableName": unique("taken"), **TABLE}
    assert "s3:ListBucket" in refused(caller.import_table, **source, TableCreationParameters=table)
    export = {"TableArn": arn, "S3Bucket": bucket, "ExportFormat": "DYNAMODB_JSON"}
    assert "s3:PutObject" in refused(caller.export_table_to_point_in_time, **export)
    reader = role(allow("dynamodb:*", "s3:*")).client("dynamodb")
    before = keys(gateway, bucket)
    made = reader.export_table_to_point_in_time(**export)["ExportDescription"]["ExportArn"]
    while reader.describe_export(ExportArn=made)["ExportDescription"]["ExportStatus"] == "IN_PROGRESS":
        time.sleep(0.01)
    assert keys(gateway, bucket) > before


def test_logs_are_exported_to_a_bucket_that_takes_them(
    gateway: Any, unique: Callable[[str], str], bucket: str
) -> None:
    logs, s3, group = gateway.client("logs"), gateway.client("s3"), unique("group")
    logs.create_log_group(logGroupName=group)
    task = {"logGroupName": group, "fromTime": 0, "to": 1, "destination": bucket, "destinationPrefix": "logs"}
    before = keys(gateway, bucket)
    with pytest.raises(botocore.exceptions.ClientError, match="granted permission to perform this operation"):
        logs.create_export_task(**task)
    assert keys(gateway, bucket) == before
    service = {"Principal": {"Service": "logs.us-east-1.amazonaws.com"}}
    statement = allow("s3:PutObject", on=f"arn:aws:s3:::{bucket}/*", **service)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert logs.create_export_task(**task)["taskId"]
