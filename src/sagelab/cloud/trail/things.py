"""What an event is about: the resources that LookupEvents finds it by, and those that its record names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.cloud.trail.event import Thing

# Service -> member of a request in CloudTrail's spelling -> the type of what it names.
_NAMES = {
    "s3": {"bucketName": "AWS::S3::Bucket"},
    "iam": {
        "roleName": "AWS::IAM::Role",
        "userName": "AWS::IAM::User",
        "groupName": "AWS::IAM::Group",
        "policyArn": "AWS::IAM::Policy",
        "instanceProfileName": "AWS::IAM::InstanceProfile",
        "accessKeyId": "AWS::IAM::AccessKey",
    },
    "sts": {"roleArn": "AWS::IAM::Role"},
    "kms": {"keyId": "AWS::KMS::Key"},
    "logs": {"logGroupName": "AWS::Logs::LogGroup"},
    "lambda": {"functionName": "AWS::Lambda::Function"},
    "sns": {"topicArn": "AWS::SNS::Topic"},
    "sqs": {"queueUrl": "AWS::SQS::Queue"},
    "ecr": {"repositoryName": "AWS::ECR::Repository"},
    "codecommit": {"repositoryName": "AWS::CodeCommit::Repository"},
    "codebuild": {"projectName": "AWS::CodeBuild::Project"},
    "cloudformation": {"stackName": "AWS::CloudFormation::Stack"},
    "cloudtrail": {"name": "AWS::CloudTrail::Trail", "trailName": "AWS::CloudTrail::Trail"},
    "monitoring": {"alarmName": "AWS::CloudWatch::Alarm"},
    "states": {"stateMachineArn": "AWS::StepFunctions::StateMachine"},
    "kinesis": {"streamName": "AWS::Kinesis::Stream"},
    "firehose": {"deliveryStreamName": "AWS::KinesisFirehose::DeliveryStream"},
    "emr-serverless": {"applicationId": "AWS::EMRServerless::Application"},
    "dynamodb": {"tableName": "AWS::DynamoDB::Table"},
    "ec2": {
        "vpcId": "AWS::EC2::VPC",
        "subnetId": "AWS::EC2::Subnet",
        "groupId": "AWS::EC2::SecurityGroup",
        "routeTableId": "AWS::EC2::RouteTable",
        "vpcEndpointId": "AWS::EC2::VPCEndpoint",
    },
}
MOST, LONGEST = 10, 256  # resources of an event, and characters of a name


def named(service: str, operation: str, params: Mapping[str, Any], *told: Mapping[str, Any] | None) -> list[Thing]:
    """The resources that a call names.

    params: of SageMaker, as they were given. told: requestParameters and responseElements.
    """
    found: list[Thing] = []
    kind = _kind(operation) if service == "sagemaker" else None
    if kind is not None and isinstance(name := kind.name_of(dict(params)), str):
        found.append((f"AWS::SageMaker::{kind.stem}", name))
    if service == "sagemaker" and operation.startswith("InvokeEndpoint"):
        found.append(("AWS::SageMaker::Endpoint", str(params.get("EndpointName"))))
    known = _NAMES.get(service, {})
    places = [each for one in told if one for each in _around(one)] if known else []
    for member, type_ in known.items():
        values = [each.get(member) for each in places]
        found += dict.fromkeys((type_, value) for value in values if isinstance(value, str))
    return [(type_, name[:LONGEST]) for type_, name in found[:MOST]]


@cache  # of operations that AWS's model has
def _kind(operation: str) -> Kind | None:
    return catalog.of_operation(operation)


def _around(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What an answer has, and what is in its one member, as in CreateVpc's."""
    return [told, *(one for one in told.values() if isinstance(one, Mapping))]


def listed(kind: str, arn: str, account: str) -> list[dict[str, str]]:
    """The member `resources` of the record of a data event."""
    if kind == "AWS::S3::Object":
        bucket, _, key = arn.partition("/")
        of_bucket = {"accountId": account, "type": "AWS::S3::Bucket", "ARN": bucket}
        return [{"type": kind, "ARN": arn} if key else {"type": kind, "ARNPrefix": arn}, of_bucket]
    return [{"accountId": account, "type": kind, "ARN": arn}] if arn else []
