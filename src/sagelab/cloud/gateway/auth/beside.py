"""What a request to a service beside SageMaker needs to be allowed: its action, on each resource that it names.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodecommit.html and its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab import catalog
from sagelab.cloud.context import SCALING
from sagelab.cloud.engine.scaling import records
from sagelab.cloud.gateway.auth.needed import Needed

_TASKS = ("ReplicationTaskArn", "SourceEndpointArn", "TargetEndpointArn")  # of DMS
# Service -> (how its ARNs begin, the paths in a request that name a resource).
NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "codecommit": ("", ("repositoryName", "repositoryNames[]", "resourceArn")),
    "codepipeline": ("", ("name", "pipelineName", "pipeline.name", "resourceArn")),
    "servicecatalog": ("", ()),
    "comprehend": ("", ()),
    "codebuild": ("project/", ("name", "names[]", "projectName", "id", "ids[]")),
    "application-autoscaling": ("", ("ResourceARN",)),
    "athena": ("", ()),
    "glue": ("", ()),
    "fsx": ("", ()),
    "firehose": ("deliverystream/", ("DeliveryStreamName",)),
    "kinesis": ("stream/", ("StreamARN", "ResourceARN", "StreamName")),
    "elasticmapreduce": ("", ()),
    "emr-serverless": ("", ()),
    "lakeformation": ("", ()),
    "redshift-data": ("", ()),
    "dms": ("", ("ReplicationInstanceArn", "EndpointArn", *_TASKS, "ResourceArn", "ResourceArnList[]")),
    "quicksight": ("", ()),
    "cloudtrail": ("trail/", ("Name", "TrailName", "ResourceId", "ResourceIdList[]")),
}

_ROLES = (
    *("serviceRole", "serviceRoleOverride", "roleArn", "pipeline.roleArn", "CloudWatchLogsRoleArn"),
    *("ServiceAccessRoleArn", "S3Settings.ServiceAccessRoleArn"),
)
# What who scales must be allowed of what is scaled, and of the alarms that call policies.
# https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
_SCALING = {
    "RegisterScalableTarget": ("DescribeEndpoint", "DescribeEndpointConfig", "UpdateEndpointWeightsAndCapacities"),
    "PutScalingPolicy": ("PutMetricAlarm", "DescribeAlarms"),
    "DeleteScalingPolicy": ("DeleteAlarms",),
}


def needs(service: str, operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT"."""
    start, paths = NAMES[service]
    if service == "application-autoscaling" and "ResourceId" in params and "ScalableDimension" in params:
        yield from _of_target(operation, params, where)
        return
    named = [str(name) for path in paths for name in catalog.read(params, path)]
    for name in named or ["*"]:
        plain = name == "*" or name.startswith("arn:")
        if service == "codebuild" and not plain:
            name = name.partition(":")[0]  # a build is judged by its project
        yield Needed(f"{service}:{operation}", name if plain else f"arn:aws:{service}:{where}:{start}{name}")
    passed = {"iam:passedtoservice": [f"{service}.amazonaws.com"]}
    for path in _ROLES:
        yield from (Needed("iam:PassRole", str(role), passed) for role in catalog.read(params, path))


def _of_target(operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """A request about a scalable target: of that, and of what Application Auto Scaling looks at for the caller."""
    keys = {"service-namespace": "ServiceNamespace", "scalable-dimension": "ScalableDimension"}
    context = {f"application-autoscaling:{key}": [str(params.get(name))] for key, name in keys.items()}
    yield Needed(f"application-autoscaling:{operation}", records.target_arn(where, params), context)
    for action in _SCALING.get(operation, ()):
        if action.endswith(("Alarm", "Alarms")):
            yield Needed(f"cloudwatch:{action}", None)  # their names are not known yet
        elif action == "DescribeEndpointConfig":
            yield Needed(f"sagemaker:{action}", None)
        else:
            yield Needed(f"sagemaker:{action}", _endpoint_of(str(params["ResourceId"]), where))
    if role := params.get("RoleARN"):
        yield Needed("iam:PassRole", str(role), {"iam:passedtoservice": ["application-autoscaling.amazonaws.com"]})


def _endpoint_of(resource_id: str, where: str) -> str | None:
    """The ARN of the endpoint whose variant a target is; None: it is no variant, which is refused later."""
    try:
        return records.Variant.of(resource_id).endpoint_arn(where)
    except ValueError:
        return None


def needs_of_glue(params: dict[str, Any], account: str) -> Iterator[Needed]:
    """The role of a crawler or a job is passed on, by its name or its ARN."""
    changed = params.get("JobUpdate")
    role = params.get("Role") or (changed.get("Role") if isinstance(changed, dict) else None)
    if isinstance(role, str):
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
        yield Needed("iam:PassRole", arn, {"iam:passedtoservice": ["glue.amazonaws.com"]})


def needs_of_warehouse(params: dict[str, Any], operation: str, where: str) -> Iterator[Needed]:
    """A request to Redshift's Data API: on its cluster, with the credentials of a user of the database.

    https://docs.aws.amazon.com/redshift/latest/mgmt/data-api-iam.html
    """
    cluster = params.get("ClusterIdentifier")
    resource = f"arn:aws:redshift:{where}:cluster:{cluster}" if cluster else "*"
    yield Needed(f"redshift-data:{operation}", resource)
    if cluster:
        user = params.get("DbUser") or "*"
        yield Needed("redshift:GetClusterCredentials", f"arn:aws:redshift:{where}:dbuser:{cluster}/{user}")


def needs_of_role(account: str) -> Needed:
    """What registering the first target needs: the service-linked role is made then."""
    return Needed("iam:CreateServiceLinkedRole", records.role_arn(account), {"iam:awsservicename": [SCALING]})
