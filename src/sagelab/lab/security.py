"""What a lab about security stands on: buckets, roles, users, keys, jobs and notebooks, and their removal.

Names begin with the lab's, and everything carries its tag, so that `remove` finds what was made. What teaches
something (policies, endpoints, the jobs' own settings) stands in the notebook.
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import boto3
from botocore.exceptions import ClientError

from sagelab.lab import athena, vpc
from sagelab.lab.calls import write_call

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

MANAGED = "arn:aws:iam::aws:policy/"
POLICY = "work"  # the name of a role's own policy
WAITING_DAYS = 7  # the fewest for which KMS keeps a key that is to be deleted
TRIES, PAUSE = 30, 2.0  # until what is new is known everywhere
STEP = 30  # seconds for which a device shows a code
UNKNOWN = (
    *("Could not assume role", "not authorized to perform: sts:AssumeRole", "InvalidClientTokenId"),
    *("unable to assume role", "cannot be assumed", "Invalid InstanceProfile", "is not authorized to perform"),
)


def bucket(lab: Lab, what: str) -> str:
    """A new bucket of the lab; returns its name, which AmazonSageMakerFullAccess's patterns match."""
    name = f"sagemaker-{lab.name}-{what}-{lab.account}"
    place = {} if lab.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": lab.region}}
    with suppress(lab.client("s3").exceptions.BucketAlreadyOwnedByYou):
        lab.client("s3").create_bucket(Bucket=name, **place)
    lab.client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": lab.tags})
    return name


def role(
    lab: Lab,
    what: str,
    statements: Sequence[Mapping[str, Any]] = (),
    managed: Sequence[str] = (),
    services: Sequence[str] = ("sagemaker",),
) -> str:
    """A role of the lab that these services and this account may take; returns its ARN. It may be there already.

    statements: of its own policy, in place of those that it had. managed: names of AWS's policies.
    """
    iam, name = lab.client("iam"), f"{lab.name}-{what}"
    trusted = [f"{service}.amazonaws.com" for service in services]
    principal = {"Service": trusted, "AWS": f"arn:aws:iam::{lab.account}:root"}
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
    asked = {"RoleArn": role, "RoleSessionName": lab.name}
    return session(lab, patiently(lambda: lab.client("sts").assume_role(**asked))["Credentials"])


def session(lab: Lab, credentials: Mapping[str, str]) -> boto3.Session:
    """A session with the keys that STS has given."""
    keys = (credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    return boto3.Session(*keys, region_name=lab.region)


def user(lab: Lab, what: str, statements: Sequence[Mapping[str, Any]]) -> boto3.Session:
    """A user of the lab with keys that last; returns a session with them. It may be there already."""
    iam, name = lab.client("iam"), f"{lab.name}-{what}"
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=name, Tags=lab.tags)
    iam.put_user_policy(UserName=name, PolicyName=POLICY, PolicyDocument=_document(statements))
    for old in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=old["AccessKeyId"])
    made = iam.create_access_key(UserName=name)["AccessKey"]
    keys = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], region_name=lab.region)
    patiently(lambda: keys.client("sts").get_caller_identity())
    return keys


def authenticator(lab: Lab, what: str) -> tuple[str, Callable[[], str]]:
    """An MFA device of a user: its serial number, and what says a code of it that has not counted yet."""
    iam, name = lab.client("iam"), f"{lab.name}-{what}"
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName=name, Tags=lab.tags)["VirtualMFADevice"]
    seed, now = base64.b32decode(device["Base32StringSeed"]), int(time.time()) // STEP
    codes = {"AuthenticationCode1": code(seed, now - 1), "AuthenticationCode2": code(seed, now)}
    iam.enable_mfa_device(UserName=name, SerialNumber=device["SerialNumber"], **codes)
    return str(device["SerialNumber"]), lambda: code(seed, now + 1)


def code(seed: bytes, step: int) -> str:
    """The six digits that an authenticator shows in a step of 30 seconds since the epoch (RFC 6238)."""
    digest = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def plain(lab: Lab, service: str) -> Any:
    """A client that speaks without TLS."""
    address = urlsplit(lab.client(service).meta.endpoint_url)._replace(scheme="http")
    return lab.session.client(service, endpoint_url=urlunsplit(address))


