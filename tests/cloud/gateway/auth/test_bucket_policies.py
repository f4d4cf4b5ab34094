"""A bucket's policy: whom it denies something is refused in AWS's words, whom it allows something may do it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.gateway.auth.test_permissions import Role, allow
from tests.cloud.gateway.conftest import Serving

ACCOUNT = "123456789012"
Statement = dict[str, Any]


class Bucket:
    """A bucket with one object `k`, and a policy."""

    def __init__(self, gateway: Serving, name: str) -> None:
        self.name, self.s3, self.arn = name, gateway.client("s3"), f"arn:aws:s3:::{name}"
        self.s3.create_bucket(Bucket=name)
        self.s3.put_object(Bucket=name, Key="k", Body=b"content")

    def hold(self, effect: str, *actions: str, principal: Any = "*", on: str = "/*", **more: Any) -> None:
        """Give it a policy of one statement."""
        statement = {"Effect": effect, "Action": list(actions), "Resource": self.arn + on} | more
        if "NotPrincipal" not in more:
            statement["Principal"] = principal
        document = {"Version": "2012-10-17", "Statement": [statement]}
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(document))

    def reads(self, client: Any, key: str = "k") -> bool:
        """Whether a client may read the object. ClientError: it is refused in other words than AWS's."""
        try:
            client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            return False
        return True


@pytest.fixture
def bucket(gateway: Serving, unique: Callable[[str], str]) -> Bucket:
    return Bucket(gateway, unique("policied"))


@pytest.fixture
def role(gateway: Serving, unique: Callable[[str], str]) -> Callable[..., Role]:
    return lambda *statements: Role(gateway, unique("role"), *statements)


def test_deny_refuses_the_owner_in_aws_words(bucket: Bucket, gateway: Serving) -> None:
    bucket.hold("Deny", "s3:GetObject", "s3:DeleteObject")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        bucket.s3.get_object(Bucket=bucket.name, Key="k")
    error = refused.value.response["Error"]
    who = gateway.client("sts").get_caller_identity()["Arn"]
    assert error["Code"] == "AccessDenied"
    assert error["Message"] == (
        f"User: {who} is not authorized to perform: s3:GetObject on resource: {bucket.arn}/k"
        " with an explicit deny in a resource-based policy"
    )
    with pytest.raises(botocore.exceptions.ClientError, match="explicit deny in a resource-based policy"):
        bucket.s3.delete_objects(Bucket=bucket.name, Delete={"Objects": [{"Key": "k"}]})
    with pytest.raises(botocore.exceptions.ClientError, match="Forbidden"):  # an answer to HEAD has no words
        bucket.s3.head_object(Bucket=bucket.name, Key="k")
    bucket.s3.put_object(Bucket=bucket.name, Key="other", Body=b"allowed")
    bucket.s3.delete_bucket_policy(Bucket=bucket.name)
    assert bucket.reads(bucket.s3)


def test_presigned_url_is_refused_by_a_deny_too(bucket: Bucket, gateway: Serving) -> None:
    url = bucket.s3.generate_presigned_url("get_object", {"Bucket": bucket.name, "Key": "k"})
    path = url.removeprefix(gateway.url)
    assert gateway.send("GET", path)[0] == 200
    bucket.hold("Deny", "s3:GetObject")
    status, _, body = gateway.send("GET", path)
    assert (status, b"<Code>AccessDenied</Code>" in body) == (403, True)


def test_owner_can_always_take_a_policy_back(bucket: Bucket) -> None:
    for on in ("", "/*"):
        bucket.hold("Deny", "s3:*", on=on)
        assert json.loads(bucket.s3.get_bucket_policy(Bucket=bucket.name)["Policy"])["Statement"]
        bucket.s3.delete_bucket_policy(Bucket=bucket.name)
    assert bucket.reads(bucket.s3)


