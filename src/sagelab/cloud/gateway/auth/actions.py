"""What a request needs to be allowed: the actions of IAM, each with its resource and the values of its conditions.

Actions and resources of each service: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from sagelab import catalog
from sagelab.catalog import Document, Kind
from sagelab.cloud.gateway.auth import functions, glue, keys, sagemaker_conditions
from sagelab.cloud.gateway.auth.needed import Context, Needed
from sagelab.cloud.gateway.auth.sagemaker_conditions import KeyArn
from sagelab.cloud.gateway.http.request import Request

Tags = Callable[[str], dict[str, str]]

# What any identity may ask.
_FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
# Actions that have another name than their operation.
_ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeAsync": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
}
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# Parameters that conditions may ask for: a role's trust, or who may attach what.
_ASKED_FOR = {
    "sts": ("ExternalId", "RoleSessionName"),
    "iam": ("PolicyArn", "PermissionsBoundary", "AWSServiceName"),
}
# What names one of IAM's things -> its kind in an ARN, in this order.
_IDENTITIES = {
    "RoleName": "role",
    "UserName": "user",
    "GroupName": "group",
    "InstanceProfileName": "instance-profile",
    "ServerCertificateName": "server-certificate",
    "VirtualMFADeviceName": "mfa",
    "PolicyName": "policy",
}
_ARNS = ("PolicyArn", "PolicySourceArn", "SerialNumber", "OpenIDConnectProviderArn", "SAMLProviderArn")
_OF_GROUPS = frozenset({"AddUserToGroup", "RemoveUserFromGroup"})
_ROLE, _OF_ROLE = re.compile(r"arn:aws:iam::\d{12}:role/.+"), re.compile(r"role(arn)?$", re.IGNORECASE)


def of_sagemaker(
    operation: str, params: Document, where: str, tags: Tags, key_arn: KeyArn = str
) -> Iterator[Needed]:
    """A call of SageMaker, on each resource that it is about; AddTags for its tags, PassRole for its roles.

    where: "REGION:ACCOUNT". tags: of a resource that is there, by its ARN. key_arn: of what names a key of KMS.
    """
    kind = catalog.of_operation(operation)
    context = _tagged(params) | sagemaker_conditions.of_request(operation, params, where, key_arn)
    named = list(_resources(kind, operation, params, where))
    for resource in named:
        yield Needed(f"sagemaker:{operation}", resource, context | _owned(tags(resource)))
    if kind and operation == kind.operation("Create") and "aws:tagkeys" in context:
        yield Needed("sagemaker:AddTags", named[0], _tagged(params) | {"sagemaker:taggingaction": [operation]})
    service = {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}
    roles = [role for path in (kind.roles if kind else ()) for role in catalog.read(params, path)]
    for role in sorted({role for role in roles if isinstance(role, str)}):
        yield Needed("iam:PassRole", role, service)


def of_others(request: Request, service: str, operation: str, where: str) -> Iterator[Needed]:
    """A request to any other service than SageMaker and S3."""
    prefix = _PREFIXES.get(service, service)
    if service == "kms":
        yield from keys.needs(_body(request), operation, where)
    elif f"{prefix}:{operation}" not in _FREE:
        form, asked_for = request.form, _ASKED_FOR.get(service, ())
        context = {f"{service}:{name.lower()}": [form[name]] for name in asked_for if name in form}
        action = _ACTIONS.get(f"{prefix}:{operation}", f"{prefix}:{operation}")
        for resource in _named(request, service, operation, where):
            yield Needed(action, resource, context)
    if service == "lambda":
        yield from _of_code(_body(request))
    if service not in ("iam", "sts") and not operation.startswith(("Describe", "Get", "List")):
        passed = {"iam:passedtoservice": [f"{service}.amazonaws.com"]}
        for role in sorted({*_roles(dict(request.form)), *_roles(_body(request))}):
            yield Needed("iam:PassRole", role, passed)


def _resources(kind: Kind | None, operation: str, params: Document, where: str) -> Iterator[str]:
    """What a request names; for an endpoint, the configuration that it takes its instances from as well."""
    named = kind.name_of(params) if kind else params.get("ResourceArn")
    if kind is None or not isinstance(named, str):
        yield from _around(kind, operation, params, where) if kind else [str(named or "*")]
        return
    yield kind.arn_of(named, where)
    for use in kind.uses:
        of = catalog.of_stem(use.of) if use.of else kind
        if of is not kind and operation in map(kind.operation, use.verbs) and (name := of.name_of(params)):
            yield of.arn_of(name, where)


def _around(kind: Kind, operation: str, params: Document, where: str) -> Iterator[str]:
    """What a request is about that names none of its kind: what that is a part of, or a part of it."""
    owner = catalog.of_stem(kind.within) if kind.within else None
    if owner and (name := owner.name_of(params)):
        arn = owner.arn_of(name, where)
        if operation == kind.operation("Create"):
            yield kind.arn_of(f"{arn.rpartition('/')[2]}/*", where)
        yield arn
        return
    parts = [each for each in catalog.KINDS if each.within == kind.stem]
    yield next((part.arn_of(name, where) for part in parts if (name := part.name_of(params))), "*")


def _tagged(params: Document) -> Context:
    tags = [tag for tag in catalog.read(params, "Tags[]") if isinstance(tag, dict)]
    keys = [str(tag.get("Key")) for tag in tags] + [str(key) for key in catalog.read(params, "TagKeys[]")]
    found = {f"aws:requesttag/{str(tag.get('Key')).lower()}": [str(tag.get("Value"))] for tag in tags}
    return found | ({"aws:tagkeys": keys} if keys else {})


def _owned(tags: dict[str, str]) -> Context:
    """The tags of a resource that is there, under both of their keys."""
    return {f"{by}:resourcetag/{key.lower()}": [tags[key]] for by in ("aws", "sagemaker") for key in tags}


def _named(request: Request, service: str, operation: str, where: str) -> Iterator[str | None]:
    """The ARNs of what a request to Logs, IAM or STS names; None where that is not known."""
    sent: dict[str, Any] = _body(request) if request.target else dict(request.form)
    match service:
        case "logs":
            yield from _log_groups(sent, where)
        case "iam":
            yield _identity(sent, operation, where.rpartition(":")[2])
        case "sts":
            yield sent.get("RoleArn")
        case "lambda":
            yield _function(request, operation, where)
        case "glue":
            yield from (one.resource for one in glue.needs(operation, sent, where))
        case _:
            yield None


def _function(request: Request, operation: str, where: str) -> str | None:
    """The function that a request to Lambda is about; the one that is to be, where it creates one."""
    if operation == "CreateFunction":
        name = _body(request).get("FunctionName")
        return functions.read(name, where).base if isinstance(name, str) else None
    named = functions.of_request(request, where)
    return named.arn if named else None


def _of_code(sent: dict[str, Any]) -> Iterator[Needed]:
    """The object of S3 that a function or a layer is made of is read for the caller."""
    for place in (sent, sent.get("Code"), sent.get("Content")):
        if isinstance(place, dict) and isinstance(place.get("S3Bucket"), str):
            yield Needed("s3:GetObject", f"arn:aws:s3:::{place['S3Bucket']}/{place.get('S3Key', '')}")


def _log_groups(sent: dict[str, Any], where: str) -> Iterator[str | None]:
    """Of each log group that a request names in one of the ways that there are."""
    stream, found = sent.get("logStreamName"), False
    for member in ("logGroupName", "logGroupIdentifier", "logGroupNames", "logGroupIdentifiers", "resourceArn"):
        for name in _listed(sent.get(member)):
            group = name.removeprefix(f"arn:aws:logs:{where}:log-group:").removesuffix(":*")
            found = True
            yield f"arn:aws:logs:{where}:log-group:{group}:" + (f"log-stream:{stream}" if stream else "*")
    if not found:
        yield None


def _identity(sent: dict[str, Any], operation: str, account: str) -> str | None:
    """What a request to IAM is about; a group, where it is about who is in it; a key, where it names no user.

    It goes by its name, without the path that it has: moto/iam.py knows it.
    """
    names = ("GroupName", *_IDENTITIES) if operation in _OF_GROUPS else tuple(_IDENTITIES)
    taken = _taken().get(operation, frozenset())
    path = sent.get("Path", "/") if operation.startswith("Create") and "Path" in taken else "/"
    for name in names:
        if name in sent and name in taken:
            return f"arn:aws:iam::{account}:{_IDENTITIES[name]}{path}{sent[name]}"
    if "AccessKeyId" in sent and "AccessKeyId" in taken:
        return f"arn:aws:iam::{account}:access-key/{sent['AccessKeyId']}"
    return next((sent[name] for name in _ARNS if name in sent and name in taken), None)


@cache
def _taken() -> dict[str, frozenset[str]]:
    """The parameters of IAM's operations: whatever else a request has is for nothing."""
    from botocore.loaders import Loader

    model = Loader().load_service_model("iam", "service-2")
    inputs = {name: one.get("input", {}).get("shape") for name, one in model["operations"].items()}
    return {name: frozenset(model["shapes"].get(shape, {}).get("members", ())) for name, shape in inputs.items()}


def _roles(sent: dict[str, Any]) -> Iterator[str]:
    """The roles that a request to a service gives it, however deep they stand: RoleARN, roleArn, Role."""
    left: list[Any] = [sent]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            named = {name for name, value in one.items() if isinstance(value, str) and _OF_ROLE.search(name)}
            yield from (one[name] for name in named if _ROLE.fullmatch(one[name]))
            left += one.values()
        elif isinstance(one, list):
            left += one


def _listed(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.content() or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
