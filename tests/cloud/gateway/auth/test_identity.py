"""Keys that were issued here open the local cloud; who they are is told truly."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.errors import InvalidToken
from tests.trusts import TRUST


def keys(issued: dict[str, str]) -> dict[str, str]:
    found = {"aws_access_key_id": issued["AccessKeyId"], "aws_secret_access_key": issued["SecretAccessKey"]}
    return {**found, **({"aws_session_token": issued["SessionToken"]} if "SessionToken" in issued else {})}


def who(gateway: Any, **issued: str) -> str:
    return str(gateway.client("sts", **issued).get_caller_identity()["Arn"])


def test_own_key_is_a_session_of_the_lab_role(gateway: Any) -> None:
    found = gateway.client("sts").get_caller_identity()
    assert found["Arn"] == "arn:aws:sts::123456789012:assumed-role/SageMakerLabRole/sagelab"
    assert found["Account"] == "123456789012"
    assert found["UserId"].startswith("AROA")
    assert found["UserId"].endswith(":sagelab")


def test_user_key_works_until_it_is_deleted(gateway: Any) -> None:
    iam = gateway.client("iam")
    iam.create_user(UserName="ada")
    issued = iam.create_access_key(UserName="ada")["AccessKey"]
    assert who(gateway, **keys(issued)) == "arn:aws:iam::123456789012:user/ada"
    iam.delete_access_key(UserName="ada", AccessKeyId=issued["AccessKeyId"])
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId"):
        who(gateway, **keys(issued))


def test_assumed_role_needs_its_token(gateway: Any) -> None:
    role = gateway.client("iam").create_role(RoleName="assumed", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    issued = gateway.client("sts").assume_role(RoleArn=role, RoleSessionName="one")["Credentials"]
    assert who(gateway, **keys(issued)) == "arn:aws:sts::123456789012:assumed-role/assumed/one"
    for token in ("no", None):
        wrong = {k: v for k, v in {**issued, "SessionToken": token}.items() if v is not None}
        with pytest.raises(botocore.exceptions.ClientError, match="InvalidClientTokenId"):
            who(gateway, **keys(wrong))


def test_session_token_acts_as_its_parent(gateway: Any) -> None:
    issued = gateway.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    assert who(gateway, **keys(issued)) == gateway.home.caller_arn
    gateway.client("s3", **keys(issued)).list_buckets()
    with pytest.raises(botocore.exceptions.ClientError, match="session credentials"):
        gateway.client("sts", **keys(issued)).get_session_token()


def test_federation_token_is_refused(gateway: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="GetFederationToken") as error:
        gateway.client("sts").get_federation_token(Name="someone")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_lent_keys_have_the_rights_of_the_key_that_they_are_lent_for_and_no_others(gateway: Any) -> None:
    iam, s3 = gateway.client("iam"), gateway.client("s3")
    for bucket in ("lent-open", "lent-closed"):
        s3.create_bucket(Bucket=bucket)
    iam.create_user(UserName="lea")
    policy = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::lent-open", "arn:aws:s3:::lent-open/*"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    iam.put_user_policy(UserName="lea", PolicyName="p", PolicyDocument=document)
    issued = iam.create_access_key(UserName="lea")["AccessKey"]
    lent = gateway.cloud.lend(issued["AccessKeyId"], 60)
    assert lent == gateway.cloud.lend(issued["AccessKeyId"], 60)
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    session = dict(zip(names, lent, strict=True))
    assert who(gateway, **session) == "arn:aws:iam::123456789012:user/lea"
    gateway.client("s3", **session).put_object(Bucket="lent-open", Key="k", Body=b"x")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        gateway.client("s3", **session).list_objects_v2(Bucket="lent-closed")
    iam.delete_access_key(UserName="lea", AccessKeyId=issued["AccessKeyId"])
    with pytest.raises(InvalidToken):
        gateway.cloud.lend(issued["AccessKeyId"], 60)