def test_policy_is_about_those_that_it_names(bucket: Bucket, role: Callable[..., Role]) -> None:
    named, other = role(allow("s3:*")), role(allow("s3:*"))
    everybody = (named.client("s3"), other.client("s3"), bucket.s3)
    for principal in ({"AWS": named.arn}, {"AWS": [named.who]}):
        bucket.hold("Deny", "s3:GetObject", principal=principal)
        assert [bucket.reads(one) for one in everybody] == [False, True, True]
    bucket.hold("Deny", "s3:GetObject", NotPrincipal={"AWS": [named.arn, named.who]})
    assert [bucket.reads(one) for one in everybody] == [True, False, False]
    for account in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"):
        bucket.hold("Deny", "s3:GetObject", principal={"AWS": account})
        assert [bucket.reads(one) for one in everybody] == [False, False, False]
    for principal in ({"AWS": "arn:aws:iam::210987654321:root"}, {"Service": "logging.s3.amazonaws.com"}):
        bucket.hold("Deny", "s3:GetObject", principal=principal)
        assert bucket.reads(named.client("s3"))


def test_role_with_a_path_is_named_with_it(bucket: Bucket, gateway: Serving, unique: Callable[[str], str]) -> None:
    iam, name = gateway.client("iam"), unique("user")
    user = iam.create_user(UserName=name, Path="/team/")["User"]["Arn"]
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    signing = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
    bucket.hold("Allow", "s3:GetObject", principal={"AWS": user})
    assert bucket.reads(gateway.client("s3", **signing))


def test_allow_opens_a_bucket_to_a_role_without_rights_of_its_own(
    bucket: Bucket, role: Callable[..., Role]
) -> None:
    member = role(allow("sts:GetCallerIdentity"))
    assert not bucket.reads(member.client("s3"))
    for principal in ("*", {"AWS": "*"}, {"AWS": member.arn}, {"AWS": [member.who]}):
        bucket.hold("Allow", "s3:GetObject", principal=principal)
        assert bucket.reads(member.client("s3"))
        with pytest.raises(botocore.exceptions.ClientError, match="no identity-based policy allows"):
            member.client("s3").put_object(Bucket=bucket.name, Key="k", Body=b"")
    bucket.hold("Allow", "s3:GetObject", principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    assert not bucket.reads(member.client("s3"))  # the account's policies decide, and say nothing


def test_identity_policy_that_denies_is_stronger_than_a_bucket_that_allows(
    bucket: Bucket, role: Callable[..., Role]
) -> None:
    member = role(allow("s3:*"), allow("s3:GetObject") | {"Effect": "Deny"})
    bucket.hold("Allow", "s3:*")
    assert not bucket.reads(member.client("s3"))


@pytest.mark.parametrize(
    ("condition", "refused"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00+00:00"}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "210987654321"}}, False),
        ({"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/SageMakerLab*"}}, False),
    ],
)
def test_deny_holds_where_its_condition_does(bucket: Bucket, condition: Statement, refused: bool) -> None:
    bucket.hold("Deny", "s3:GetObject", Condition=condition)
    assert bucket.reads(bucket.s3) is not refused


def test_upload_without_the_encryption_that_the_bucket_asks_for_is_refused(bucket: Bucket) -> None:
    bucket.hold(
        "Deny", "s3:PutObject", Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    )
    for options in ({}, {"ServerSideEncryption": "AES256"}):
        with pytest.raises(botocore.exceptions.ClientError, match="explicit deny in a resource-based policy"):
            bucket.s3.put_object(Bucket=bucket.name, Key="new", Body=b"", **options)
    bucket.s3.put_object(Bucket=bucket.name, Key="new", Body=b"", ServerSideEncryption="aws:kms")


def test_copy_needs_what_both_buckets_allow(
    bucket: Bucket, gateway: Serving, unique: Callable[[str], str]
) -> None:
    target = Bucket(gateway, unique("target"))
    source = {"Bucket": bucket.name, "Key": "k"}
    bucket.hold("Deny", "s3:GetObject")
    with pytest.raises(botocore.exceptions.ClientError, match=f"s3:GetObject on resource: {bucket.arn}/k"):
        target.s3.copy_object(Bucket=target.name, Key="copy", CopySource=source)
    bucket.s3.delete_bucket_policy(Bucket=bucket.name)
    target.hold("Deny", "s3:PutObject")
    with pytest.raises(botocore.exceptions.ClientError, match=f"s3:PutObject on resource: {target.arn}/copy"):
        target.s3.copy_object(Bucket=target.name, Key="copy", CopySource=source)
