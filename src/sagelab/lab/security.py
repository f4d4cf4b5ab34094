"""What a lab about security stands on: buckets, roles, keys and a private network, and their removal.

Names begin with the lab's, and everything carries its tag, so that `remove` finds what was made. What teaches
something (policies, endpoints, the jobs' own settings) stands in the notebook.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from sagelab.lab.calls import write_call

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

MANAGED = "arn:aws:iam::aws:policy/"
POLICY = "work"  # the name of a role's own policy
RANGE, PARTS = "10.6.0.0/16", ("10.6.1.0/24", "10.6.2.0/24")  # of the network and its subnets
WAITING_DAYS = 7  # the fewest for which KMS keeps a key that is to be deleted
TRIES, PAUSE = 30, 2.0  # until a role that is new is known everywhere


def bucket(lab: Lab, what: str) -> str:
    """A new bucket of the lab; returns its name, which AmazonSageMakerFullAccess's patterns match."""
    name = f"sagemaker-{lab.name}-{what}-{lab.account}"
    place = {} if lab.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": lab.region}}
    with suppress(lab.client("s3").exceptions.BucketAlreadyOwnedByYou):
        lab.client("s3").create_bucket(Bucket=name, **place)
    lab.client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": lab.tags})
    return name


def role(lab: Lab, what: str, statements: Sequence[Mapping[str, Any]] = (), managed: Sequence[str] = ()) -> str:
    """A role of the lab that SageMaker and this account may take; returns its ARN. It may be there already.

    statements: of its own policy, in place of those that it had. managed: names of AWS's policies.
    """
    iam, name = lab.client("iam"), f"{lab.name}-{what}"
    principal = {"Service": "sagemaker.amazonaws.com", "AWS": f"arn:aws:iam::{lab.account}:root"}
    trust = _document([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}])
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=lab.tags)
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=_document(statements))
    for policy in managed:
        iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED + policy)
    return f"arn:aws:iam::{lab.account}:role/{name}"


def become(lab: Lab, role: str) -> boto3.Session:
    """A session with the rights of a role, for an hour."""
    found = _patiently(lambda: lab.client("sts").assume_role(RoleArn=role, RoleSessionName=lab.name))[
        "Credentials"
    ]
    keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    return boto3.Session(*keys, region_name=lab.region)


def train(lab: Lab, request: Mapping[str, Any]) -> str:
    """Start a training job and return its name; AWS needs some seconds until SageMaker may take a new role."""
    _patiently(lambda: lab.client("sagemaker").create_training_job(**request))
    return str(request["TrainingJobName"])


def network(lab: Lab) -> dict[str, Any]:
    """A VPC with two subnets in two zones and no way out, as a job's VpcConfig; shows the calls."""
    ec2 = lab.client("ec2")
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    vpc = _make(lab, "create_vpc", "vpc", CidrBlock=RANGE)["Vpc"]["VpcId"]
    for setting in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{setting: {"Value": True}})
    subnets = [
        _make(lab, "create_subnet", "subnet", VpcId=vpc, CidrBlock=part, AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for part, zone in zip(PARTS, zones, strict=False)
    ]
    named = {"VpcId": vpc, "GroupName": lab.name, "Description": "jobs"}
    group = _make(lab, "create_security_group", "security-group", **named)["GroupId"]
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=itself)
    return {"Subnets": subnets, "SecurityGroupIds": [group]}


def vpc_of(lab: Lab, config: Mapping[str, Any]) -> str:
    """The VPC of a job's VpcConfig."""
    found = lab.client("ec2").describe_subnets(SubnetIds=config["Subnets"][:1])
    return str(found["Subnets"][0]["VpcId"])


def tagged(lab: Lab, kind: str) -> list[dict[str, Any]]:
    """The lab's tag as EC2 takes it with a request. kind: "vpc-endpoint", "natgateway", ..."""
    return [{"ResourceType": kind, "Tags": [*lab.tags, {"Key": "Name", "Value": lab.name}]}]


def remove(lab: Lab) -> list[str]:
    """Delete the lab's network, roles, buckets and keys; says what it did, a sentence each."""
    steps = (_remove_network, _remove_roles, _remove_buckets, _remove_keys)
    return [sentence for step in steps for sentence in step(lab)]


def left(lab: Lab) -> list[str]:
    """What is there of it. A key that waits for its deletion costs nothing and is not counted."""
    return [*_ids(lab, "vpcs", "Vpcs", "VpcId"), *_roles(lab), *_buckets(lab), *_keys(lab)]


# -- making -----------------------------------------------------------------------------------------------


