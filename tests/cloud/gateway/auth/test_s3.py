"""A request to S3 is judged as what moto does, or refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer

from sagelab.cloud.errors import AccessDenied, InvalidBucketName, InvalidUri, MalformedXml, ServiceError
from sagelab.cloud.gateway.auth import s3, s3_actions
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.http1 import Message

SPOOL = Spool(Path("unused"), Disk(1 << 20))
MODEL = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")
LEFT_OUT = {"WriteGetObjectResponse", "ListDirectoryBuckets"}
OPERATIONS = [name for name in MODEL.operation_names if not MODEL.operation_model(name).deprecated]


def request(method: str, uri: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Request:
    message = Message()
    message.method, message.target = method, uri
    message.fields = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
    made = Request(message, lambda: [body], SPOOL)
    made.read(1 << 20)
    return made


class NoSeals:
    def object_tags(self, *_: object) -> dict[str, str]:
        return {}

    def over(self, bucket: str, name: str, version: str | None) -> None:
        """No key."""

    def for_new(self, request: Request) -> None:
        """No key."""


def needs(sent: Request) -> list[tuple[str, str | None]]:
    operation = s3.settle(sent, "signed")
    return [(one.action, one.resource) for one in s3_actions.needs(sent, operation, NoSeals())]


def sent_by_botocore(name: str) -> Request:
    """What botocore makes of the least that an operation must be given."""
    operation = MODEL.operation_model(name)
    shape = operation.input_shape
    params: dict[str, Any] = {}
    for member in shape.required_members if shape else ():
        kind = shape.members[member]
        empty = {"structure": {}, "list": ["ETag"], "integer": 1, "blob": b""}
        params[member] = empty.get(kind.type_name, {"Bucket": "bucket", "CopySource": "from/it"}.get(member, "k"))
    made = create_serializer("rest-xml", include_validation=False).serialize_to_request(params, operation)
    prepare_request_dict(made, endpoint_url="http://127.0.0.1")
    uri = made["url"].removeprefix("http://127.0.0.1")
    headers = {key.lower().replace("-", "_"): str(value) for key, value in made["headers"].items()}
    body = b"<Delete><Object><Key>k</Key></Object></Delete>" if name == "DeleteObjects" else b""
    return request(made["method"], uri, body, headers)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - LEFT_OUT))
def test_what_botocore_sends_is_read_as_what_it_is(name: str) -> None:
    sent = sent_by_botocore(name)
    before = (sent.method, sent.query_pairs)
    assert s3.settle(sent, "signed") == name
    assert s3.settle(sent, "signed") == name  # and so does who reads it next
    assert (sent.method, sorted(sent.query_pairs)) == (before[0], sorted(p for p in before[1] if p[0] != "x-id"))


@pytest.mark.parametrize(
    ("method", "uri", "headers"),
    [
        ("DELETE", "/b/k?acl", {}),
        ("DELETE", "/b/k?%61cl", {}),
        ("GET", "/b/k?uploadId=", {}),
        ("GET", "/b/k?acl&tagging", {}),
        ("GET", "/b/k?policy", {}),
        ("GET", "/b?policy&acl", {}),
        ("HEAD", "/b?acl", {}),
        ("POST", "/b", {}),
        ("POST", "/b/k", {}),
        ("PATCH", "/b/k", {}),
        ("PUT", "/b/k?partNumber=1", {}),
        ("PUT", "/b/k?uploadId=u", {}),
        ("PUT", "/b/k?retention&legal-hold", {}),
        ("PUT", "/?acl", {}),
        ("PUT", "/b/k?tagging", {"x_amz_copy_source": "other/secret"}),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(method: str, uri: str, headers: dict[str, str]) -> None:
    with pytest.raises(AccessDenied):
        s3.settle(request(method, uri, headers=headers), "signed")


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("/b%2Fk", InvalidBucketName),
        ("/b%00", InvalidBucketName),
        ("/..%2Fb/k", InvalidBucketName),
        ("/%7620180820/accesspoint/a", InvalidBucketName),  # S3 Control's, once it is decoded
        ("/b/%00", InvalidUri),
        ("/b/%ff", InvalidUri),
    ],
)
def test_path_that_nothing_can_have_is_refused(uri: str, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        s3.settle(request("GET", uri), "signed")


def test_request_goes_on_with_what_its_operation_takes_alone() -> None:
    sent = request(
        "PUT",
        "/b/a%2Fb+c%20d?tagging&versionId=1&x-id=PutObjectTagging&unknown=1",
        headers={"x_amz_acl": "public-read", "content_md5": "m", "x_amz_content_sha256": "h"},
    )
    assert s3.settle(sent, "signed") == "PutObjectTagging"
    assert sent.uri == "/b/a/b%2Bc%20d?tagging&versionId=1"
    assert sent.place == ("b", "a/b+c d")
    assert sent.headers == {"authorization": "signed", "content-md5": "m", "x-amz-content-sha256": "h"}


@pytest.mark.parametrize(
    ("method", "uri", "headers", "expected"),
    [
        ("GET", "/", {}, [("s3:ListAllMyBuckets", "*")]),
        ("GET", "/b/k", {}, [("s3:GetObject", "b/k")]),
        ("GET", "/b/k?versionId=1", {}, [("s3:GetObjectVersion", "b/k")]),
        ("GET", "/b//k", {}, [("s3:GetObject", "b//k")]),
        ("POST", "/b/k?select&select-type=2", {}, [("s3:GetObject", "b/k")]),
        (
            "GET",
            "/b/k?attributes",
            {"x_amz_object_attributes": "ETag"},
            ["s3:GetObject", "s3:GetObjectAttributes"],
        ),
        ("PUT", "/b/k?retention", {}, [("s3:PutObjectRetention", "b/k")]),
        (
            "PUT",
            "/b/k?retention",
            {"x_amz_bypass_governance_retention": "true"},
            ["s3:PutObjectRetention", "s3:BypassGovernanceRetention"],
        ),
        ("PUT", "/b/k", {"x_amz_tagging": "a=b"}, ["s3:PutObject", "s3:PutObjectTagging"]),
        (
            "PUT",
            "/b/k",
            {"x_amz_copy_source": "/from/a%20b?versionId=2"},
            [("s3:GetObjectVersion", "from/a b"), ("s3:PutObject", "b/k")],
        ),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            {"x_amz_copy_source": "from/it"},
            [("s3:GetObject", "from/it"), ("s3:PutObject", "b/k")],
        ),
        ("DELETE", "/b/k?versionId=1", {}, [("s3:DeleteObjectVersion", "b/k")]),
        ("DELETE", "/b?encryption", {}, [("s3:PutEncryptionConfiguration", "b")]),
        ("GET", "/b?policyStatus", {}, [("s3:GetBucketPolicyStatus", "b")]),
        ("GET", "/b?publicAccessBlock", {}, [("s3:GetBucketPublicAccessBlock", "b")]),
    ],
)
def test_what_a_request_needs(method: str, uri: str, headers: dict[str, str], expected: list[Any]) -> None:
    found = needs(request(method, uri, headers=headers))
    if isinstance(expected[0], str):
        assert [action for action, _ in found] == expected
    else:
        assert [(one, str(where).removeprefix("arn:aws:s3:::")) for one, where in found] == expected


def test_every_key_of_a_list_is_judged() -> None:
    body = (
        b"<Delete><Object><Key>a&amp;b</Key></Object><!-- <Key>no</Key> --><Object><Key><![CDATA[<Key>]]></Key>"
        b"<VersionId>7</VersionId></Object></Delete>"
    )
    sent = request("POST", "/b?delete", body)
    assert needs(sent) == [
        ("s3:DeleteObject", "arn:aws:s3:::b/a&b"),
        ("s3:DeleteObjectVersion", "arn:aws:s3:::b/<Key>"),
    ]
    assert sent.content() == (
        b"<Delete><Object><Key>a&amp;b</Key></Object>"
        b"<Object><Key>&lt;Key&gt;</Key><VersionId>7</VersionId></Object></Delete>"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete/>",
        b"<Delete><Object/></Delete>",
        b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        b"<Delete><Object><Key>a<x/>b</Key></Object></Delete>",
        b"<Delete><Object><VersionId>1</VersionId></Object></Delete>",
        b"<Remove><Object><Key>a</Key></Object></Remove>",
        "<Delete><Object><Key>a</Key></Object></Delete>".encode("utf-16"),
        b"<!DOCTYPE d [<!ENTITY e 'k'>]><Delete><Object><Key>&e;</Key></Object></Delete>",
    ],
)
def test_list_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedXml):
        s3.doomed(body)


def test_what_nobody_is_asked_for_is_not_done(gateway: Any) -> None:
    client = gateway.client("s3")
    client.create_bucket(Bucket="unasked")
    client.put_object(Bucket="unasked", Key="k", Body=io.BytesIO(b"secret"))
    for call, more in ((client.get_object_retention, {"Key": "k"}), (client.get_bucket_request_payment, {})):
        with pytest.raises(
            boto3.exceptions.botocore.exceptions.ClientError, match="not something the local cloud"
        ):
            call(Bucket="unasked", **more)
