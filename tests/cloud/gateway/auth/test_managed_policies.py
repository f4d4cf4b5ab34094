"""The policies that AWS manages, as AWS has them: what a role may do with each, and what not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.gateway.auth.test_permissions import ACCOUNT, Role, allow, refused
from tests.trusts import TRUST

OF_AWS = "arn:aws:iam::aws:policy/"
BUCKET, OTHER = "my-sagemaker-data", "somebody-elses"


@pytest.fixture(scope="module")
def buckets(gateway: Any) -> None:
    s3 = gateway.client("s3")
    for name in (BUCKET, OTHER):
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="one", Body=b"1")
    s3.put_object(Bucket=OTHER, Key="shared", Body=b"1", Tagging="SageMaker=True")


@pytest.fixture
def holder(gateway: Any, unique: Callable[[str], str]) -> Callable[[str], Role]:
    """A session of a role with a policy that AWS manages, by its name."""

    def make(policy: str) -> Role:
        name = unique("role")
        role = Role(gateway, name)
        gateway.client("iam").attach_role_policy(RoleName=name, PolicyArn=f"{OF_AWS}{policy}")
        return role

    return make


def may(call: Callable[..., Any], **params: Any) -> None:
    """It is not refused; what it names need not be there."""
    try:
        call(**params)
    except botocore.exceptions.ClientError as error:
        if "AccessDenied" in error.response["Error"]["Code"]:
            raise


Calls = list[tuple[str, str, dict[str, Any]]]
OBJECT = {"Bucket": BUCKET, "Key": "one"}
JOB = {"TrainingJobName": "nothing"}
# Policy -> (what it allows, what it does not).
TABLE: dict[str, tuple[Calls, Calls]] = {
    "AmazonSageMakerFullAccess": (
        [
            ("s3", "get_object", OBJECT),
            ("s3", "put_object", OBJECT | {"Body": b"2"}),
            ("s3", "get_object", {"Bucket": OTHER, "Key": "shared"}),
            ("s3", "list_objects_v2", {"Bucket": OTHER}),
            ("sagemaker", "stop_training_job", JOB),
            ("logs", "create_log_group", {"logGroupName": "/aws/sagemaker/new"}),
            ("iam", "list_roles", {}),
        ],
        [
            ("s3", "get_object", {"Bucket": OTHER, "Key": "one"}),
            ("s3", "put_object", {"Bucket": OTHER, "Key": "new", "Body": b"2"}),
            ("s3", "delete_object", {"Bucket": OTHER, "Key": "shared"}),
            ("s3", "delete_bucket", {"Bucket": BUCKET}),
            ("iam", "create_role", {"RoleName": "more", "AssumeRolePolicyDocument": TRUST}),
            ("logs", "delete_log_group", {"logGroupName": "/aws/sagemaker/new"}),
            ("kms", "create_key", {}),
        ],
    ),
    "AmazonSageMakerReadOnly": (
        [("sagemaker", "describe_training_job", JOB), ("sagemaker", "list_training_jobs", {})],
        [("sagemaker", "stop_training_job", JOB), ("s3", "get_object", OBJECT)],
    ),
    "AmazonS3FullAccess": (
        [("s3", "get_object", {"Bucket": OTHER, "Key": "one"}), ("s3", "put_object", OBJECT | {"Body": b"2"})],
        [("sagemaker", "list_training_jobs", {}), ("kms", "list_keys", {})],
    ),
    "AmazonS3ReadOnlyAccess": (
        [("s3", "get_object", {"Bucket": OTHER, "Key": "one"}), ("s3", "list_buckets", {})],
        [("s3", "put_object", OBJECT | {"Body": b"2"}), ("s3", "delete_object", OBJECT)],
    ),
    "CloudWatchLogsFullAccess": (
        [("logs", "create_log_group", {"logGroupName": "more"}), ("logs", "describe_log_groups", {})],
        [("s3", "list_buckets", {}), ("sagemaker", "list_training_jobs", {})],
    ),
    "IAMReadOnlyAccess": (
        [("iam", "list_users", {}), ("iam", "get_role", {"RoleName": "nobody"})],
        [("iam", "create_user", {"UserName": "more"}), ("iam", "delete_role", {"RoleName": "nobody"})],
    ),
    "SecurityAudit": (
        [("s3", "get_bucket_policy", {"Bucket": BUCKET}), ("iam", "list_users", {})],
        [("s3", "get_object", OBJECT), ("sagemaker", "stop_training_job", JOB)],
    ),
    "PowerUserAccess": (
        [("s3", "get_object", OBJECT), ("sagemaker", "list_training_jobs", {}), ("iam", "list_roles", {})],
        [("iam", "create_user", {"UserName": "more"})],
    ),
}


@pytest.mark.parametrize("policy", TABLE)
@pytest.mark.usefixtures("buckets")
def test_a_managed_policy_is_held_to_the_letter(policy: str, holder: Callable[[str], Role]) -> None:
    allowed, others = TABLE[policy]
    role = holder(policy)
    for service, call, params in allowed:
        may(getattr(role.client(service), call), **params)
    for service, call, params in others:
        refused(getattr(role.client(service), call), **params)


@pytest.mark.parametrize(
    ("role", "service", "effect"),
    [
        ("Any", "sagemaker.amazonaws.com", "allowed"),
        ("Any", "lambda.amazonaws.com", "implicitDeny"),
        ("Any", "states.amazonaws.com", "implicitDeny"),
        ("AmazonSageMaker-steps", "states.amazonaws.com", "allowed"),
    ],
)
def test_whom_a_role_of_sagemaker_may_be_passed_to(
    gateway: Any, holder: Callable[[str], Role], role: str, service: str, effect: str
) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html"""
    asked = {
        "PolicySourceArn": holder("AmazonSageMakerFullAccess").arn,
        "ActionNames": ["iam:PassRole"],
        "ResourceArns": [f"arn:aws:iam::{ACCOUNT}:role/{role}"],
    }
    simulate = gateway.client("iam").simulate_principal_policy
    key = {"ContextKeyName": "iam:PassedToService", "ContextKeyValues": [service], "ContextKeyType": "string"}
    (found,) = simulate(**asked, ContextEntries=[key])["EvaluationResults"]
    assert found["EvalDecision"] == effect
    (unknown,) = simulate(**asked)["EvaluationResults"]
    assert (unknown["EvalDecision"], unknown["MissingContextValues"]) == ("implicitDeny", ["iam:PassedToService"])


