"""What is no policy, or longer than IAM and KMS have them, is refused and breaks nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.gateway.auth.test_permissions import Role, allow
from tests.trusts import ACCOUNT, TRUST

NONE = ["[]", "5", "null", "nope", "{}", '{"Statement": 5}', '{"Statement": [5]}', '{"Statement": ' + "[" * 2000]
OF_NOBODY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}'


def long(size: int) -> str:
    """A policy of more than so many characters."""
    statement = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::" + "b" * size}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def code_of(call: Callable[..., Any], **params: Any) -> tuple[int, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**params)
    answer = refused.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], str(answer["Error"]["Code"])


@pytest.mark.parametrize("document", [*NONE, OF_NOBODY])
def test_what_is_no_policy_is_none(gateway: Any, unique: Callable[[str], str], document: str) -> None:
    iam, kms, name = gateway.client("iam"), gateway.client("kms"), unique("role")
    malformed = (400, "MalformedPolicyDocument")
    assert code_of(iam.create_role, RoleName=name, AssumeRolePolicyDocument=document) == malformed
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    assert code_of(iam.update_assume_role_policy, RoleName=name, PolicyDocument=document) == malformed
    inline = {"RoleName": name, "PolicyName": "p", "PolicyDocument": document}
    assert code_of(iam.put_role_policy, **inline) == malformed
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    malformed = (400, "MalformedPolicyDocumentException")
    assert code_of(kms.put_key_policy, KeyId=key, PolicyName="default", Policy=document) == malformed
    assert code_of(kms.create_key, Policy=document) == malformed
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Enabled"]


def test_policy_is_as_long_as_aws_has_it(gateway: Any, unique: Callable[[str], str]) -> None:
    iam, kms, name, limit = gateway.client("iam"), gateway.client("kms"), unique("long"), (409, "LimitExceeded")
    for kind, size in (("user", 2048), ("group", 5120), ("role", 10240)):
        trust = {"AssumeRolePolicyDocument": TRUST} if kind == "role" else {}
        getattr(iam, f"create_{kind}")(**{f"{kind.title()}Name": name}, **trust)
        put = getattr(iam, f"put_{kind}_policy")
        put(**{f"{kind.title()}Name": name}, PolicyName="half", PolicyDocument=long(size // 2))
        put(**{f"{kind.title()}Name": name}, PolicyName="half", PolicyDocument=long(size // 2) + " " * size)
        second = {f"{kind.title()}Name": name, "PolicyName": "second", "PolicyDocument": long(size // 2)}
        assert code_of(put, **second) == limit
    assert code_of(iam.create_policy, PolicyName=name, PolicyDocument=long(6144)) == limit
    made = iam.create_policy(PolicyName=name, PolicyDocument=long(6000))["Policy"]["Arn"]
    assert code_of(iam.create_policy_version, PolicyArn=made, PolicyDocument=long(6144)) == limit
    document = TRUST.replace('"Effect"', f'"Sid": "{"s" * 2048}", "Effect"')
    assert code_of(iam.update_assume_role_policy, RoleName=name, PolicyDocument=document) == limit
    assert code_of(kms.create_key, Policy=long(32 << 10)) == (400, "LimitExceededException")


def test_role_of_a_stack_is_taken_on(gateway: Any, unique: Callable[[str], str]) -> None:
    name, role = unique("stack"), {"AssumeRolePolicyDocument": json.loads(TRUST)}
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": role | {"RoleName": name}}}}
    gateway.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))
    made = gateway.client("iam").get_role(RoleName=name)["Role"]
    assert made["AssumeRolePolicyDocument"] == json.loads(TRUST)
    gateway.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="session")


def test_key_policy_keeps_whoever_gives_it_in(gateway: Any) -> None:
    kms, malformed = gateway.client("kms"), (400, "MalformedPolicyDocumentException")
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Resource": "*"}
    admin = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Action": "kms:Put*"}]})
    shut = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Action": "kms:Encrypt"}]})
    bypass = {"BypassPolicyLockoutSafetyCheck": True}
    assert code_of(kms.create_key, Policy=shut) == malformed
    key = kms.create_key(Policy=admin)["KeyMetadata"]["KeyId"]
    named = {"KeyId": key, "PolicyName": "default"}
    with pytest.raises(botocore.exceptions.ClientError, match="will not allow you to update the key policy in"):
        kms.put_key_policy(**named, Policy=shut)
    assert code_of(kms.put_key_policy, **named, Policy=shut, BypassPolicyLockoutSafetyCheck=False) == malformed
    kms.put_key_policy(**named, Policy=admin)
    kms.put_key_policy(**named, Policy=shut, **bypass)
    assert code_of(kms.put_key_policy, **named, Policy=admin)[1] == "AccessDeniedException"
    assert kms.create_key(Policy=shut, **bypass)["KeyMetadata"]["Enabled"]
    missing = named | {"KeyId": "00000000-0000-0000-0000-000000000000"}
    assert code_of(kms.put_key_policy, **missing, Policy=shut)[1] in ("NotFoundException", "AccessDeniedException")


def test_key_policy_of_a_role_lets_that_role_in(gateway: Any, unique: Callable[[str], str]) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Resource": "*"}
    whole = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Action": "kms:*"}]})
    maker = Role(gateway, unique("maker"), allow("kms:CreateKey")).client("kms")
    changer = Role(gateway, unique("changer"), allow("kms:CreateKey", "kms:Put*")).client("kms")
    assert code_of(maker.create_key, Policy=whole) == (400, "MalformedPolicyDocumentException")
    for made in (maker.create_key(), changer.create_key(Policy=whole)):  # by default the account's, for anybody
        assert made["KeyMetadata"]["Enabled"]


STATEMENT: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::worded/*"}
UNKNOWN = {"Condition": {"StringEqualsMaybe": {"aws:PrincipalArn": "x"}}}


def document(**changed: Any) -> str:
    """A policy of one statement; None leaves a member out."""
    statement = {name: value for name, value in (STATEMENT | changed).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def words_of(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "Missing required field Principal"),
        ({"Principal": {}}, "Invalid principal in policy"),
        ({"Principal": {"Nobody": "*"}}, "Invalid principal in policy"),
        ({"Principal": "*", **UNKNOWN}, "Invalid Condition type : StringEqualsMaybe"),
        (
            {"Principal": "*", "Condition": {"ForSomeValues:StringLike": {"k": "v"}}},
            "Invalid Condition type : ForSomeValues:StringLike",
        ),
    ],
)
def test_policy_of_a_bucket_or_key_that_is_none_is_refused_in_words(
    gateway: Any, changed: dict[str, Any], words: str
) -> None:
    s3, kms = gateway.client("s3"), gateway.client("kms")
    s3.create_bucket(Bucket="worded")
    put = words_of(s3.put_bucket_policy, Bucket="worded", Policy=document(**changed))
    assert put == ("MalformedPolicy", words)
    key = words_of(kms.create_key, Policy=document(**{"Action": "kms:*", "Resource": "*"} | changed))
    assert key == ("MalformedPolicyDocumentException", words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "Missing required field Principal"),
        ({"Principal": {}}, "Invalid principal in policy."),
        ({"Principal": {"Nobody": "*"}}, "Invalid principal in policy."),
        ({"Principal": {"AWS": "*"}, **UNKNOWN}, "Syntax errors in policy."),
    ],
)
def test_trust_that_is_none_is_refused_in_words(gateway: Any, changed: dict[str, Any], words: str) -> None:
    trust = document(**{"Action": "sts:AssumeRole", "Resource": None} | changed)
    refused = words_of(gateway.client("iam").create_role, RoleName="worded", AssumeRolePolicyDocument=trust)
    assert refused == ("MalformedPolicyDocument", words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Principal": "*"}, "Policy document should not specify a principal."),
        ({"NotPrincipal": {"AWS": "*"}}, "Policy document should not specify a principal."),
        (UNKNOWN, "Syntax errors in policy."),
        ({"Resource": None}, "Policy statement must contain resources."),
        ({"Action": "GetObject"}, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    ],
)
def test_policy_of_an_identity_that_is_none_is_refused_in_words(
    gateway: Any, unique: Callable[[str], str], changed: dict[str, Any], words: str
) -> None:
    iam, name, text = gateway.client("iam"), unique("worded"), document(**changed)
    iam.create_user(UserName=name)
    malformed = ("MalformedPolicyDocument", words)
    assert words_of(iam.create_policy, PolicyName=name, PolicyDocument=text) == malformed
    assert words_of(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument=text) == malformed


@pytest.mark.parametrize("quantifier", ["", "ForAllValues:", "ForAnyValue:"])
@pytest.mark.parametrize("ending", ["", "IfExists"])
def test_operators_of_iam_are_taken(quantifier: str, ending: str) -> None:
    from moto.iam.policy_validation import VALID_CONDITIONS

    from sagelab.cloud.gateway.auth.conditions import is_operator

    names = [f"{quantifier}{name}{ending}" for name in VALID_CONDITIONS if name != "Null"]
    assert [name for name in names if not is_operator(name)] == []
    assert not is_operator(f"{quantifier}NullIfExists")
    assert not is_operator(f"{quantifier}NumericNotLessThan{ending}")
