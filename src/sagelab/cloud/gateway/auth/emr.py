"""What a request to EMR or EMR Serverless needs: its action, on what it names, and the roles that are given.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticmapreduce.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sagelab import catalog
from sagelab.cloud.gateway.auth.needed import Needed

_NAMES = ("ClusterId", "JobFlowId", "JobFlowIds[]", "ResourceId")


def needs(
    operation: str, params: dict[str, Any], where: str, roles: Callable[[str, str], list[str]]
) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT". roles: account, name of an instance profile -> the ARNs of its roles."""
    start, account = f"arn:aws:elasticmapreduce:{where}:cluster/", where.partition(":")[2]
    named = [f"{start}{name}" for path in _NAMES for name in catalog.read(params, path)]
    tags = {f"aws:requesttag/{str(tag.get('Key')).lower()}": [str(tag.get("Value", ""))] for tag in _tags(params)}
    for resource in named or ["*"]:
        yield Needed(f"elasticmapreduce:{operation}", resource, tags)
    if operation != "RunJobFlow":
        return
    if tags:
        yield Needed("elasticmapreduce:AddTags", "*", tags)
    if isinstance(service := params.get("ServiceRole"), str):
        arn = service if service.startswith("arn:") else f"arn:aws:iam::{account}:role/{service}"
        yield Needed("iam:PassRole", arn, {"iam:passedtoservice": ["elasticmapreduce.amazonaws.com"]})
    if isinstance(profile := params.get("JobFlowRole"), str):
        for role in roles(account, profile.rpartition("/")[2]):
            yield Needed("iam:PassRole", role, {"iam:passedtoservice": ["ec2.amazonaws.com"]})


def needs_of_serverless(operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """Of EMR Serverless: on an application or a job run; the role of a new run is passed on.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonemrserverless.html
    """
    given, start = params.get("tags"), f"arn:aws:emr-serverless:{where}:/"
    told = given.items() if isinstance(given, dict) else ()
    tags = {f"aws:requesttag/{str(key).lower()}": [str(value)] for key, value in told}
    application, run = params.get("applicationId"), params.get("jobRunId")
    resource = f"{start}applications/{application}" if application else f"{start}*"
    resource = params.get("resourceArn") or (f"{resource}/jobruns/{run}" if run else resource)
    yield Needed(f"emr-serverless:{operation}", str(resource), tags)
    if tags and operation != "TagResource":
        yield Needed("emr-serverless:TagResource", str(resource), tags)
    if isinstance(role := params.get("executionRoleArn"), str):
        yield Needed("iam:PassRole", role, {"iam:passedtoservice": ["emr-serverless.amazonaws.com"]})


def _tags(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [tag for tag in catalog.read(params, "Tags[]") if isinstance(tag, dict)]