def of_stack(*policies: str) -> str:
    """A template of a role with policies of AWS's."""
    properties = {"RoleName": "of-a-stack", "AssumeRolePolicyDocument": json.loads(TRUST)}
    attached = {"ManagedPolicyArns": [f"{OF_AWS}{policy}" for policy in policies]}
    return json.dumps({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties | attached}}})


def test_a_role_of_a_stack_has_the_policies_of_its_template(gateway: Any) -> None:
    stacks, iam = gateway.client("cloudformation"), gateway.client("iam")
    named = {"StackName": "managed", "Capabilities": ["CAPABILITY_NAMED_IAM"]}

    def attached() -> list[str]:
        found = iam.list_attached_role_policies(RoleName="of-a-stack")["AttachedPolicies"]
        return sorted(one["PolicyName"] for one in found)

    stacks.create_stack(**named, TemplateBody=of_stack("AmazonSageMakerReadOnly", "IAMReadOnlyAccess"))
    assert attached() == ["AmazonSageMakerReadOnly", "IAMReadOnlyAccess"]
    stacks.update_stack(**named, TemplateBody=of_stack("SecurityAudit", "IAMReadOnlyAccess"))
    assert attached() == ["IAMReadOnlyAccess", "SecurityAudit"]
    stacks.delete_stack(StackName="managed")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        attached()


def test_a_boundary_may_be_one_of_aws(gateway: Any, unique: Callable[[str], str]) -> None:
    name, iam = unique("bounded"), gateway.client("iam")
    boundary = f"{OF_AWS}AmazonSageMakerReadOnly"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, PermissionsBoundary=boundary)
    iam.attach_role_policy(RoleName=name, PolicyArn=f"{OF_AWS}AdministratorAccess")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    issued = gateway.client("sts").assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    client = gateway.client("sagemaker", **keys, aws_session_token=issued["SessionToken"])
    client.list_training_jobs()
    refused(client.stop_training_job, **JOB)


def test_tags_that_an_object_is_put_with_are_held_to(gateway: Any, unique: Callable[[str], str]) -> None:
    ours = {
        "StringEquals": {"s3:RequestObjectTag/Team": "a"},
        "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["Team"]},
    }
    role = Role(gateway, unique("tagger"), allow("s3:PutObject", "s3:PutObjectTagging", Condition=ours))
    gateway.client("s3").create_bucket(Bucket="tagged-by-role")
    put, where = role.client("s3").put_object, {"Bucket": "tagged-by-role", "Key": "one"}
    put(**where, Tagging="Team=a")
    for tags in ("Team=b", "Team=b&Team=a", "Team=a&More=b", "team", ""):
        refused(put, **where, Tagging=tags)
