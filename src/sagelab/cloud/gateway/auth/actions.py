"""What a request needs to be allowed: the actions of IAM, each with its resource and the values of its conditions.

Actions and resources of each service: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

from sagelab import catalog
from sagelab.catalog import Document, Kind
from sagelab.cloud.gateway.http.request import Request

Context = dict[str, list[str]]
Tags = Callable[[str], dict[str, str]]

# What any identity may ask.
_FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# Condition key of SageMaker -> the paths of its values in a request.
_CONDITIONS = {
    "AcceleratorTypes": ("AcceleratorTypes[]", "ProductionVariants[].AcceleratorType"),
    "DirectInternetAccess": ("DirectInternetAccess",),
    "EnableRemoteDebug": ("RemoteDebugConfig.EnableRemoteDebug",),
    "InterContainerTrafficEncryption": (
        "EnableInterContainerTrafficEncryption",
        "NetworkConfig.EnableInterContainerTrafficEncryption",
    ),
    "KeepAlivePeriod": ("ResourceConfig.KeepAlivePeriodInSeconds",),
    "MaxRuntimeInSeconds": ("StoppingCondition.MaxRuntimeInSeconds",),
    "NetworkIsolation": ("EnableNetworkIsolation", "NetworkConfig.EnableNetworkIsolation"),
    "OutputKmsKey": ("OutputDataConfig.KmsKeyId", "ProcessingOutputConfig.KmsKeyId", "TransformOutput.KmsKeyId"),
    "RootAccess": ("RootAccess",),
    "ServerlessMaxConcurrency": ("ProductionVariants[].ServerlessConfig.MaxConcurrency",),
    "ServerlessMemorySize": ("ProductionVariants[].ServerlessConfig.MemorySizeInMB",),
    "TargetModel": ("TargetModel",),
    "VolumeKmsKey": (
        "KmsKeyId",
        "ResourceConfig.VolumeKmsKeyId",
        "HyperParameterTuningResourceConfig.VolumeKmsKeyId",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        "TransformResources.VolumeKmsKeyId",
    ),
    "VpcSecurityGroupIds": (
        "SecurityGroupIds[]",
        "VpcConfig.SecurityGroupIds[]",
        "NetworkConfig.VpcConfig.SecurityGroupIds[]",
    ),
    "VpcSubnets": ("SubnetId", "VpcConfig.Subnets[]", "NetworkConfig.VpcConfig.Subnets[]"),
}
# Where the paths begin: a tuning job has the settings of its training jobs in their definitions.
_SETTINGS_OF = ("", "TrainingJobDefinition", "TrainingJobDefinitions[]")
# A bucket's settings whose action is not named as the query parameter is.
_SETTINGS = {
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "cors": "BucketCORS",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "requestPayment": "BucketRequestPayment",
}
_OF_OBJECTS = {"tagging": "ObjectTagging", "acl": "ObjectAcl", "retention": "ObjectRetention"}
_OF_OBJECTS |= {"legal-hold": "ObjectLegalHold", "attributes": "ObjectAttributes"}


@dataclass(frozen=True)
class Needed:
    """action: "s3:GetObject". resource: an ARN, "*", or None where it is not known. context: as in policies."""

    action: str
    resource: str | None
    context: Context = field(default_factory=dict)


def of_sagemaker(operation: str, params: Document, where: str, tags: Tags) -> Iterator[Needed]:
    """A call of SageMaker, on each resource that it is about, and for a role that it passes on, iam:PassRole.

    where: "REGION:ACCOUNT". tags: of a resource that is there, by its ARN.
    """
    kind = catalog.of_operation(operation)
    context = _context(kind, params) if kind else _tagged(params)
    for resource in _resources(kind, operation, params, where):
        yield Needed(f"sagemaker:{operation}", resource, context | _owned(tags(resource)))
    service = {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}
    roles = [role for path in (kind.roles if kind else ()) for role in catalog.read(params, path)]
    for role in sorted({role for role in roles if isinstance(role, str)}):
        yield Needed("iam:PassRole", role, service)


class Seals(Protocol):
    """Which customer's KMS key S3 has the content of an object under: its ARN, or None."""

    def over(self, bucket: str, name: str, version: str | None) -> str | None:
        """Of an object that is there."""

    def for_new(self, bucket: str, named: str | None) -> str | None:
        """Of an object to come. named: the key that the request asks for."""


def of_others(request: Request, service: str, operation: str, where: str, seals: Seals) -> Iterator[Needed]:
    """A request to any other service."""
    if service == "s3":
        yield from _s3(request)
        yield from _opened(request, seals)
        return
    action = f"{_PREFIXES.get(service, service)}:{operation}"
    if action not in _FREE:
        yield Needed(action, _named(request, service, where))
    if service == "cloudformation" and (role := request.form.get("RoleARN")):
        yield Needed("iam:PassRole", role, {"iam:passedtoservice": ["cloudformation.amazonaws.com"]})


def _resources(kind: Kind | None, operation: str, params: Document, where: str) -> Iterator[str]:
    """What a request names; for an endpoint, the configuration that it takes its instances from as well."""
    named = kind.name_of(params) if kind else params.get("ResourceArn")
    if kind is None or not isinstance(named, str):
        yield str(named or "*")
        return
    yield kind.arn_of(named, where)
    for use in kind.uses:
        of = catalog.of_stem(use.of) if use.of else kind
        if of is not kind and operation in map(kind.operation, use.verbs) and (name := of.name_of(params)):
            yield of.arn_of(name, where)


