"""S3's requests that moto would stumble over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest


@pytest.fixture(scope="module")
def s3(gateway: Any) -> Any:
    client = gateway.client("s3")
    client.create_bucket(Bucket="edges")
    client.put_object(Bucket="edges", Key="k", Body=b"x")
    return client


def statement(**changes: Any) -> str:
    """A policy of one statement; None: a member is left out."""
    right = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::edges/*"}
    return json.dumps({"Statement": [{k: v for k, v in (right | changes).items() if v is not None}]})


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("no policy", "Policies must be valid JSON and the first byte must be '{'"),
        (' {"Statement": []}', "Policies must be valid JSON and the first byte must be '{'"),
        ("{'Statement': []}", "This policy contains invalid Json"),
        ('{"Statement": ' + "[" * 10_000, "This policy contains invalid Json"),
        (statement(Sid="x" * (20 << 10)), "Policy exceeds the maximum allowed document size."),
        ("{}", "Missing required field Statement"),
        ('{"Statement": []}', "Could not parse the policy: Statement is empty!"),
        ('{"Statement": 5}', "Invalid policy syntax."),
        (statement(Effect=None), "Missing required field Effect"),
        (statement(Principal=None), "Missing required field Principal"),
        (statement(Resource=None), "Missing required field Resource"),
        (statement(Effect=["Allow"]), "Invalid effect: ['Allow']"),
        (statement(Principal="me"), "Invalid principal in policy"),
        (statement(Principal={"AWS": {}}), "Invalid principal in policy"),
        (statement(Action=5), "Policy has invalid action"),
        (statement(Resource=[{}]), "Policy has invalid resource"),
        (statement(Condition={"StringEquals": 5}), "Invalid policy syntax."),
        (statement(Condition={"StringEquals": {"s3:prefix": {}}}), "Invalid policy syntax."),
    ],
)
def test_a_policy_that_is_none_is_refused_and_the_bucket_goes_on(s3: Any, policy: str, words: str) -> None:
    assert refusal(s3.put_bucket_policy, Bucket="edges", Policy=policy) == ("MalformedPolicy", words)
    assert s3.get_object(Bucket="edges", Key="k")["Body"].read() == b"x"
    assert refusal(s3.get_bucket_policy, Bucket="edges")[0] == "NoSuchBucketPolicy"


def test_a_policy_is_kept_as_it_is(s3: Any) -> None:
    asked = {"Bool": {"aws:SecureTransport": False}, "NumericEquals": {"s3:max-keys": [1, 2]}}
    for policy in (statement(), statement(Principal={"AWS": ["*"]}, Condition=asked), statement(Resource=["*"])):
        s3.put_bucket_policy(Bucket="edges", Policy=policy)
        assert s3.get_bucket_policy(Bucket="edges")["Policy"] == policy
    s3.delete_bucket_policy(Bucket="edges")


@pytest.mark.parametrize("value", ["日本", "a\r\nX-Own: 1", "\x00"])
@pytest.mark.parametrize("name", ["ResponseContentType", "ResponseContentDisposition"])
def test_a_header_that_cannot_be_sent_is_refused(s3: Any, name: str, value: str) -> None:
    words = "Header value cannot be represented using ISO-8859-1."
    assert refusal(s3.get_object, Bucket="edges", Key="k", **{name: value}) == ("InvalidArgument", words)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("path", ["/edges/%ff", "/edges/a%c3", "/edges/%ed%a0%80", "/%ff"])
def test_a_key_that_is_not_utf8_is_refused(gateway: Any, method: str, path: str) -> None:
    status, _, body = gateway.signed(method, path, "s3")
    assert (status, b"<Code>InvalidURI</Code><Message>Couldn't parse the specified URI." in body) == (400, True)


@pytest.mark.usefixtures("s3")
def test_a_body_that_is_no_xml_is_refused(gateway: Any) -> None:
    status, _, body = gateway.signed("POST", "/edges?delete", "s3", b"<Delete><Object>\xff")
    assert (status, b"<Code>MalformedXML</Code>" in body) == (400, True)


@pytest.mark.parametrize(
    "name",
    [
        *("Bad_Bucket", "UPPER", "ab", "a" * 64, "-begins", "ends-", ".begins", "ends.", "two..dots", "a_b"),
        *("192.168.5.4", "xn--name", "sthree-name", "amzn-s3-demo-name", "name-s3alias", "name--ol-s3"),
        *("name.mrap", "name--table-s3", "name-an"),
    ],
)
def test_bucket_that_cannot_have_its_name_is_refused(s3: Any, name: str) -> None:
    assert refusal(s3.create_bucket, Bucket=name)[0] == "InvalidBucketName"


def test_bucket_may_have_any_name_within_the_rules(s3: Any) -> None:
    for name in ("abc", "a" * 63, "with.dots-and-1", "1.2.3", "1.2.3.4.5", "0-0"):
        s3.create_bucket(Bucket=name)
