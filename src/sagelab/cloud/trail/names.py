"""How CloudTrail spells what it records: the names of services and of events, and which of them only read."""

from __future__ import annotations

from functools import cache

# The name that a service signs with -> eventSource, where it is not that.
_SOURCES = {"application-autoscaling": "autoscaling"}
_S3 = {
    "ListObjectsV2": "ListObjects",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
}
# https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html: events have the date of their API.
_LAMBDA_FIRST = frozenset(
    """
    CreateAlias CreateEventSourceMapping CreateFunction DeleteAlias DeleteEventSourceMapping DeleteFunction
    GetAlias GetEventSourceMapping ListAliases ListEventSourceMappings ListFunctions ListVersionsByFunction
    PublishVersion UpdateAlias UpdateEventSourceMapping
    """.split()
)
_LAMBDA_SECOND = frozenset(
    """
    AddPermission GetFunction GetFunctionConfiguration GetPolicy RemovePermission UpdateFunctionCode
    UpdateFunctionConfiguration
    """.split()
)
_READS = (
    *("Get", "List", "Describe", "Head", "BatchGet", "BatchDescribe", "Lookup", "Filter", "Simulate", "Search"),
    *("Query", "Scan", "Select", "Test", "Validate", "GenerateDataKey", "InvokeEndpoint", "Receive"),
)
_ALSO_READ = frozenset(
    """
    AssumeRole AssumeRoleWithWebIdentity AssumeRoleWithSAML Decrypt Encrypt ReEncrypt Sign Verify VerifyMac GitPull
    """.split()
)


def source(service: str) -> str:
    """ "sagemaker.amazonaws.com"."""
    return f"{_SOURCES.get(service, service)}.amazonaws.com"


def event_name(service: str, operation: str) -> str:
    """The name of an operation as its events have it."""
    if service == "s3":
        return _S3.get(operation, operation)
    if service == "lambda" and operation in _LAMBDA_FIRST:
        return f"{operation}20150331"
    return f"{operation}20150331v2" if service == "lambda" and operation in _LAMBDA_SECOND else operation


@cache
def only_reads(operation: str) -> bool:
    """Whether an operation changes nothing."""
    return operation.startswith(_READS) or operation in _ALSO_READ
