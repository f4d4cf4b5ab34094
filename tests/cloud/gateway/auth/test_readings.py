"""What could be judged as one call and executed as another is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORM = "application/x-www-form-urlencoded"
CREATE = "Action=CreateUser&Version=2010-05-08&UserName="


def send(
    gateway: Any,
    keys: dict[str, str],
    path: str,
    service: str,
    body: str = "",
    method: str = "POST",
    **headers: str,
) -> int:
    request = AWSRequest(method, gateway.url + path, data=body.encode(), headers=headers)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(Credentials(keys["id"], keys["secret"]), service, "us-east-1").add_auth(request)
    sent = dict(request.headers.items()) | {"Host": gateway.url.partition("//")[2]}
    status, _, _ = gateway.send(method, path, body.encode(), sent)
    return int(status)


@pytest.fixture
def limited(gateway: Any, unique: Callable[[str], str]) -> Callable[..., dict[str, str]]:
    def make(*actions: str, denied: tuple[str, ...] = ()) -> dict[str, str]:
        iam, name = gateway.client("iam"), unique("user")
        iam.create_user(UserName=name)
        statements = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
        statements += [{"Effect": "Deny", "Action": list(denied), "Resource": "*"}] if denied else []
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        issued = iam.create_access_key(UserName=name)["AccessKey"]
        return {"id": issued["AccessKeyId"], "secret": issued["SecretAccessKey"]}

    return make


def exists(gateway: Any, name: str) -> bool:
    try:
        return bool(gateway.client("iam").get_user(UserName=name))
    except botocore.exceptions.ClientError:
        return False


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/", CREATE + "{}", {"X-Amz-Target": "X.GetUser", "Content-Type": FORM}),
        ("/", "{}", {"X-Amz-Target": "X.GetUser", "Content-Type": "application/x-amz-json-1.1"}),
        ("/", CREATE + "{}&Action=GetUser", {"Content-Type": FORM}),
        ("/?Action=GetUser", CREATE + "{}", {"Content-Type": FORM}),
        ("/?Action=GetUser", CREATE + "{}", {"Content-Type": FORM.upper()}),
        ("/", "Action=create_user&UserName={}", {"Content-Type": FORM}),
    ],
)
def test_one_operation_is_judged_and_executed(
    gateway: Any,
    limited: Callable[..., dict[str, str]],
    unique: Callable[[str], str],
    path: str,
    body: str,
    headers: dict[str, str],
) -> None:
    keys, name = limited("iam:*", denied=("iam:CreateUser",)), unique("made")
    text = json.dumps({"a": f"&{CREATE}{name}&b="}) if body == "{}" else body.format(name)
    assert send(gateway, keys, path, "iam", text, **headers) in (400, 403)
    assert not exists(gateway, name)


@pytest.mark.parametrize("query", ["?acl", "?%61cl", "?retention", "?acl&tagging", "?tagging&tagging="])
def test_object_is_not_deleted_by_the_name_of_another_call(
    gateway: Any, limited: Callable[..., dict[str, str]], unique: Callable[[str], str], query: str
) -> None:
    keys, bucket, s3 = limited("s3:*", denied=("s3:DeleteObject",)), unique("bucket"), gateway.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    assert send(gateway, keys, f"/{bucket}/kept{query}", "s3", method="DELETE") == 403
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"x"


@pytest.mark.parametrize("service", ["s3express", "s3.x", "iam.x"])
def test_scope_of_another_service_opens_nothing(
    gateway: Any, limited: Callable[..., dict[str, str]], unique: Callable[[str], str], service: str
) -> None:
    bucket = unique("bucket")
    gateway.client("s3").create_bucket(Bucket=bucket)
    assert send(gateway, limited("*"), f"/{bucket}", service, method="GET") == 403


@pytest.mark.parametrize("size", [1 << 20, 4 << 20])
def test_what_stands_late_in_a_form_is_judged_too(
    gateway: Any, limited: Callable[..., dict[str, str]], unique: Callable[[str], str], size: int
) -> None:
    keys, name, iam = limited("iam:TagUser"), unique("other"), gateway.client("iam")
    iam.create_user(UserName=name)
    (own,) = [one for one in iam.list_users()["Users"] if one["UserName"] == user_of(iam, keys)]
    only = {"Effect": "Allow", "Action": "iam:TagUser", "Resource": own["Arn"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": only})
    iam.put_user_policy(UserName=own["UserName"], PolicyName="p", PolicyDocument=document)
    tag = "Tags.member.1.Key=k&Tags.member.1.Value=v"
    body = f"Action=TagUser&Version=2010-05-08&Filling={'x' * size}&{tag}&UserName={name}"
    assert send(gateway, keys, "/", "iam", body, **{"Content-Type": FORM}) in (403, 413)
    assert iam.list_user_tags(UserName=name)["Tags"] == []


def user_of(iam: Any, keys: dict[str, str]) -> str:
    return str(iam.get_access_key_last_used(AccessKeyId=keys["id"])["UserName"])


def test_form_of_too_many_fields_is_refused(limited: Callable[..., dict[str, str]], gateway: Any) -> None:
    body = "Action=ListUsers&" + "&".join(f"field{number}=1" for number in range(10_001))
    assert send(gateway, limited("iam:*"), "/", "iam", body, **{"Content-Type": FORM}) == 403