def _context(kind: Kind, params: Document) -> Context:
    """The condition keys that a request about a kind has values for, other than tags of what is there."""
    found = _tagged(params)
    for key, paths in _CONDITIONS.items():
        begun = [f"{start}.{path}".lstrip(".") for start in _SETTINGS_OF for path in paths]
        if values := [_text(value) for path in begun for value in catalog.read(params, path)]:
            found[f"sagemaker:{key.lower()}"] = values
    its = [use for each in catalog.KINDS for use in each.uses if (use.of or each.stem) == kind.stem]
    types = {str(place["InstanceType"]) for use in its for place in use.places(params)}
    return found | ({"sagemaker:instancetypes": sorted(types)} if types else {})


def _tagged(params: Document) -> Context:
    tags = [tag for tag in catalog.read(params, "Tags[]") if isinstance(tag, dict)]
    keys = [str(tag.get("Key")) for tag in tags] + [str(key) for key in catalog.read(params, "TagKeys[]")]
    found = {f"aws:requesttag/{str(tag.get('Key')).lower()}": [str(tag.get("Value"))] for tag in tags}
    return found | ({"aws:tagkeys": keys} if keys else {})


def _owned(tags: dict[str, str]) -> Context:
    """The tags of a resource that is there, under both of their keys."""
    return {f"{by}:resourcetag/{key.lower()}": [tags[key]] for by in ("aws", "sagemaker") for key in tags}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _s3(request: Request) -> Iterator[Needed]:
    bucket, key = request.place
    if not bucket:
        yield Needed("s3:ListAllMyBuckets", "*")
    elif not key:
        yield from _bucket(request, f"arn:aws:s3:::{bucket}")
    else:
        source = unquote(request.header("x-amz-copy-source") or "").lstrip("/").partition("?")[0]
        if source:
            yield Needed("s3:GetObject", f"arn:aws:s3:::{source}")
        yield Needed(f"s3:{_object_action(request)}", f"arn:aws:s3:::{bucket}/{key}")


def _opened(request: Request, seals: Seals) -> Iterator[Needed]:
    """What S3 asks KMS for in the caller's name.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
    """
    bucket, key = request.place
    sent, copied = request.parameters, unquote(request.header("x-amz-copy-source") or "").lstrip("/")
    if key and request.method == "GET" and not _OF_OBJECTS.keys() & sent.keys() and "uploadId" not in sent:
        opened = seals.over(bucket, key, sent.get("versionId"))
    else:
        place, _, version = copied.partition("?versionId=")
        source, _, name = place.partition("/")
        opened = seals.over(source, name, version or None) if name else None
    if opened:
        yield Needed("kms:Decrypt", opened)
    if not key or _object_action(request) != "PutObject" or "uploadId" in sent:
        return
    if made := seals.for_new(bucket, request.header("x-amz-server-side-encryption-aws-kms-key-id")):
        yield Needed("kms:GenerateDataKey", made)


def _bucket(request: Request, arn: str) -> Iterator[Needed]:
    sent, verb = request.parameters, {"GET": "Get", "HEAD": "Get", "PUT": "Put"}.get(request.method, "Put")
    if request.method == "POST" and "delete" in sent:
        keys = re.findall(r"<Key>(.*?)</Key>", request.content().decode("utf-8", "replace"), re.DOTALL)
        yield from (Needed("s3:DeleteObject", f"{arn}/{key}") for key in keys)
        return
    settings = [name for name in sent if name in _SETTINGS or name in _PLAIN]
    lists = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads"}
    for name, action in lists.items():
        if name in sent and request.method == "GET":
            yield Needed(f"s3:{action}", arn)
            return
    if settings:
        yield Needed(f"s3:{verb}{_SETTINGS.get(settings[0]) or _PLAIN[settings[0]]}", arn)
    elif request.method in ("PUT", "DELETE"):
        yield Needed("s3:CreateBucket" if request.method == "PUT" else "s3:DeleteBucket", arn)
    elif request.method == "POST":  # a form: its fields name the key
        yield Needed("s3:PutObject", f"{arn}/*")
    else:
        prefix = {"s3:prefix": [sent["prefix"]]} if "prefix" in sent else {}
        yield Needed("s3:ListBucket", arn, prefix)


_PLAIN = {
    name: f"Bucket{name.title()}"
    for name in ("acl", "location", "logging", "notification", "policy", "tagging", "versioning", "website")
}


def _object_action(request: Request) -> str:
    sent, method = request.parameters, request.method
    version = "Version" if "versionId" in sent else ""
    for name, what in _OF_OBJECTS.items():
        if name in sent:
            return {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(method, "Put") + what
    if "uploadId" in sent and method in ("GET", "DELETE"):
        return "ListMultipartUploadParts" if method == "GET" else "AbortMultipartUpload"
    if "restore" in sent:
        return "RestoreObject"
    verbs = {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}
    return verbs[method] + version if method in verbs else "PutObject"


def _named(request: Request, service: str, where: str) -> str | None:
    """The ARN of what a request to Logs, KMS, IAM or STS names; None where that is not known."""
    sent: dict[str, Any] = _body(request) if request.target else dict(request.form)
    account = where.rpartition(":")[2]
    if service == "logs" and (group := sent.get("logGroupName")):
        stream = sent.get("logStreamName")
        return f"arn:aws:logs:{where}:log-group:{group}:" + (f"log-stream:{stream}" if stream else "*")
    if service == "kms" and (key := sent.get("KeyId")):
        return str(key) if str(key).startswith("arn:") else f"arn:aws:kms:{where}:key/{key}"
    if service == "iam":
        for name in ("Role", "User", "Group"):
            if f"{name}Name" in sent:
                return f"arn:aws:iam::{account}:{name.lower()}/{sent[f'{name}Name']}"
        return sent.get("PolicyArn")
    return sent.get("RoleArn") if service == "sts" else None


def _body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.content() or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
