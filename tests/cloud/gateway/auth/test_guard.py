"""Who is let in, and with which of AWS's errors the others are sent away."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import botocore.exceptions
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sagelab.cloud.errors import IncompleteSignature
from sagelab.cloud.gateway.auth import git_credentials

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WHO = b"Action=GetCallerIdentity&Version=2011-06-15"


def code(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(*args, **kwargs)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return str(error.value.response["Error"]["Code"])


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.fixture(scope="module")
def stored(gateway: Any) -> str:
    """A bucket with one object."""
    gateway.client("s3").create_bucket(Bucket="guarded")
    gateway.client("s3").put_object(Bucket="guarded", Key="a key+1", Body=b"content")
    return "guarded"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80", ""])
def test_foreign_host_is_refused(gateway: Any, host: str) -> None:
    assert gateway.send("GET", "/", headers={"Host": host})[0] == 403


@pytest.mark.parametrize("name", ["bucket.localhost", "12345678901.localhost", "123456789012.evil.example"])
def test_name_below_localhost_is_refused_unless_it_is_an_account(gateway: Any, name: str) -> None:
    port = urlsplit(gateway.url).port

    def arrives(name: str) -> bool:
        return b"answers to 127.0.0.1" not in gateway.send("GET", "/", headers={"Host": f"{name}:{port}"})[2]

    assert arrives("123456789012.localhost")
    assert not arrives(name)
    origin = {"Host": f"123456789012.localhost:{port}", "Origin": f"http://123456789012.localhost:{port}"}
    assert b"does not answer web pages" in gateway.send("GET", "/", headers=origin)[2]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_foreign_origin_is_refused_even_when_signed(gateway: Any, origin: str) -> None:
    status, headers, _ = gateway.signed("GET", "/", "s3", headers={"Origin": origin})
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_own_page_is_served(gateway: Any) -> None:
    assert gateway.signed("GET", "/", "s3", headers={"Origin": gateway.url})[0] == 200


def test_moto_pages_do_not_exist(gateway: Any) -> None:
    for method in ("GET", "POST"):
        assert gateway.send(method, "/moto-api/reset")[0] == 404
        assert gateway.signed(method, "/moto-api/reset", "s3")[0] == 404
    assert b"NoSuchBucket" in gateway.signed("GET", "/latest/meta-data/iam", "s3")[2]
    assert gateway.signed("GET", "/", "motoapi")[0] == 400


def test_unsigned_request_is_refused_in_its_own_protocol(gateway: Any) -> None:
    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
    status, _, body = gateway.send("POST", "/", b"{}", target)
    assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationTokenException")
    assert b"<Code>MissingAuthenticationToken</Code>" in gateway.send("POST", "/", WHO, FORM)[2]
    assert b"<Code>AccessDenied</Code>" in gateway.send("GET", "/bucket/key")[2]


def test_unsigned_sts_hands_out_no_key(gateway: Any) -> None:
    asked = b"Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=nn"
    assert gateway.send("POST", "/", asked + b"&WebIdentityToken=t", FORM)[0] == 403


@pytest.mark.parametrize(
    ("service", "operation", "unknown", "mismatch"),
    [
        ("sagemaker", "list_training_jobs", "UnrecognizedClientException", "InvalidSignatureException"),
        ("logs", "describe_log_groups", "UnrecognizedClientException", "InvalidSignatureException"),
        ("cloudwatch", "list_metrics", "UnrecognizedClientException", "InvalidSignatureException"),
        ("lambda", "list_functions", "UnrecognizedClientException", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("ec2", "describe_instances", "AuthFailure", "AuthFailure"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ],
)
def test_foreign_keys_get_the_error_aws_has(
    gateway: Any, service: str, operation: str, unknown: str, mismatch: str
) -> None:
    own = gateway.home.credentials()
    stranger = gateway.client(service, aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
    forger = gateway.client(service, aws_access_key_id=own.access_key_id, aws_secret_access_key="x")
    assert code(getattr(stranger, operation)) == unknown
    assert code(getattr(forger, operation)) == mismatch


def test_published_example_key_of_moto_is_no_way_in(gateway: Any) -> None:
    example = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY")
    keys = {"aws_access_key_id": example[0], "aws_secret_access_key": example[1]}
    assert code(gateway.client("s3", **keys).list_buckets) == "InvalidAccessKeyId"
    assert code(gateway.client("s3", **keys, aws_session_token="t").list_buckets) == "InvalidAccessKeyId"


@pytest.mark.parametrize("seconds", [-1000, 1000])
def test_clock_off_by_more_than_15_minutes_is_refused(
    gateway: Any, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: shifted)
    _, _, body = gateway.control("ListTrainingJobs", b"{}")
    assert json.loads(body)["__type"] == "InvalidSignatureException"
    assert ("Signature expired" if seconds < 0 else "Signature not yet current") in json.loads(body)["message"]
    assert b"<Code>RequestTimeTooSkewed</Code>" in gateway.signed("GET", "/", "s3")[2]


def test_body_other_than_the_signed_one_is_refused(gateway: Any, stored: str) -> None:
    def swap(headers: dict[str, str]) -> None:
        headers["X-Amz-Target"] = "SageMaker.StopTrainingJob"

    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
    status, _, body = gateway.signed("POST", "/", "sagemaker", b"{}", target, swap)
    assert (status, json.loads(body)["__type"]) == (403, "InvalidSignatureException")

    claimed = {"X-Amz-Content-SHA256": "0" * 64}
    status, _, body = gateway.signed("PUT", f"/{stored}/k", "s3", b"x", alter=lambda h: h.update(claimed))
    assert status == 403


def test_header_added_after_signing_is_refused(gateway: Any, stored: str) -> None:
    def add(headers: dict[str, str]) -> None:
        headers["x-amz-copy-source"] = "/other/key"

    status, _, body = gateway.signed("PUT", f"/{stored}/k", "s3", b"x", alter=add)
    assert (status, b"AccessDenied" in body) == (403, True)


@pytest.mark.parametrize(
    "authorization",
    ["", "AWS key:signature", "Basic eDp5", "AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 Credential=a/b"],
)
def test_unreadable_authorization_is_refused(gateway: Any, authorization: str) -> None:
    assert gateway.send("GET", "/", headers={"Authorization": authorization})[0] == 403


PRESIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-SignedHeaders=host"


@pytest.mark.parametrize(
    ("path", "date", "status"),
    [
        (f"/b/k?{PRESIGNED}&X-Amz-Signature=%C3%BC", None, 403),
        (f"/b/k?{PRESIGNED}&X-Amz-Signature=%ED%A0%80", None, 403),
        (f"/b/k?{PRESIGNED}&X-Amz-Signature={'&a' * 1_000}", None, 413),
        (f"/?{'&' * 2_000}", None, 413),
        (f"/v1/repos/r/info/refs?{'&' * 2_000}", None, 413),
        ("/", f"Mon, 30 Nov 2026 00:00:00 +{'9' * 20}", 403),
        ("/", f"Mon, 30 Nov {'9' * 20} 00:00:00 GMT", 403),
    ],
)
def test_strangers_bytes_crash_nothing(gateway: Any, path: str, date: str | None, status: int) -> None:
    now, key = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), gateway.home.credentials().access_key_id
    scope = f"{key}/{now[:8]}/us-east-1/s3/aws4_request"
    claim = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    sent = {"Authorization": claim, "Date": date} if date else {}
    assert gateway.send("GET", path.format(scope, now), b"", sent)[0] == status


@pytest.mark.parametrize("text", ["\xfc", "w7w=", "//8=", "=", "AAA"])
def test_credentials_for_git_that_are_none_are_refused(text: str) -> None:
    request: Any = SimpleNamespace(header=lambda _: f"Basic {text}")
    with pytest.raises(IncompleteSignature):
        git_credentials.read(request)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_opens_what_it_was_made_for(gateway: Any, stored: str, version: str) -> None:
    client = gateway.client("s3", Config(signature_version=version))
    asked = {"Bucket": stored, "Key": "a key+1", "ResponseContentType": "text/x y"}
    url = client.generate_presigned_url("get_object", asked)
    assert fetch(url) == (200, b"content")
    status, body = fetch(url.replace("a%20key", "another"))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_ends(gateway: Any, stored: str, version: str) -> None:
    own = gateway.home.credentials()
    client = gateway.client("s3", Config(signature_version=version))
    if version == "s3":
        url = client.generate_presigned_url("get_object", {"Bucket": stored, "Key": "k"}, ExpiresIn=-1)
    else:
        url = old_url(f"{gateway.url}/{stored}/k", Credentials(own.access_key_id, own.secret_access_key))
    status, body = fetch(url)
    assert (status, b"Request has expired" in body) == (403, True)


def old_url(url: str, keys: Credentials) -> str:
    """A URL presigned an hour ago, for a minute."""
    request = AWSRequest("GET", url)
    auth = S3SigV4QueryAuth(keys, "s3", "us-east-1", expires=60)
    request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 3600))
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return str(request.url)


def test_presigned_put_stores(gateway: Any, stored: str) -> None:
    client = gateway.client("s3", Config(signature_version="s3v4"))
    url = client.generate_presigned_url("put_object", {"Bucket": stored, "Key": "put"})
    with urllib.request.urlopen(urllib.request.Request(url, b"sent", method="PUT"), timeout=30) as answer:
        assert answer.status == 200
    assert client.get_object(Bucket=stored, Key="put")["Body"].read() == b"sent"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-1"},
        {"Content-Length": "x"},
        {"Content-Length": "1, 1"},
        {"Content-Length": "3", "Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "gzip, chunked"},
    ],
)
def test_bad_length_is_a_400(gateway: Any, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(gateway.url).port, timeout=30)
    connection.putrequest("PUT", "/bucket/key")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert answer.getheader("Connection") == "close"
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/guarded/a%20key+1", b""),
        ("GET", "/guarded/other", b""),
        ("GET", "/guarded/a%20key+1?versionId=1", b""),
        ("GET", "/guarded", b""),
        ("PUT", "/guarded/a%20key+1", b"other"),
    ],
)
def test_headers_of_one_request_do_not_open_another(
    gateway: Any, stored: str, method: str, path: str, body: bytes
) -> None:
    kept: dict[str, str] = {}
    assert gateway.signed("GET", f"/{stored}/a%20key%2B1", "s3", alter=kept.update)[0] == 200
    status, _, answer = gateway.send(method, path, body, kept)
    assert (status, b"SignatureDoesNotMatch" in answer or b"XAmzContentSHA256Mismatch" in answer) in (
        (403, True),
        (400, True),
    )
    found = gateway.client("s3").get_object(Bucket=stored, Key="a key+1")["Body"].read()
    assert found == b"content"


def test_headers_of_one_service_do_not_open_another(gateway: Any) -> None:
    kept: dict[str, str] = {}
    assert gateway.signed("POST", "/", "sts", WHO, FORM, kept.update)[0] == 200
    kept["Authorization"] = kept["Authorization"].replace("/sts/", "/iam/")
    assert gateway.send("POST", "/", WHO, kept)[0] == 403


@pytest.mark.parametrize("change", ["X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token", "Host"])
def test_a_tampered_header_is_refused(gateway: Any, stored: str, change: str) -> None:
    values = {"X-Amz-Date": "20260101T000000Z", "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}

    def tamper(headers: dict[str, str]) -> None:
        headers[change] = values.get(change, "localhost:1")

    assert gateway.signed("GET", f"/{stored}/a%20key%2B1", "s3", alter=tamper)[0] == 403


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("change", ["key", "method", "query", "expires"])
def test_a_presigned_url_opens_nothing_else(gateway: Any, stored: str, version: str, change: str) -> None:
    client = gateway.client("s3", Config(signature_version=version))
    url = client.generate_presigned_url("get_object", {"Bucket": stored, "Key": "a key+1"}, ExpiresIn=60)
    path = url.removeprefix(gateway.url)
    method = "DELETE" if change == "method" else "GET"
    if change == "key":
        path = path.replace("a%20key", "another").replace("a+key", "another")
    elif change == "query":
        path += "&acl"
    elif change == "expires":
        path = re.sub(r"Expires=(\d+)", lambda found: f"Expires={int(found[1]) + 100}", path)
    status, _, answer = gateway.send(method, path)
    assert (status, b"SignatureDoesNotMatch" in answer) == (403, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="to be another user takes root")
def test_another_user_of_the_machine_gets_nothing(gateway: Any) -> None:
    script = (
        "import pathlib, sys, urllib.error, urllib.request\n"
        "home, url = sys.argv[1:]\n"
        "for name in ('', 'credentials.json', 'services.db', 'objects'):\n"
        "    try:\n"
        "        path = pathlib.Path(home, name)\n"
        "        print(list(path.iterdir()) if path.is_dir() else path.read_text())\n"
        "    except PermissionError:\n"
        "        print('denied')\n"
        "try:\n"
        "    urllib.request.urlopen(url)\n"
        "except urllib.error.HTTPError as refused:\n"
        "    print(refused.code)\n"
    )
    home = gateway.home.path
    for folder in (home.parent, *home.parent.parents):  # nothing but the home's own mode protects it
        if folder.stat().st_mode & 0o005 != 0o005 and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(0o755)
    command = ["/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3", "-c", script]
    found = subprocess.run(
        [*command, str(home), gateway.url],
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == ["denied"] * 4 + ["403"], found.stderr