def train(
    lab: Lab,
    instance_type: str,
    bucket: str,
    role: str,
    script: str,
    hosts: int = 1,
    key: str | None = None,
    show: bool = False,
    **measures: Any,
) -> str:
    """Start a training job of a script and return its name.

    bucket: its folders code/, with the script, and training/ are channels; models/ takes the model. key: of KMS,
    for the model and the disk. measures: more of CreateTrainingJob's. show: print the call.
    """
    encrypted = {"KmsKeyId": key} if key else {}
    request = {
        "TrainingJobName": lab.fresh_name(script.removesuffix(".py")),
        "AlgorithmSpecification": {
            "TrainingImage": lab.image(instance_type),
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", f"/opt/ml/input/data/code/{script}"],
        },
        "RoleArn": role,
        "InputDataConfig": [_channel(bucket, name) for name in ("code", "training")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models", **encrypted},
        "ResourceConfig": {
            "InstanceType": instance_type,
            "InstanceCount": hosts,
            "VolumeSizeInGB": 5,
            **({"VolumeKmsKeyId": key} if key else {}),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        "Tags": lab.tags,
        **measures,
    }
    if show:
        print(write_call('lab.client("sagemaker").create_training_job', request))
    patiently(lambda: lab.client("sagemaker").create_training_job(**request))
    return str(request["TrainingJobName"])


def simulate(lab: Lab, roles: Mapping[str, str], questions: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """What IAM says of each question, an action and an ARN, for each role: a column each."""
    import pandas as pd

    def decide(role: str, action: str, resource: str) -> str:
        asked = {"PolicySourceArn": role, "ActionNames": [action], "ResourceArns": [resource]}
        found = lab.client("iam").simulate_principal_policy(**asked)["EvaluationResults"][0]
        return str(found["EvalDecision"])

    answers = {name: [decide(role, *each) for each in questions] for name, role in roles.items()}
    start = f"sagemaker-{lab.name}-"
    things = [resource.rpartition(":")[2].removeprefix(start) for _, resource in questions]
    return pd.DataFrame({"action": [action for action, _ in questions], "on": things, **answers})


def kms_tags(lab: Lab) -> list[dict[str, str]]:
    """The lab's tag as KMS takes it."""
    return [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in lab.tags]


def notebook(lab: Lab, instance_type: str, config: Mapping[str, Any], access: str) -> str:
    """Start a notebook instance in the first subnet of a VpcConfig and return its name; shows the call.

    access: "Enabled" or "Disabled", its direct internet access.
    """
    request = {
        "NotebookInstanceName": lab.fresh_name(access.lower()),
        "InstanceType": instance_type,
        "RoleArn": lab.role,
        "SubnetId": config["Subnets"][0],
        "SecurityGroupIds": config["SecurityGroupIds"],
        "DirectInternetAccess": access,
        "VolumeSizeInGB": 5,
        "Tags": lab.tags,
    }
    print(write_call('lab.client("sagemaker").create_notebook_instance', request))
    lab.client("sagemaker").create_notebook_instance(**request)
    return str(request["NotebookInstanceName"])


def remove(lab: Lab) -> list[str]:
    """Delete the lab's network, roles, trail, buckets and keys; says what it did, a sentence each."""
    steps = (
        vpc.remove,
        _remove_roles,
        _remove_users,
        _remove_trails,
        athena.remove,
        _remove_buckets,
        _remove_keys,
    )
    return [sentence for step in steps for sentence in step(lab)]


def left(lab: Lab) -> list[str]:
    """What is there of it. A key that waits for its deletion costs nothing and is not counted."""
    network, trails = vpc.left(lab), [*_trails(lab), *athena.databases(lab)]
    return [*network, *_roles(lab), *_users(lab), *trails, *_buckets(lab), *_keys(lab)]


# -- making -----------------------------------------------------------------------------------------------


def _document(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _channel(bucket: str, name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def patiently(call: Callable[[], Any]) -> Any:
    """A call that takes a role or keys: on AWS new ones are unknown for some seconds."""
    for left in reversed(range(TRIES)):
        try:
            return call()
        except ClientError as error:
            if not left or not any(word in str(error) for word in UNKNOWN):
                raise
            time.sleep(PAUSE)
    raise AssertionError


# -- removing ---------------------------------------------------------------------------------------------


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


def _users(lab: Lab) -> list[str]:
    iam = lab.client("iam")
    pages = iam.get_paginator("list_users").paginate()
    names = [str(user["UserName"]) for page in pages for user in page["Users"]]
    found = (name for name in names if name.startswith(f"{lab.name}-"))
    return [name for name in found if lab.tags[0] in iam.list_user_tags(UserName=name)["Tags"]]


def _remove_users(lab: Lab) -> Iterator[str]:
    iam = lab.client("iam")
    for name in _users(lab):
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for device in iam.list_mfa_devices(UserName=name)["MFADevices"]:
            iam.deactivate_mfa_device(UserName=name, SerialNumber=device["SerialNumber"])
            iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
        iam.delete_user_policy(UserName=name, PolicyName=POLICY)
        iam.delete_user(UserName=name)
        yield f"deleted user {name}"


def _trails(lab: Lab) -> list[str]:
    """The lab's own trail, which has its name; no other is its to delete."""
    cloudtrail = lab.client("cloudtrail")
    found = cloudtrail.describe_trails(trailNameList=[lab.name], includeShadowTrails=False)["trailList"]
    arns = [str(each["TrailARN"]) for each in found]
    kept = cloudtrail.list_tags(ResourceIdList=arns)["ResourceTagList"] if arns else []
    return [each["ResourceId"] for each in kept if lab.tags[0] in each["TagsList"]]


def _remove_trails(lab: Lab) -> Iterator[str]:
    for arn in _trails(lab):
        lab.client("cloudtrail").delete_trail(Name=arn)
        yield f"deleted trail {arn.rpartition('/')[2]}"


def _buckets(lab: Lab) -> list[str]:
    s3 = lab.client("s3")
    names = [str(each["Name"]) for each in s3.list_buckets()["Buckets"]]
    found = (name for name in names if name.startswith(f"sagemaker-{lab.name}-") and name.endswith(lab.account))
    return [name for name in found if lab.tags[0] in s3.get_bucket_tagging(Bucket=name)["TagSet"]]


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
    kms, wanted = lab.client("kms"), kms_tags(lab)[0]
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
