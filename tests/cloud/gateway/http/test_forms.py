"""A form uploads a file to S3 as far as its signed policy allows, and is a put in everything else."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
import requests
from botocore.config import Config
from requests import Response

from sagelab.cloud.gateway.auth import signature
from tests import signers
from tests.cloud.gateway.conftest import Serving
from tests.trusts import TRUST

VERSIONS = ["s3", "s3v4"]


@pytest.fixture
def bucket(gateway: Serving, unique: Callable[[str], str]) -> str:
    name = unique("forms")
    gateway.client("s3").create_bucket(Bucket=name)
    return name


def presigned(gateway: Serving, bucket: str, key: str, version: str = "s3v4", **options: Any) -> dict[str, Any]:
    """What boto3 makes for a form."""
    client = gateway.client("s3", config=Config(signature_version=version))
    found: dict[str, Any] = client.generate_presigned_post(bucket, key, **options)
    return found


def send(form: dict[str, Any], content: bytes = b"content", name: str = "photo.png") -> Response:
    """Send a form with a file."""
    files = {"file": (name, content)}
    return requests.post(form["url"], data=form["fields"], files=files, allow_redirects=False, timeout=60)


def changed(form: dict[str, Any], **changes: str | None) -> dict[str, Any]:
    """A form with fields that are added, or changed, or (None) left out."""
    fields = {name: value for name, value in (form["fields"] | changes).items() if value is not None}
    return form | {"fields": fields}


def error(answer: Response) -> tuple[int, str, str]:
    found = ElementTree.fromstring(answer.text)
    return answer.status_code, found.findtext("Code") or "", found.findtext("Message") or ""


def read(gateway: Serving, bucket: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = gateway.client("s3").get_object(Bucket=bucket, Key=key)
    return found | {"Body": found["Body"].read()}


def keys(gateway: Serving, bucket: str) -> list[str]:
    return [one["Key"] for one in gateway.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize("version", VERSIONS)
def test_form_of_boto3_uploads_and_replaces(gateway: Serving, bucket: str, version: str) -> None:
    form = presigned(gateway, bucket, "a folder/über?#%.bin", version)
    content = bytes(range(256)) * 20_000 + b"\r\n--boundary\r\n"
    for body in (b"", content):
        answer = send(form, body)
        assert (answer.status_code, answer.content) == (204, b"")
        assert read(gateway, bucket, "a folder/über?#%.bin")["Body"] == body
    found = read(gateway, bucket, "a folder/über?#%.bin")
    assert (answer.headers["ETag"], found["ContentType"]) == (found["ETag"], "binary/octet-stream")


@pytest.mark.parametrize("version", VERSIONS)
def test_default_client_and_session_keys_upload_too(gateway: Serving, bucket: str, version: str) -> None:
    issued = gateway.client("sts").get_session_token()["Credentials"]
    signing = (issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    session = signers.session(*signing)
    client = session.client("s3", endpoint_url=gateway.url, config=Config(signature_version=version))
    assert send(client.generate_presigned_post(bucket, "session")).status_code == 204
    default = gateway.session().client("s3", endpoint_url=gateway.url)
    assert send(default.generate_presigned_post(bucket, "plain")).status_code == 204
    assert keys(gateway, bucket) == ["plain", "session"]
    taken = send(changed(client.generate_presigned_post(bucket, "other"), **{"x-amz-security-token": "another"}))
    assert taken.status_code == 403


def test_fields_become_what_a_put_says_of_its_object(gateway: Serving, bucket: str) -> None:
    tagging = "<Tagging><TagSet><Tag><Key>lab</Key><Value>a + b=c</Value></Tag></TagSet></Tagging>"
    fields = {
        "Content-Type": "image/png",
        "Cache-Control": "no-cache",
        "x-amz-meta-who": "me",
        "x-amz-meta-a_b": "c",
        "x-amz-storage-class": "STANDARD_IA",
        "acl": "public-read",
        "tagging": tagging,
    }
    conditions = [{name: value} for name, value in fields.items()]
    form = presigned(gateway, bucket, "up/${filename}", Fields=fields, Conditions=conditions)
    assert send(form, name="C:\\pictures\\cat.png").status_code == 204
    found = read(gateway, bucket, "up/cat.png")
    assert (found["ContentType"], found["CacheControl"]) == ("image/png", "no-cache")
    assert (found["Metadata"], found["StorageClass"]) == ({"who": "me", "a_b": "c"}, "STANDARD_IA")
    s3 = gateway.client("s3")
    tags = s3.get_object_tagging(Bucket=bucket, Key="up/cat.png")["TagSet"]
    assert tags == [{"Key": "lab", "Value": "a + b=c"}]
    grants = s3.get_object_acl(Bucket=bucket, Key="up/cat.png")["Grants"]
    assert any(one["Grantee"].get("URI", "").endswith("AllUsers") for one in grants)


@pytest.mark.parametrize(("asked", "status"), [("200", 200), ("201", 201), ("204", 204), ("500", 204), ("x", 204)])
def test_form_says_which_status_it_wants(gateway: Serving, bucket: str, asked: str, status: int) -> None:
    fields = {"success_action_status": asked}
    answer = send(presigned(gateway, bucket, "a/b c", Fields=fields, Conditions=[fields]))
    assert answer.status_code == status
    etag = read(gateway, bucket, "a/b c")["ETag"]
    assert (answer.headers["Location"], answer.headers["ETag"]) == (f"{gateway.url}/{bucket}/a/b%20c", etag)
    if status == 201:
        document = ElementTree.fromstring(answer.text)
        assert {part.tag: part.text for part in document} == {
            "Location": f"{gateway.url}/{bucket}/a/b%20c",
            "Bucket": bucket,
            "Key": "a/b c",
            "ETag": etag,
        }
    else:
        assert answer.content == b""


@pytest.mark.parametrize("field", ["success_action_redirect", "redirect"])
def test_browser_goes_on_where_the_form_says(gateway: Serving, bucket: str, field: str) -> None:
    fields = {field: "http://127.0.0.1:9/done?from=form"}
    answer = send(presigned(gateway, bucket, "k&k", Fields=fields, Conditions=[fields]))
    assert answer.status_code == 303
    place = urlsplit(answer.headers["Location"])
    etag = read(gateway, bucket, "k&k")["ETag"]
    assert parse_qs(place.query) == {"from": ["form"], "bucket": [bucket], "key": ["k&k"], "etag": [etag]}
    assert place._replace(query="").geturl() == "http://127.0.0.1:9/done"


@pytest.mark.parametrize(
    "asked", ["javascript:alert(1)", "/here", "http://a/\r\nSet-Cookie: a=b", "http://[", " "]
)
def test_redirect_that_is_no_address_is_none(gateway: Serving, bucket: str, asked: str) -> None:
    fields = {"success_action_redirect": asked}
    answer = send(presigned(gateway, bucket, "k", Fields=fields, Conditions=[fields]))
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (204, None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("conditions", "changes", "said"),
    [
        ([], {"key": "other"}, 'Policy Condition failed: ["eq", "$key", "mine"]'),
        ([], {"acl": "public-read"}, "Extra input fields: acl"),
        ([], {"x-amz-meta-who": "me"}, "Extra input fields: x-amz-meta-who"),
        ([{"acl": "private"}], {}, 'Policy Condition failed: ["eq", "$acl", "private"]'),
        ([["eq", "$acl", "private"]], {"acl": "x"}, 'Policy Condition failed: ["eq", "$acl", "private"]'),
        (
            [["starts-with", "$Content-Type", "image/"]],
            {"Content-Type": "image/png, text/html"},
            'Policy Condition failed: ["starts-with", "$Content-Type", "image/"]',
        ),
        (
            [["starts-with", "$x-amz-meta-a", ""]],
            {},
            'Policy Condition failed: ["starts-with", "$x-amz-meta-a", ""]',
        ),
        ([["ends-with", "$acl", "x"]], {"acl": "x"}, 'Policy Condition failed: ["ends-with", "$acl", "x"]'),
        ([["eq", "acl", "x"]], {"acl": "x"}, 'Policy Condition failed: ["eq", "acl", "x"]'),
    ],
)
def test_form_that_the_policy_does_not_allow_writes_nothing(
    gateway: Serving, bucket: str, version: str, conditions: list[Any], changes: dict[str, str], said: str
) -> None:
    answer = send(changed(presigned(gateway, bucket, "mine", version, Conditions=conditions), **changes))
    assert error(answer) == (403, "AccessDenied", f"Invalid according to Policy: {said}")
    assert keys(gateway, bucket) == []


def test_conditions_are_met_by_what_they_mean(gateway: Serving, bucket: str) -> None:
    conditions = [
        ["starts-with", "$Content-Type", "image/"],
        ["starts-with", "$x-amz-meta-any", ""],
        ["content-length-range", 3, 4],
    ]
    form = presigned(gateway, bucket, "up/${filename}", Conditions=conditions)
    changes = {"content-TYPE": "image/png,image/gif", "X-Amz-Meta-Any": "thing", "x-ignore-this": "1"}
    assert send(changed(form, **changes), b"four").status_code == 204
    assert error(send(changed(form, **changes), b"12"))[:2] == (400, "EntityTooSmall")
    assert error(send(changed(form, **changes), b"12345")) == (
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
    )
    assert keys(gateway, bucket) == ["up/photo.png"]


def test_policy_is_bound_to_its_bucket(gateway: Serving, bucket: str, unique: Callable[[str], str]) -> None:
    form, other = presigned(gateway, bucket, "k"), unique("other")
    gateway.client("s3").create_bucket(Bucket=other)
    answer = send(form | {"url": f"{gateway.url}/{other}"})
    assert (
        error(answer)[2] == f'Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "{bucket}"]'
    )
    assert keys(gateway, other) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_policy_ends(gateway: Serving, bucket: str, version: str) -> None:
    answer = send(presigned(gateway, bucket, "k", version, ExpiresIn=-1))
    assert error(answer) == (403, "AccessDenied", "Invalid according to Policy: Policy expired.")


@pytest.mark.parametrize("version", VERSIONS)
def test_policy_that_nobody_signed_is_none(gateway: Serving, bucket: str, version: str) -> None:
    form = presigned(gateway, bucket, "k", version)
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    policy["conditions"].append(["starts-with", "$acl", ""])
    wider = base64.b64encode(json.dumps(policy).encode()).decode()
    assert error(send(changed(form, policy=wider, acl="public-read")))[:2] == (403, "SignatureDoesNotMatch")
    name = "x-amz-signature" if version == "s3v4" else "signature"
    assert error(send(changed(form, **{name: "AAAA"})))[:2] == (403, "SignatureDoesNotMatch")
    assert error(send(changed(form, policy=None))) == (403, "AccessDenied", "Access Denied")
    assert error(send(changed(form, **{name: None})))[:2] == (400, "InvalidArgument")
    unknown = {"x-amz-credential": "AKIANOBODY/20260101/us-east-1/s3/aws4_request", "AWSAccessKeyId": "AKIANOBODY"}
    assert error(send(changed(form, **unknown)))[:2] == (403, "InvalidAccessKeyId")
    assert keys(gateway, bucket) == []


def test_signature_for_another_service_is_none(gateway: Serving, bucket: str) -> None:
    form = presigned(gateway, bucket, "k")
    credential = form["fields"]["x-amz-credential"].replace("/s3/", "/sts/")
    form["fields"]["x-amz-credential"] = credential
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    policy["conditions"] = [
        {"x-amz-credential": credential} if "x-amz-credential" in one else one for one in policy["conditions"]
    ]
    form["fields"]["policy"] = base64.b64encode(json.dumps(policy).encode()).decode()
    claim = signature.read_form(form["fields"])
    secret = gateway.home.credentials().secret_access_key
    form["fields"]["x-amz-signature"] = signature.sign_text(form["fields"]["policy"], claim, secret)
    assert error(send(form))[:2] == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9"])
def test_a_signed_policy_opens_no_way_for_foreign_pages(gateway: Serving, bucket: str, origin: str) -> None:
    form = presigned(gateway, bucket, "k")
    files = {"file": ("name", b"content")}
    answer = requests.post(form["url"], data=form["fields"], files=files, headers={"Origin": origin}, timeout=60)
    assert error(answer)[:2] == (403, "AccessDenied")
    assert keys(gateway, bucket) == []


def test_role_uploads_what_it_may_put(gateway: Serving, bucket: str, unique: Callable[[str], str]) -> None:
    iam, name = gateway.client("iam"), unique("uploader")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
    issued = gateway.client("sts").assume_role(RoleArn=arn, RoleSessionName="lab")["Credentials"]
    signing = (issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    s3 = signers.session(*signing).client("s3", endpoint_url=gateway.url)
    assert send(s3.generate_presigned_post(bucket, "open/${filename}")).status_code == 204
    refused = error(send(s3.generate_presigned_post(bucket, "${filename}"), name="closed/a"))
    assert refused[:2] == (403, "AccessDenied")
    assert keys(gateway, bucket) == ["open/photo.png"]


def test_header_cannot_be_smuggled_in_by_a_field(gateway: Serving, bucket: str) -> None:
    fields = {"x-amz-meta-a": "1\r\nx-amz-acl: public-read"}
    form = presigned(gateway, bucket, "k", Fields=fields, Conditions=[fields])
    assert error(send(form))[:2] == (400, "InvalidArgument")
    gateway.client("s3").put_object(Bucket=bucket, Key="secret", Body=b"secret")
    copying = {"x-amz-copy-source": f"{bucket}/secret"}
    assert send(presigned(gateway, bucket, "k", Fields=copying, Conditions=[copying])).status_code == 204
    assert read(gateway, bucket, "k")["Body"] == b"content"


def body(*parts: tuple[str, bytes], end: bytes = b"--b0undary--\r\n") -> bytes:
    head = b'--b0undary\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return b"".join(head % (name.encode(), value) for name, value in parts) + end


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"nothing of a form", "MalformedPOSTRequest"),
        (body(("key", b"k"), end=b""), "MalformedPOSTRequest"),
        (body(("key", b"k")), "InvalidArgument"),
        (body(("file", b"content"), ("key", b"k")), "InvalidArgument"),
        (body(("key", b"k" * 20_481), ("file", b"content")), "MaxPostPreDataLengthExceeded"),
        (b"x" * (3 << 20), "MaxPostPreDataLengthExceeded"),
        (body(("key", b"k"), ("file", b"content")), "AccessDenied"),
        (body(("key", b"k"), ("policy", b"e30="), ("file", b"content")), "InvalidArgument"),
    ],
)
def test_what_is_no_form_is_refused_in_words(gateway: Serving, bucket: str, sent: bytes, code: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b0undary"}
    answer = requests.post(f"{gateway.url}/{bucket}", data=sent, headers=headers, timeout=60)
    assert error(answer)[1] == code
    assert keys(gateway, bucket) == []


@pytest.mark.parametrize(
    "policy", ["%%%", "bm90IGpzb24=", "e30=", "W10=", "eyJleHBpcmF0aW9uIjoxLCJjb25kaXRpb25zIjpbXX0="]
)
def test_signed_policy_that_cannot_be_read_is_named(gateway: Serving, bucket: str, policy: str) -> None:
    own = gateway.home.credentials()
    signed = signature.sign_policy_v2(policy, own.secret_access_key)
    fields = {"key": "k", "AWSAccessKeyId": own.access_key_id, "policy": policy, "signature": signed}
    answer = send({"url": f"{gateway.url}/{bucket}", "fields": fields})
    assert error(answer) == (400, "InvalidPolicyDocument", "Invalid Policy: Invalid JSON.")


def test_many_forms_at_once_are_kept_apart(gateway: Serving, bucket: str) -> None:
    start = threading.Barrier(4)

    def upload(number: int) -> int:
        form = presigned(gateway, bucket, f"file-{number}")
        start.wait(60)
        return send(form, bytes([number]) * (1 << 20)).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upload, range(4))) == [204] * 4
    assert all(read(gateway, bucket, f"file-{n}")["Body"] == bytes([n]) * (1 << 20) for n in range(4))