def _document(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _make(lab: Lab, call: str, kind: str, **request: Any) -> dict[str, Any]:
    """Something of EC2's with the lab's tag; shows the call without that."""
    print(write_call(f'lab.client("ec2").{call}', request))
    made: dict[str, Any] = getattr(lab.client("ec2"), call)(**request, TagSpecifications=tagged(lab, kind))
    return made


def _patiently(call: Callable[[], Any]) -> Any:
    """A call that takes a role: on AWS a new one is unknown for some seconds."""
    for left in reversed(range(TRIES)):
        try:
            return call()
        except ClientError as error:
            said = str(error).lower()
            if not left or not ("assume" in said and ("could not" in said or "not authorized" in said)):
                raise
            time.sleep(PAUSE)
    raise AssertionError


# -- removing ---------------------------------------------------------------------------------------------


def _ids(lab: Lab, what: str, listed: str, name: str) -> list[str]:
    """The ids of the lab's own of one kind of EC2's things."""
    tag = lab.tags[0]
    asked = {"Filters": [{"Name": f"tag:{tag['Key']}", "Values": [tag["Value"]]}]}
    found = getattr(lab.client("ec2"), f"describe_{what}")(**asked)[listed]
    return [str(each[name]) for each in found if each.get("State") != "deleted"]


def _remove_network(lab: Lab) -> Iterator[str]:
    """Endpoints first, then what they stand in; EC2 needs a while until their interfaces are gone."""
    ec2 = lab.client("ec2")
    endpoints = _ids(lab, "vpc_endpoints", "VpcEndpoints", "VpcEndpointId")
    if endpoints:
        ec2.delete_vpc_endpoints(VpcEndpointIds=endpoints)
        yield f"deleted {len(endpoints)} endpoints of a VPC"
    parts = (
        ("security_groups", "SecurityGroups", "GroupId", lambda each: ec2.delete_security_group(GroupId=each)),
        ("subnets", "Subnets", "SubnetId", lambda each: ec2.delete_subnet(SubnetId=each)),
        ("vpcs", "Vpcs", "VpcId", lambda each: ec2.delete_vpc(VpcId=each)),
    )
    for what, listed, name, delete in parts:
        for each in _ids(lab, what, listed, name):
            _until_free(delete, each)
            yield f"deleted {each}"


def _until_free(delete: Callable[[str], Any], each: str) -> None:
    for left in reversed(range(TRIES)):
        try:
            delete(each)
            return
        except ClientError as error:
            if not left or error.response["Error"]["Code"] != "DependencyViolation":
                raise
            time.sleep(PAUSE)


def _roles(lab: Lab) -> list[str]:
    iam = lab.client("iam")
    names = [
        str(role["RoleName"])
        for page in iam.get_paginator("list_roles").paginate()
        for role in page["Roles"]
        if role["RoleName"].startswith(f"{lab.name}-")
    ]
    return [name for name in names if lab.tags[0] in iam.list_role_tags(RoleName=name)["Tags"]]


def _remove_roles(lab: Lab) -> Iterator[str]:
    iam = lab.client("iam")
    for name in _roles(lab):
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        iam.delete_role(RoleName=name)
        yield f"deleted role {name}"


def _buckets(lab: Lab) -> list[str]:
    start = f"sagemaker-{lab.name}-"
    return [
        str(each["Name"]) for each in lab.client("s3").list_buckets()["Buckets"] if each["Name"].startswith(start)
    ]


def _remove_buckets(lab: Lab) -> Iterator[str]:
    s3 = lab.client("s3")
    for name in _buckets(lab):
        s3.delete_bucket_policy(Bucket=name)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            keys = [{"Key": each["Key"]} for each in page.get("Contents", [])]
            if keys:
                s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=name)
        yield f"deleted bucket {name} and what was in it"


def _keys(lab: Lab) -> list[str]:
    """The lab's keys that are not on their way out."""
    kms, tag = lab.client("kms"), lab.tags[0]
    wanted = {"TagKey": tag["Key"], "TagValue": tag["Value"]}
    pages = kms.get_paginator("list_keys").paginate()
    found = (str(each["KeyId"]) for page in pages for each in page["Keys"])
    usable = (key for key in found if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion")
    return [key for key in usable if wanted in _tags_of(kms, key)]


def _tags_of(kms: Any, key: str) -> list[dict[str, str]]:
    """None where the key is AWS's own, whose tags nobody may read."""
    with suppress(ClientError):
        return list(kms.list_resource_tags(KeyId=key)["Tags"])
    return []


def _remove_keys(lab: Lab) -> Iterator[str]:
    for key in _keys(lab):
        lab.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=WAITING_DAYS)
        yield f"key {key} will be deleted in {WAITING_DAYS} days"
