"""Boundaries, session policies, trust, key policies and variables: what limits a role, and what lets it in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import pytest
from botocore.loaders import Loader

from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.policies import evaluate
from sagelab.cloud.gateway.auth.verdict import Guarded, Rights, is_unlimited, reach
from sagelab.cloud.gateway.moto.routes import MODELS
from sagelab.cloud.gateway.moto.services import services
from tests.cloud.gateway.auth.test_permissions import Role, allow, deny, refused
from tests.trusts import ACCOUNT, TRUST, trusting

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
SESSION = Key("ASIA", "", f"arn:aws:sts::{ACCOUNT}:assumed-role/r/lab", "id", ACCOUNT)
OBJECT = Needed("s3:GetObject", "arn:aws:s3:::b/k")
READ, NOTHING = [{"Statement": allow("s3:GetObject")}], [{"Statement": allow("s3:PutObject")}]
BOUNDED = (("permissions boundary", NOTHING),)


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def of(principal: Any, effect: str = "Allow") -> dict[str, Any]:
    return policy({"Effect": effect, "Principal": principal, "Action": "*", "Resource": "*"})


@pytest.fixture
def role(gateway: Any, unique: Callable[[str], str]) -> Callable[..., Role]:
    return lambda *statements: Role(gateway, unique("role"), *statements)


@pytest.mark.parametrize(
    ("rights", "resource", "unlimited"),
    [
        (Rights(None), Guarded(), True),
        (Rights(None), Guarded(of({"AWS": ROOT}, "Deny")), False),
        (Rights(None), Guarded(decides=True), False),
        (Rights(None, BOUNDED), Guarded(), False),
        (Rights(READ), Guarded(), False),
        (Rights(gone=True), Guarded(), False),
    ],
)
def test_owner_is_not_asked_where_nothing_could_refuse(rights: Rights, resource: Guarded, unlimited: bool) -> None:
    assert is_unlimited(rights, resource) == unlimited
    assert not unlimited or reach(SESSION, rights, resource, OBJECT, {}).effect == "allowed"


@pytest.mark.parametrize(
    ("rights", "resource", "expected"),
    [
        (Rights(READ), Guarded(), ("allowed", "identity-based policy")),
        (Rights(NOTHING), Guarded(), ("implicitDeny", "identity-based policy")),
        (Rights(READ, BOUNDED), Guarded(), ("implicitDeny", "permissions boundary")),
        (Rights(READ, (("session policy", READ),)), Guarded(), ("allowed", "identity-based policy")),
        (
            Rights(READ, (("session policy", [policy(deny("s3:*"))]),)),
            Guarded(),
            ("explicitDeny", "session policy"),
        ),
        (Rights(NOTHING), Guarded(of({"AWS": ROLE})), ("allowed", "identity-based policy")),
        (Rights(NOTHING, BOUNDED), Guarded(of({"AWS": ROLE})), ("implicitDeny", "identity-based policy")),
        (Rights(NOTHING, BOUNDED), Guarded(of({"AWS": SESSION.arn})), ("allowed", "identity-based policy")),
        (Rights(NOTHING), Guarded(of({"AWS": ROOT})), ("implicitDeny", "identity-based policy")),
        (Rights(READ), Guarded(of({"AWS": ROOT}, "Deny")), ("explicitDeny", "resource-based policy")),
        (Rights(None), Guarded(of({"AWS": ROLE}, "Deny")), ("explicitDeny", "resource-based policy")),
        (Rights(READ), Guarded(of({"AWS": ROOT}), decides=True), ("allowed", "identity-based policy")),
        (Rights(READ), Guarded(policy(), decides=True), ("implicitDeny", "resource-based policy")),
        (Rights(None), Guarded(policy(), decides=True), ("implicitDeny", "resource-based policy")),
        (Rights(NOTHING), Guarded(of({"AWS": ROOT}), True, frozenset({"s3:GetObject"})), ("allowed", "")),
    ],
)
def test_policies_are_put_together_as_aws_does(
    rights: Rights, resource: Guarded, expected: tuple[str, str]
) -> None:
    found = reach(SESSION, rights, resource, OBJECT, {})
    assert found.effect == expected[0]
    assert found.effect == "allowed" or found.kind == expected[1]


@pytest.mark.parametrize(
    ("resource", "values", "version", "effect"),
    [
        ("arn:aws:s3:::b/${aws:username}/*", ["ada"], "2012-10-17", "allowed"),
        ("arn:aws:s3:::b/${aws:UserName}/*", ["bob"], "2012-10-17", "implicitDeny"),
        ("arn:aws:s3:::b/${aws:username}/*", None, "2012-10-17", "implicitDeny"),
        ("arn:aws:s3:::b/${aws:username, 'ada'}/*", None, "2012-10-17", "allowed"),
        ("arn:aws:s3:::b/${aws:username}/*", ["*"], "2012-10-17", "implicitDeny"),
        ("arn:aws:s3:::b/${aws:username}/*", ["ada"], "2008-10-17", "implicitDeny"),
        ("arn:aws:s3:::b/a${?}a/k", None, "2012-10-17", "implicitDeny"),
    ],
)
def test_variable_stands_for_its_value(resource: str, values: list[str] | None, version: str, effect: str) -> None:
    document = {"Version": version, "Statement": allow("s3:GetObject", on=resource)}
    context = {"aws:username": values} if values else {}
    assert evaluate([document], "s3:GetObject", "arn:aws:s3:::b/ada/k", context).effect == effect


def test_deny_of_all_but_a_users_own_has_no_gap_without_a_name() -> None:
    own = {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/${aws:username}/*"}
    documents = [policy(allow("s3:*"), own)]
    assert evaluate(documents, "s3:GetObject", "arn:aws:s3:::b/ada/k", {}).effect == "explicitDeny"
    assert (
        evaluate(documents, "s3:GetObject", "arn:aws:s3:::b/ada/k", {"aws:username": ["ada"]}).effect == "allowed"
    )


def test_user_reaches_its_own_folder(gateway: Any, unique: Callable[[str], str]) -> None:
    iam, s3, name, bucket = gateway.client("iam"), gateway.client("s3"), unique("user"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    iam.create_user(UserName=name)
    own = json.dumps(policy(allow("s3:PutObject", on=f"arn:aws:s3:::{bucket}/${{aws:username}}/*")))
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=own)
    issued = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    gateway.client("s3", **keys).put_object(Bucket=bucket, Key=f"{name}/mine", Body=b"x")
    refused(gateway.client("s3", **keys).put_object, Bucket=bucket, Key="other/mine", Body=b"x")


def test_role_is_taken_on_by_whom_it_trusts(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    iam, named, other = gateway.client("iam"), role(), role(allow("sts:AssumeRole"))
    name = unique("trusting")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting({"AWS": named.arn}))["Role"]["Arn"]

    def take(client: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.assume_role(RoleArn=arn, RoleSessionName="session")
        return found

    assert take(named.client("sts"))["AssumedRoleUser"]["Arn"].endswith(f"assumed-role/{name}/session")
    said = refused(take, client=other.client("sts"))
    assert said.endswith("because no resource-based policy allows the sts:AssumeRole action")
    refused(take, client=gateway.client("sts"))
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST)
    assert take(other.client("sts"))
    assert take(gateway.client("sts"))
    refused(take, client=named.client("sts"))
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusting({"Service": "sagemaker.amazonaws.com"}))
    refused(take, client=gateway.client("sts"))
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        gateway.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/nobody", RoleSessionName="session")


@pytest.mark.parametrize(
    ("key", "pattern", "taken"),
    [
        ("aws:SourceAccount", ACCOUNT, True),
        ("aws:SourceAccount", "210987654321", False),
        ("aws:SourceArn", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:*", True),
        ("aws:SourceArn", f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:*", False),
    ],
)
def test_service_says_for_which_account_and_region_it_takes_a_role_on(
    gateway: Any, role: Callable[..., Role], key: str, pattern: str, taken: bool
) -> None:
    asked, service = role(), {"Service": "sagemaker.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    document = json.dumps(policy(statement | {"Condition": {"ArnLike": {key: pattern}}}))
    name = asked.arn.rpartition("/")[2]
    gateway.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=document)
    assert may_take_on(gateway, asked.arn) is taken


def may_take_on(gateway: Any, role: str) -> bool:
    """Whether SageMaker may."""
    keys = dict(zip(("aws_access_key_id", "aws_secret_access_key"), gateway.service, strict=True))
    try:
        gateway.client("sts", **keys).assume_role(RoleArn=role, RoleSessionName="SageMaker")
    except botocore.exceptions.ClientError:
        return False
    return True


def test_sessions_are_ended_by_when_they_were_made(gateway: Any, role: Callable[..., Role]) -> None:
    session, now = role(allow("sqs:ListQueues")), datetime.now(UTC)
    name, sqs = session.arn.rpartition("/")[2], session.client("sqs")
    for moment, ended in ((now - timedelta(hours=1), False), (now + timedelta(hours=1), True)):
        older = {"DateLessThan": {"aws:TokenIssueTime": moment.isoformat()}}
        document = json.dumps(policy(deny("*", Condition=older)))
        gateway.client("iam").put_role_policy(RoleName=name, PolicyName="Revoke", PolicyDocument=document)
        if ended:
            assert "explicit deny" in refused(sqs.list_queues)
        else:
            sqs.list_queues()


@pytest.mark.parametrize(
    ("condition", "denied"),
    [
        ({"StringEquals": {"aws:PrincipalTag/Team": "a"}}, True),
        ({"StringEquals": {"aws:PrincipalTag/team": "b"}}, False),
        ({"StringNotEquals": {"aws:PrincipalTag/team": "a"}}, False),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, True),
        ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, True),
        ({"Bool": {"aws:ViaAWSService": "true"}}, False),
    ],
)
def test_deny_knows_what_is_true_of_a_caller(
    gateway: Any, role: Callable[..., Role], condition: dict[str, Any], denied: bool
) -> None:
    session = role(allow("sqs:ListQueues"), deny("*", Condition=condition))
    name = session.arn.rpartition("/")[2]
    gateway.client("iam").tag_role(RoleName=name, Tags=[{"Key": "team", "Value": "a"}])
    if denied:
        refused(session.client("sqs").list_queues)
    else:
        session.client("sqs").list_queues()


def test_role_is_taken_on_with_the_external_id_that_it_asks_for(gateway: Any, role: Callable[..., Role]) -> None:
    asked, sts = role(), gateway.client("sts")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ROOT},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "ours"}, "StringLike": {"sts:RoleSessionName": "lab-*"}},
    }
    document, name = json.dumps(policy(statement)), asked.arn.rpartition("/")[2]
    gateway.client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=document)
    for session, given in (("lab-1", {}), ("lab-1", {"ExternalId": "theirs"}), ("other", {"ExternalId": "ours"})):
        refused(sts.assume_role, RoleArn=asked.arn, RoleSessionName=session, **given)
    assert sts.assume_role(RoleArn=asked.arn, RoleSessionName="lab-1", ExternalId="ours")["Credentials"]


def test_session_is_limited_by_its_policy(gateway: Any, role: Callable[..., Role]) -> None:
    whole, sts = role(allow("s3:*"), allow("iam:ListUsers")), gateway.client("sts")
    narrow = json.dumps(policy(allow("iam:*")))
    issued = sts.assume_role(RoleArn=whole.arn, RoleSessionName="session", Policy=narrow)["Credentials"]
    keys = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    keys["aws_session_token"] = issued["SessionToken"]
    gateway.client("iam", **keys).list_users()
    refused(gateway.client("iam", **keys).list_roles)
    said = refused(gateway.client("s3", **keys).list_buckets)
    assert said.endswith("because no session policy allows the s3:ListAllMyBuckets action")


def test_session_is_limited_by_managed_policies(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    whole, iam, sts = role(allow("s3:*"), allow("iam:*")), gateway.client("iam"), gateway.client("sts")

    def session(*arns: str, **options: str) -> dict[str, str]:
        given = [{"arn": arn} for arn in arns]
        asked = {"RoleArn": whole.arn, "RoleSessionName": "session", "PolicyArns": given}
        issued = sts.assume_role(**asked, **options)["Credentials"]
        members = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return {name: issued[member] for name, member in zip(names, members, strict=True)}

    document = json.dumps(policy(allow("iam:ListUsers")))
    own = iam.create_policy(PolicyName=unique("own"), PolicyDocument=document)["Policy"]["Arn"]
    buckets = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    keys = session(own, buckets, Policy=json.dumps(policy(allow("sqs:*"))))
    gateway.client("iam", **keys).list_users()
    gateway.client("s3", **keys).list_buckets()
    refused(gateway.client("s3", **keys).create_bucket, Bucket=unique("never"))
    refused(gateway.client("sqs", **keys).list_queues)  # which the role itself may not do
    said = refused(gateway.client("iam", **keys).list_roles)
    assert said.endswith("because no session policy allows the iam:ListRoles action")
    iam.delete_policy(PolicyArn=own)  # what is gone lets nothing through
    refused(gateway.client("iam", **keys).list_users)
    errors = {
        "ValidationError": [own],
        "ValidationError ": [buckets] * 11,
        "PackedPolicyTooLarge": [f"arn:aws:iam::{ACCOUNT}:policy/{'x' * 120}{number}" for number in range(10)],
    }
    for code, arns in errors.items():
        with pytest.raises(botocore.exceptions.ClientError, match=code.strip()):
            session(*arns, Policy=json.dumps(policy(allow("sqs:*" + "x" * 600))))
    for odd in ("{", json.dumps(policy(allow("sqs:" + "x" * 2048)))):
        with pytest.raises(botocore.exceptions.ClientError, match=r"MalformedPolicyDocument|equal to 2048"):
            session(Policy=odd)
    with pytest.raises(botocore.exceptions.ClientError, match="Tags of a session"):
        sts.assume_role(RoleArn=whole.arn, RoleSessionName="session", Tags=[{"Key": "a", "Value": "b"}])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"RoleSessionName": "lab/../other"}, "roleSessionName"),
        ({"RoleSessionName": "*:*"}, "roleSessionName"),
        ({"DurationSeconds": 10**9}, "between 900 and 43200"),
        ({"DurationSeconds": 3601}, "exceeds the MaxSessionDuration set for this role"),
    ],
)
def test_session_has_a_name_and_a_time_that_it_can_have(
    gateway: Any, role: Callable[..., Role], asked: dict[str, Any], words: str
) -> None:
    request = {"RoleArn": role().arn, "RoleSessionName": "lab", **asked}
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        gateway.client("sts").assume_role(**request)


def test_role_is_limited_by_its_boundary(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    iam, bounded = gateway.client("iam"), role(allow("*"))
    document = json.dumps(policy(allow("s3:*")))
    limit = iam.create_policy(PolicyName=unique("limit"), PolicyDocument=document)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=bounded.arn.rpartition("/")[2], PermissionsBoundary=limit)
    bounded.client("s3").list_buckets()
    said = refused(bounded.client("iam").list_users)
    assert said.endswith("because no permissions boundary allows the iam:ListUsers action")


def test_key_is_used_by_whom_its_policy_lets(gateway: Any, role: Callable[..., Role]) -> None:
    kms, named, other = gateway.client("kms"), role(), role(allow("kms:*"))
    admin = {
        "Effect": "Allow",
        "Principal": {"AWS": ROOT},
        "Action": ["kms:Put*", "kms:Describe*"],
        "Resource": "*",
    }
    user = {"Effect": "Allow", "Principal": {"AWS": named.arn}, "Action": ["kms:Encrypt"], "Resource": "*"}
    key = kms.create_key(Policy=json.dumps(policy(admin, user)))["KeyMetadata"]
    sealed = named.client("kms").encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    for someone in (other.client("kms"), kms):
        said = refused(someone.encrypt, KeyId=key["Arn"], Plaintext=b"x")
        assert said.endswith("because no resource-based policy allows the kms:Encrypt action")
    refused(named.client("kms").decrypt, CiphertextBlob=sealed)  # whose key is in the text alone
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(of({"AWS": ROOT})))
    assert other.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=named.arn, Operations=["Decrypt"])
    assert named.client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    refused(named.client("kms").encrypt, KeyId=key["KeyId"], Plaintext=b"x")


def test_grant_lets_in_whom_it_names_for_what_it_says(gateway: Any, role: Callable[..., Role]) -> None:
    kms, user, boss = gateway.client("kms"), role(), role()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    theirs, pairs = user.client("kms"), {"team": "vision", "stage": "test"}
    asked = {"KeyId": key, "Plaintext": b"x"}
    refused(theirs.encrypt, **asked)
    limited = kms.create_grant(
        KeyId=key,
        GranteePrincipal=user.arn,
        RetiringPrincipal=boss.arn,
        Operations=["Encrypt", "Decrypt", "DescribeKey"],
        Constraints={"EncryptionContextSubset": {"team": "vision"}},
    )
    text = theirs.encrypt(EncryptionContext=pairs, **asked)["CiphertextBlob"]
    assert theirs.decrypt(CiphertextBlob=text, EncryptionContext=pairs)["Plaintext"] == b"x"
    assert theirs.describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key
    for other in ({}, {"team": "sales"}, {"stage": "test"}):
        refused(theirs.encrypt, EncryptionContext=other, **asked)
    refused(theirs.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext=pairs)
    assert [one["GrantId"] for one in kms.list_grants(KeyId=key)["Grants"]] == [limited["GrantId"]]
    other = kms.create_grant(KeyId=key, GranteePrincipal=user.arn, Operations=["DescribeKey"])
    refused(boss.client("kms").retire_grant, KeyId=key, GrantId=other["GrantId"])
    refused(theirs.retire_grant, GrantToken=limited["GrantToken"])
    boss.client("kms").retire_grant(GrantToken=limited["GrantToken"])
    refused(theirs.encrypt, EncryptionContext=pairs, **asked)
    kms.revoke_grant(KeyId=key, GrantId=other["GrantId"])
    refused(theirs.describe_key, KeyId=key)


def test_grant_is_passed_on_with_no_more_than_it_gives(gateway: Any, role: Callable[..., Role]) -> None:
    kms, one, two = gateway.client("kms"), role(), role()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    given = ["CreateGrant", "Encrypt"]
    kms.create_grant(KeyId=key, GranteePrincipal=one.arn, Operations=given)
    passed = {"KeyId": key, "GranteePrincipal": two.arn}
    refused(one.client("kms").create_grant, Operations=["Encrypt", "Decrypt"], **passed)
    one.client("kms").create_grant(Operations=["Encrypt"], **passed)
    assert two.client("kms").encrypt(KeyId=key, Plaintext=b"x")["KeyId"].endswith(key)


def test_key_is_for_objects_of_a_bucket_by_condition_and_grant(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    """What S3 asks KMS for says for which object, and that it is S3 that asks."""
    kms, s3, bucket = gateway.client("kms"), gateway.client("s3"), unique("sealed")
    s3.create_bucket(Bucket=bucket)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    via = {
        "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}/open/*"},
    }
    by_policy = role(allow("s3:*"), allow("kms:GenerateDataKey", "kms:Decrypt") | {"Condition": via})
    by_grant = role(allow("s3:*"))
    whole = {"EncryptionContextEquals": {"aws:s3:arn": f"arn:aws:s3:::{bucket}/open/a"}}
    kms.create_grant(
        KeyId=key, GranteePrincipal=by_grant.arn, Operations=["GenerateDataKey", "Decrypt"], Constraints=whole
    )
    asked = {"Bucket": bucket, "Body": b"x", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    for one in (by_policy, by_grant):
        theirs = one.client("s3")
        theirs.put_object(Key="open/a", **asked)
        assert theirs.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"x"
        refused(theirs.put_object, Key="closed/a", **asked)
        refused(one.client("kms").generate_data_key, KeyId=key, KeySpec="AES_256")


@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("filter_log_events", {"logGroupIdentifier": "arn:aws:logs:us-east-1:123456789012:log-group:/closed"}),
        ("start_query", {"logGroupNames": ["/open", "/closed"], "startTime": 0, "endTime": 1, "queryString": "q"}),
        ("start_query", {"logGroupIdentifiers": ["/closed"], "startTime": 0, "endTime": 1, "queryString": "q"}),
    ],
)
def test_log_group_is_meant_however_it_is_named(
    role: Callable[..., Role], call: str, params: dict[str, Any]
) -> None:
    reader = role(allow("logs:*", on=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/open:*")).client("logs")
    assert "log-group:/closed:*" in refused(getattr(reader, call), **params)


def test_who_may_not_change_a_group_joins_none(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    iam, user, group = gateway.client("iam"), unique("user"), unique("group")
    iam.create_user(UserName=user)
    iam.create_group(GroupName=group)
    member = role(allow("iam:AddUserToGroup", on=f"arn:aws:iam::{ACCOUNT}:user/*")).client("iam")
    assert f"group/{group}" in refused(member.add_user_to_group, UserName=user, GroupName=group)


def test_role_is_passed_on_to_any_service_by_who_may(role: Callable[..., Role]) -> None:
    mine = role(allow("states:*", "lambda:*"))
    create = mine.client("stepfunctions").create_state_machine
    said = refused(create, name="s", definition="{}", roleArn=mine.arn)
    assert f"iam:PassRole on resource: {mine.arn}" in said
    for depth in (900, 100_000):  # nobody fails on it
        deep = '{"a":' * depth + "{}" + "}" * depth
        headers = {"X-Amz-Target": "AWSStepFunctions.CreateStateMachine"}
        assert mine.post("states", deep, headers) < 500
    function = {"FunctionName": "f", "Runtime": "python3.13", "Handler": "f.f", "Code": {"ZipFile": b"x"}}
    said = refused(mine.client("lambda").create_function, Role=mine.arn, **function)
    assert f"iam:PassRole on resource: {mine.arn}" in said


def test_operation_of_a_path_is_judged_by_its_name(role: Callable[..., Role]) -> None:
    reader = role(allow("lambda:ListFunctions", "s3:GetAccessPoint")).client("lambda")
    assert reader.list_functions()["Functions"] == []
    said = refused(reader.get_function, FunctionName="f")
    assert "not authorized to perform: lambda:GetFunction" in said


@pytest.mark.slow
@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.long)])  # 1: a hundred services' models
def test_every_service_of_paths_has_its_models_named(step: int) -> None:
    loader = Loader()
    names = {name.replace("-", ""): name for name in loader.list_available_services("service-2")}
    odd = {"awslambda": "lambda", "bedrockagentcorecontrol": "bedrock-agentcore-control"}
    for service in sorted({*sorted(services())[::step], *odd}):
        model = odd.get(service) or names.get(service, "")
        facts = loader.load_service_model(model, "service-2")["metadata"] if model else {"protocol": "none"}
        if facts["protocol"].startswith("rest") and model != "s3":
            signed = facts.get("signingName", facts["endpointPrefix"])
            assert model in MODELS.get(signed, (signed,)), signed
