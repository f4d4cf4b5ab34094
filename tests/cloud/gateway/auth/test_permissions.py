"""A user or a session of a role is held to its policies; the home's own key is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagelab.cloud.gateway.auth import conditions
from tests.conftest import LocalCloud
from tests.trusts import TRUST

ACCOUNT = "123456789012"
Statement = dict[str, Any]


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on} | more


def deny(*actions: str, on: str | list[str] = "*", **more: Any) -> Statement:
    return allow(*actions, on=on, **more) | {"Effect": "Deny"}


class Role:
    """A session of a new role with these statements."""

    def __init__(self, gateway: Any, name: str, *statements: Statement) -> None:
        iam = gateway.client("iam")
        self.arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
        issued = gateway.client("sts").assume_role(RoleArn=self.arn, RoleSessionName="lab")["Credentials"]
        self._gateway = gateway
        self._keys = {
            "aws_access_key_id": issued["AccessKeyId"],
            "aws_secret_access_key": issued["SecretAccessKey"],
            "aws_session_token": issued["SessionToken"],
        }
        self.who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/lab"

    def post(self, service: str, body: str, headers: dict[str, str]) -> int:
        """The status of a request that no SDK would make."""
        return self.send(service, "/", body, headers)[0]

    def send(self, service: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        """Status, headers and body of the answer to such a request."""
        request = AWSRequest("POST", self._gateway.url + path, data=body.encode(), headers=headers)
        SigV4Auth(Credentials(*self._keys.values()), service, "us-east-1").add_auth(request)
        sent = dict(request.headers.items()) | {"Host": self._gateway.url.partition("//")[2]}
        found: tuple[int, Any, bytes] = self._gateway.send("POST", path, body.encode(), sent)
        return found

    def client(self, service: str) -> Any:
        return self._gateway.client(service, **self._keys)


@pytest.fixture
def role(gateway: Any, unique: Callable[[str], str]) -> Callable[..., Role]:
    return lambda *statements: Role(gateway, unique("role"), *statements)


@pytest.fixture(scope="module")
def bucket(gateway: Any) -> str:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="permitted")
    for key in ("data/a", "other/b"):
        s3.put_object(Bucket="permitted", Key=key, Body=b"content")
    return "permitted"


def refused(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        call(**params)
    error = trouble.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException")
    return str(error["Message"])


def job(name: str, role_arn: str, kind: str = "ml.m5.large") -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": role_arn,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def test_a_role_without_a_policy_may_do_nothing(role: Callable[..., Role], bucket: str) -> None:
    nobody = role()
    said = refused(nobody.client("sagemaker").list_training_jobs)
    assert said == (
        f"User: {nobody.who} is not authorized to perform: sagemaker:ListTrainingJobs on resource: *"
        " because no identity-based policy allows the sagemaker:ListTrainingJobs action"
    )
    said = refused(nobody.client("s3").get_object, Bucket=bucket, Key="data/a")
    assert "s3:GetObject on resource: arn:aws:s3:::permitted/data/a because no identity-based" in said
    for service, call in (("logs", "describe_log_groups"), ("kms", "list_keys"), ("iam", "list_roles")):
        refused(getattr(nobody.client(service), call))
    assert nobody.client("sts").get_caller_identity()["Arn"] == nobody.who


def test_an_allow_reaches_as_far_as_its_resource(role: Callable[..., Role], bucket: str) -> None:
    reader = role(allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/data/*")).client("s3")
    assert reader.get_object(Bucket=bucket, Key="data/a")["Body"].read() == b"content"
    refused(reader.get_object, Bucket=bucket, Key="other/b")
    refused(reader.put_object, Bucket=bucket, Key="data/c", Body=b"")
    refused(reader.list_objects_v2, Bucket=bucket)


def test_a_deny_wins_and_says_so(role: Callable[..., Role], bucket: str) -> None:
    half = role(allow("s3:*"), deny("s3:Delete*", on=f"arn:aws:s3:::{bucket}/*")).client("s3")
    half.put_object(Bucket=bucket, Key="data/kept", Body=b"x")
    said = refused(half.delete_object, Bucket=bucket, Key="data/kept")
    assert said.endswith("with an explicit deny in an identity-based policy")
    refused(half.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": "data/kept"}]})
    assert half.get_object(Bucket=bucket, Key="data/kept")["Body"].read() == b"x"


def test_a_copy_needs_to_read_its_source(role: Callable[..., Role], bucket: str) -> None:
    writer = role(allow("s3:PutObject")).client("s3")
    said = refused(writer.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/data/a")
    assert "s3:GetObject on resource: arn:aws:s3:::permitted/data/a" in said


def test_a_list_is_held_to_its_prefix(role: Callable[..., Role], bucket: str) -> None:
    condition = {"StringLike": {"s3:prefix": "data/*"}}
    lister = role(allow("s3:ListBucket", on=f"arn:aws:s3:::{bucket}", Condition=condition)).client("s3")
    assert lister.list_objects_v2(Bucket=bucket, Prefix="data/")["KeyCount"] > 0
    refused(lister.list_objects_v2, Bucket=bucket, Prefix="other/")
    refused(lister.list_objects_v2, Bucket=bucket)


def test_a_job_is_held_to_its_name_and_instance_type(gateway: Any, role: Callable[..., Role]) -> None:
    small = {"ForAllValues:StringLike": {"sagemaker:InstanceTypes": "ml.m5.*"}}
    jobs = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/lab-*"
    trainer = role(
        allow("sagemaker:CreateTrainingJob", on=jobs, Condition=small),
        allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}),
    )
    sagemaker = trainer.client("sagemaker")
    sagemaker.create_training_job(**job("lab-one", trainer.arn))
    refused(sagemaker.create_training_job, **job("other-one", trainer.arn))
    refused(sagemaker.create_training_job, **job("lab-two", trainer.arn, "ml.p4d.24xlarge"))
    assert "lab-two" not in gateway.jobs.kept


def test_a_role_is_passed_only_by_who_may(gateway: Any, role: Callable[..., Role]) -> None:
    mine = role()
    trainer = role(allow("sagemaker:*"), allow("iam:PassRole", on=mine.arn))
    trainer.client("sagemaker").create_training_job(**job("passed", mine.arn))
    other = f"arn:aws:iam::{ACCOUNT}:role/Admin"
    said = refused(trainer.client("sagemaker").create_training_job, **job("not-passed", other))
    assert f"is not authorized to perform: iam:PassRole on resource: {other} because" in said
    assert "not-passed" not in gateway.jobs.kept


def test_a_role_cannot_raise_itself(role: Callable[..., Role]) -> None:
    trainer = role(allow("sagemaker:*", "s3:*"))
    name = trainer.arn.rpartition("/")[2]
    iam, policy = trainer.client("iam"), "arn:aws:iam::aws:policy/AdministratorAccess"
    refused(iam.attach_role_policy, RoleName=name, PolicyArn=policy)
    refused(trainer.client("sts").assume_role, RoleArn=trainer.arn, RoleSessionName="again")


@pytest.mark.parametrize(
    ("policy", "may", "may_not"),
    [
        ("AmazonSageMakerFullAccess", ["sagemaker:CreateTrainingJob", "s3:ListBucket"], ["iam:CreateRole"]),
        ("AmazonSageMakerReadOnly", ["sagemaker:ListTrainingJobs"], ["sagemaker:CreateTrainingJob"]),
        ("AdministratorAccess", ["iam:CreateRole", "sagemaker:CreateTrainingJob"], []),
        ("job-function/DataScientist", ["sagemaker:CreateTrainingJob"], ["iam:CreateUser"]),
    ],
)
def test_the_managed_policies_of_the_course_are_there(
    gateway: Any, role: Callable[..., Role], policy: str, may: list[str], may_not: list[str]
) -> None:
    someone, iam = role(), gateway.client("iam")
    name = someone.arn.rpartition("/")[2]
    iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    decisions = simulate(gateway, someone.arn, may + may_not)
    assert {action for action, decision in decisions.items() if decision == "allowed"} == set(may)


def simulate(gateway: Any, arn: str, actions: list[str], **more: Any) -> dict[str, str]:
    found = gateway.client("iam").simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, **more)
    return {one["EvalActionName"]: one["EvalDecision"] for one in found["EvaluationResults"]}


def test_a_user_is_held_to_its_own_and_its_groups_policies(gateway: Any, unique: Callable[[str], str]) -> None:
    iam, name, group = gateway.client("iam"), unique("user"), unique("group")
    iam.create_user(UserName=name)
    issued = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    refused(gateway.client("s3", **keys).list_buckets)
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:ListAllMyBuckets")]})
    iam.put_group_policy(GroupName=group, PolicyName="list", PolicyDocument=document)
    gateway.client("s3", **keys).list_buckets()


def test_simulation_of_a_policy_that_nobody_has(gateway: Any) -> None:
    condition = {"NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "3600"}}
    document = json.dumps({"Statement": allow("sagemaker:*", Condition=condition)})
    iam, actions = gateway.client("iam"), ["sagemaker:CreateTrainingJob"]
    (unknown,) = iam.simulate_custom_policy(PolicyInputList=[document], ActionNames=actions)["EvaluationResults"]
    assert unknown["EvalDecision"] == "implicitDeny"
    assert unknown["MissingContextValues"] == ["sagemaker:MaxRuntimeInSeconds"]
    for seconds, decision in (("600", "allowed"), ("7200", "implicitDeny")):
        entry = {
            "ContextKeyName": "sagemaker:MaxRuntimeInSeconds",
            "ContextKeyValues": [seconds],
            "ContextKeyType": "numeric",
        }
        found = iam.simulate_custom_policy(PolicyInputList=[document], ActionNames=actions, ContextEntries=[entry])
        assert found["EvaluationResults"][0]["EvalDecision"] == decision


def test_simulation_of_nonsense_is_refused(gateway: Any) -> None:
    iam = gateway.client("iam")
    with pytest.raises(botocore.exceptions.ClientError, match="MalformedPolicyDocument"):
        iam.simulate_custom_policy(PolicyInputList=["{no json"], ActionNames=["s3:GetObject"])
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchEntity"):
        simulate(gateway, f"arn:aws:iam::{ACCOUNT}:role/nobody-made-this", ["s3:GetObject"])


def test_a_tuning_job_passes_on_the_role_of_its_training_jobs(
    cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    definition = job("one", f"arn:aws:iam::{ACCOUNT}:role/Admin")
    del definition["TrainingJobName"]
    limits = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    tuner = Role(cloud, unique("role"), allow("sagemaker:*")).client("sagemaker")
    said = refused(
        tuner.create_hyper_parameter_tuning_job,
        HyperParameterTuningJobName=unique("t")[:32],
        HyperParameterTuningJobConfig={"Strategy": "Random", "ResourceLimits": limits},
        TrainingJobDefinition=definition,
    )
    assert f"is not authorized to perform: iam:PassRole on resource: {definition['RoleArn']} because" in said


@pytest.mark.parametrize("by", ["aws", "sagemaker"])
def test_a_resource_is_held_to_its_tags(cloud: LocalCloud, unique: Callable[[str], str], by: str) -> None:
    mine = {"StringEquals": {f"{by}:ResourceTag/team": "a"}}
    operation, owner = "sagemaker:DeleteNotebookInstanceLifecycleConfig", cloud.client("sagemaker")
    member = Role(cloud, unique("role"), allow(operation, Condition=mine)).client("sagemaker")
    names = {team: unique(f"config-{team}") for team in "ab"}
    for team, name in names.items():
        tags = [{"Key": "team", "Value": team}]
        owner.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, Tags=tags)
    delete = member.delete_notebook_instance_lifecycle_config
    refused(delete, NotebookInstanceLifecycleConfigName=names["b"])
    delete(NotebookInstanceLifecycleConfigName=names["a"])
    owner.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=names["b"])


def test_session_of_a_role_that_is_gone_may_do_nothing(
    gateway: Any, role: Callable[..., Role], bucket: str
) -> None:
    gone, iam = role(allow("*")), gateway.client("iam")
    gone.client("s3").get_object(Bucket=bucket, Key="data/a")
    name = gone.arn.rpartition("/")[2]
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)
    refused(gone.client("s3").get_object, Bucket=bucket, Key="data/a")
    refused(gone.client("iam").list_users)


def test_session_of_a_role_is_not_one_of_another_by_its_name(
    gateway: Any, unique: Callable[[str], str], bucket: str
) -> None:
    name, iam, s3 = unique("role"), gateway.client("iam"), gateway.client("s3")
    old = Role(gateway, name, allow("*"))
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)
    new = Role(gateway, name, allow("*"))
    named = allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", Principal={"AWS": [old.arn, old.who]})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [named]}))
    assert "because no identity-based policy" in refused(old.client("s3").get_object, Bucket=bucket, Key="data/a")
    refused(old.client("iam").list_users)
    new.client("s3").get_object(Bucket=bucket, Key="data/a")
    s3.delete_bucket_policy(Bucket=bucket)
    ids = [one.client("sts").get_caller_identity()["UserId"].partition(":")[0] for one in (old, new)]
    assert ids[0] != ids[1] == iam.get_role(RoleName=name)["Role"]["RoleId"]


def test_session_of_a_user_is_not_one_of_another_by_its_name(gateway: Any, unique: Callable[[str], str]) -> None:
    iam, name = gateway.client("iam"), unique("user")
    sessions = []
    for _ in range(2):
        iam.create_user(UserName=name)
        iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        key = iam.create_access_key(UserName=name)["AccessKey"]
        by = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        issued = gateway.client("sts", **by).get_session_token()["Credentials"]
        own = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
        sessions.append(gateway.client("s3", **own, aws_session_token=issued["SessionToken"]))
        sessions[-1].list_buckets()
        if len(sessions) == 1:
            iam.detach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
            iam.delete_user(UserName=name)
    refused(sessions[0].list_buckets)


def test_name_of_a_session_makes_nobody_the_owner(gateway: Any, unique: Callable[[str], str]) -> None:
    role, sts = Role(gateway, unique("role")).arn, gateway.client("sts")
    issued = sts.assume_role(RoleArn=role, RoleSessionName=gateway.home.caller_arn.rpartition("/")[2])[
        "Credentials"
    ]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    iam = gateway.client("iam", **keys, aws_session_token=issued["SessionToken"])
    refused(iam.list_users)
    own = sts.get_session_token()["Credentials"]
    keys = {"aws_access_key_id": own["AccessKeyId"], "aws_secret_access_key": own["SecretAccessKey"]}
    gateway.client("iam", **keys, aws_session_token=own["SessionToken"]).list_users()


def test_what_is_longer_than_a_name_is_matched_with_no_pattern(
    role: Callable[..., Role], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each character of it would be a step, of everybody's time."""
    longest: list[int] = []
    like = conditions.like

    def measure(pattern: Any, text: str, **how: Any) -> bool:
        longest.append(len(text))
        return like(pattern, text, **how)

    monkeypatch.setattr(conditions, "like", measure)
    somebody = role(
        allow("sagemaker:*", on="arn:aws:sagemaker:*:*:training-job/a*z"),
        allow("logs:*", on="arn:aws:logs:*:*:log-group:a*z"),
        allow("sagemaker:AddTags", Condition={"ForAllValues:StringLike": {"aws:TagKeys": "a*z"}}),
    )
    head = {"Content-Type": "application/x-amz-json-1.1"}
    name, tags = "a" * (4 << 20), [{"Key": f"a{number}", "Value": ""} for number in range(50_000)]
    for service, target, body in (
        ("sagemaker", "SageMaker.StopTrainingJob", {"TrainingJobName": name}),
        ("sagemaker", "SageMaker.CreateTrainingJob", {"TrainingJobName": "az", "Tags": tags}),
        ("logs", "Logs_20140328.CreateLogGroup", {"logGroupName": name}),
    ):
        status, _, said = somebody.send(service, "/", json.dumps(body), head | {"X-Amz-Target": target})
        assert (status, b"too long" in said, len(said) < 1_000) == (400, True, True), (target, said[:300])
    assert max(longest) < 1 << 13
