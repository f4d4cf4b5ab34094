"""What the page may ask AWS's API through the console, and the answers as JSON.

The page calls what the AWS CLI would call, by the same names; the console signs the call and sends it through the
local cloud's own front door. So the page shows what Describe shows, and an action is an API call like any other.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import botocore.exceptions
from botocore import xform_name
from botocore.response import StreamingBody

from sagelab import catalog

Client = Callable[[str], Any]
Params = dict[str, Any]

NOT_ALLOWED = "NotAllowed"
BODY_LIMIT = 1 << 20  # bytes of an object, or of an endpoint's answer, that a page shows
# What the page does with every kind that has pages. What else changes something, it does by name.
VERBS = ("Describe", "List", "Start", "Stop", "Delete")


def _of_kinds() -> Iterator[str]:
    for kind in catalog.KINDS:
        if kind.service == "sagemaker":
            reading = [verb for verb in kind.verbs if verb.startswith(("List", "Describe*"))]
            yield from map(kind.operation, {*reading, *(verb for verb in kind.verbs if verb in VERBS)})


ALLOWED: Mapping[str, frozenset[str]] = {
    "sagemaker": frozenset(
        [
            *_of_kinds(),
            "StartPipelineExecution",
            "RetryPipelineExecution",
            "AddTags",
            "CreateNotebookInstance",
            "CreatePresignedNotebookInstanceUrl",
            "ListTags",
        ]
    ),
    "sagemaker-runtime": frozenset(["InvokeEndpoint"]),
    "application-autoscaling": frozenset(
        [
            "DescribeScalableTargets",
            "DescribeScalingActivities",
            "DescribeScalingPolicies",
            "DescribeScheduledActions",
        ]
    ),
    "cloudwatch": frozenset(["DescribeAlarmHistory", "DescribeAlarms", "GetMetricData", "GetMetricStatistics"]),
    "cloudtrail": frozenset(["LookupEvents"]),
    "athena": frozenset(
        [
            "BatchGetQueryExecution",
            "GetQueryExecution",
            "GetQueryResults",
            "ListQueryExecutions",
            "StartQueryExecution",
        ]
    ),
    "quicksight": frozenset(
        [
            "CreateDashboard",
            "CreateDataSet",
            "CreateDataSource",
            "CreateIngestion",
            "DeleteDashboard",
            "ListDashboards",
            "ListIngestions",
        ]
    ),
    "emr": frozenset(["DescribeCluster", "ListClusters", "ListInstances", "ListSteps"]),
    "emr-serverless": frozenset(["GetJobRun", "ListApplications", "ListJobRuns"]),
    "glue": frozenset(["GetCrawlerMetrics", "GetCrawlers", "GetJobRuns", "GetJobs"]),
    "logs": frozenset(["DescribeLogStreams", "GetLogEvents"]),
    "s3": frozenset(["DeleteObject", "GetObject", "HeadObject", "ListBuckets", "ListObjectsV2"]),
    "iam": frozenset(
        [
            "GetPolicy",
            "GetPolicyVersion",
            "GetRole",
            "GetRolePolicy",
            "ListAttachedRolePolicies",
            "ListRolePolicies",
            "ListRoles",
        ]
    ),
}


class CallRefused(Exception):
    """The call was not made, or AWS's API answered with an error. code and message: as AWS has them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def check(service: str, operation: str) -> None:
    """CallRefused: the console does not make this call."""
    if operation not in ALLOWED.get(service, frozenset()):
        raise CallRefused(NOT_ALLOWED, f"The console does not call {service} {operation}.")


def call(client: Client, service: str, operation: str, params: Params) -> Params:
    """The answer of one call that passed `check`, as plain JSON. CallRefused: the API refused it.

    Times are in ISO 8601, bytes are {"base64": ..., "cut": ...}; cut: there was more than 1 MiB.
    """
    if operation == "GetObject":
        params = {"Range": f"bytes=0-{BODY_LIMIT - 1}"} | params
    try:
        answer = getattr(client(service), xform_name(operation))(**params)
    except botocore.exceptions.ClientError as error:
        raise CallRefused(error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
    except Exception as error:  # boto3 stumbles in many ways over parameters that are none
        raise CallRefused(type(error).__name__, str(error)) from None
    answer.pop("ResponseMetadata", None)
    found: Params = plain(answer)
    return found


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, StreamingBody | io.IOBase):
        return _read(value)
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode(), "cut": False}
    return value


def _read(body: Any) -> Params:
    try:
        content = body.read(BODY_LIMIT + 1)
    finally:
        body.close()
    return {"base64": base64.b64encode(content[:BODY_LIMIT]).decode(), "cut": len(content) > BODY_LIMIT}


def presign(client: Client, bucket: str, key: str) -> str:
    """An address that downloads an object for five minutes, at the gateway's port and never at the console's.

    CallRefused: there can be no object of this name.
    """
    name = key.rsplit("/", 1)[-1].replace('"', "")
    disposition = f'attachment; filename="{name}"' if name.isascii() and name.isprintable() else "attachment"
    params = {"Bucket": bucket, "Key": key, "ResponseContentDisposition": disposition}
    try:
        url: str = client("s3").generate_presigned_url("get_object", Params=params, ExpiresIn=300)
    except botocore.exceptions.BotoCoreError as error:
        raise CallRefused(type(error).__name__, str(error)) from None
    return url
