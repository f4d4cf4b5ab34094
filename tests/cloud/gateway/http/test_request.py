"""Bodies: whose they are is known before they are read, and large ones are in files that count."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sagelab.cloud.errors import EntityTooLarge, RequestTooLarge, StorageUnavailable
from sagelab.cloud.gateway.http.request import BODY_LIMIT, DOCUMENT_LIMIT, Request
from sagelab.cloud.gateway.http.spool import SMALL, Disk, Spool
from sagelab.http1 import Message
from tests.cloud.gateway.conftest import Serving

MB = 1 << 20
HUGE = {"Content-Length": str(4 << 30)}


def announce(gateway: Serving, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """The answer to the head of a request whose body never comes."""
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(gateway.url).port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.getheader("Connection") == "close"
        return answer.status, answer.read()


def forged(headers: dict[str, str]) -> dict[str, str]:
    authorization = headers["Authorization"]
    return headers | HUGE | {"Authorization": authorization[:-2] + ("00" if authorization[-2:] != "00" else "11")}


@pytest.fixture
def bucket(gateway: Serving, unique: Callable[[str], str]) -> str:
    name = unique("bodies")
    gateway.client("s3").create_bucket(Bucket=name)
    return name


def test_body_of_nobody_is_not_waited_for(gateway: Serving) -> None:
    assert announce(gateway, "PUT", "/bucket/key", HUGE)[0] == 403
    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs"} | HUGE
    status, body = announce(gateway, "POST", "/", target)
    assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationTokenException")
    form = {"Content-Type": "application/x-www-form-urlencoded"} | HUGE
    assert b"<Code>MissingAuthenticationToken</Code>" in announce(gateway, "POST", "/", form)[1]


def test_who_sends_all_before_listening_hears_why(gateway: Serving, bucket: str) -> None:
    content = bytes(20 * MB)
    assert gateway.send("PUT", f"/{bucket}/key", content)[0] == 403
    own = gateway.home.credentials()
    forger = gateway.client("s3", aws_access_key_id=own.access_key_id, aws_secret_access_key="x")
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        forger.put_object(Bucket=bucket, Key="key", Body=content)


def test_nobody_is_told_to_go_on(gateway: Serving) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port or 0), timeout=30) as connection:
        host = urlsplit(gateway.url).netloc
        head = f"PUT /bucket/key HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("path", ["/bucket/key", "/bucket/key?partNumber=1&uploadId=x", "/bucket?versioning"])
def test_forged_signature_over_a_hash_is_seen_by_its_head(gateway: Serving, path: str) -> None:
    status, body = announce(gateway, "PUT", path, forged(gateway.sign("PUT", path, "s3")))
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


def test_forged_signature_over_chunks_is_seen_by_its_head(gateway: Serving) -> None:
    streaming = {"X-Amz-Decoded-Content-Length": str(4 << 30), "X-Amz-Trailer": "x-amz-checksum-crc32"}
    headers = forged(gateway.sign("PUT", "/bucket/key", "s3", headers=streaming))
    headers["X-Amz-Content-SHA256"] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert announce(gateway, "PUT", "/bucket/key", headers)[0] == 403


def test_forged_presigned_url_is_seen_by_its_head(gateway: Serving, bucket: str) -> None:
    own = gateway.home.credentials()
    request = AWSRequest("PUT", f"{gateway.url}/{bucket}/key")
    S3SigV4QueryAuth(Credentials(own.access_key_id, "another"), "s3", "us-east-1", 60).add_auth(request)
    assert announce(gateway, "PUT", request.url.removeprefix(gateway.url), HUGE)[0] == 403
    url = gateway.client("s3").generate_presigned_url("put_object", {"Bucket": bucket, "Key": "key"})
    forged = url.removeprefix(gateway.url)[:-1] + ("1" if url.endswith("0") else "0")
    assert announce(gateway, "PUT", forged, HUGE)[0] == 403


def test_stranger_to_a_service_that_signs_the_body_is_sent_away(gateway: Serving) -> None:
    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
    headers = gateway.sign("POST", "/", "sagemaker", headers=target) | HUGE
    nobody = headers | {"Authorization": headers["Authorization"].replace("Credential=", "Credential=A")}
    assert announce(gateway, "POST", "/", nobody)[0] == 403


def test_body_that_its_signature_needs_is_a_small_one(gateway: Serving) -> None:
    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs"}
    status, body = announce(gateway, "POST", "/", gateway.sign("POST", "/", "sagemaker", headers=target) | HUGE)
    assert (status, json.loads(body)["__type"]) == (413, "RequestEntityTooLargeException")
    status, body = announce(gateway, "PUT", "/bucket?policy", gateway.sign("PUT", "/bucket?policy", "s3") | HUGE)
    assert (status, b"<Code>MaxMessageLengthExceeded</Code>" in body) == (413, True)


def test_object_of_more_than_5_gb_is_refused_by_its_head(gateway: Serving) -> None:
    length = {"Content-Length": str(6 << 30)}
    status, body = announce(gateway, "PUT", "/bucket/key", gateway.sign("PUT", "/bucket/key", "s3") | length)
    assert (status, b"<Code>EntityTooLarge</Code>" in body) == (400, True)


def test_file_of_a_form_is_not_waited_for_before_its_policy_holds(gateway: Serving, bucket: str) -> None:
    form = gateway.client("s3").generate_presigned_post(bucket, "key")
    fields = form["fields"] | {"policy": form["fields"]["policy"][:-4] + "AAAA"}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nbegins')
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(gateway.url).port, timeout=30)) as connection:
        connection.putrequest("POST", f"/{bucket}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=b")
        connection.putheader("Content-Length", HUGE["Content-Length"])
        connection.endheaders("".join(parts).encode())
        assert connection.getresponse().status == 403


def made(spool: Spool, parts: list[bytes]) -> Request:
    message = Message()
    message.method, message.target = "PUT", "/bucket/key"
    return Request(message, lambda: iter(parts), spool)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "tmp", Disk(4 * MB))
    yield spool
    assert list((tmp_path / "tmp").glob("*")) == []


def test_no_more_than_a_megabyte_of_an_object_is_in_memory(spool: Spool, tmp_path: Path) -> None:
    with closing(made(spool, [b"x" * SMALL])) as small:
        small.read(BODY_LIMIT)
        assert (small.file(), small.content()) == (None, b"x" * SMALL)
    with closing(made(spool, [b"x" * SMALL, b"y"])) as large:
        large.read(BODY_LIMIT)
        file = large.file()
        assert file is not None
        assert b"".join(file) == large.content() == b"x" * SMALL + b"y"
        assert [one.stat().st_mode & 0o777 for one in (tmp_path / "tmp").iterdir()] == [0o600]


def test_bodies_on_their_way_share_one_limit(spool: Spool) -> None:
    with closing(made(spool, [b"x" * MB] * 3)) as first, closing(made(spool, [b"x" * MB] * 2)) as second:
        first.read(BODY_LIMIT)
        with pytest.raises(StorageUnavailable, match="SAGELAB_DISK_GB"):
            second.read(BODY_LIMIT)
    with closing(made(spool, [b"x" * MB] * 4)) as third:
        third.read(BODY_LIMIT)


def test_hash_of_a_large_body_keeps_no_other_request_waiting(spool: Spool) -> None:
    """One body is hashed while another's hash has begun and not ended."""
    with closing(made(spool, [b"x" * SMALL, b"y"])) as large, closing(made(spool, [b"x"])) as small:
        large.read(BODY_LIMIT)
        small.read(BODY_LIMIT)
        with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:

            def pieces() -> Iterator[bytes]:
                yield pool.submit(small.sha256).result(timeout=30).encode()

            patch.setattr(large, "pieces", pieces)
            assert large.sha256()


def test_parts_of_two_bytes_take_no_more_than_they_are(spool: Spool) -> None:
    message = Message()
    message.method, message.target = "POST", "/"
    message.fields = {}
    parts = (bytes((number % 256, number % 251)) for number in range(50_000))
    with closing(Request(message, lambda: parts, spool)) as request:
        tracemalloc.start()
        try:
            request.read(DOCUMENT_LIMIT)
            assert tracemalloc.get_traced_memory()[1] < MB
        finally:
            tracemalloc.stop()
        assert request.content()[-2:] == bytes((49_999 % 256, 49_999 % 251))


def test_many_small_bodies_leave_the_memory_to_others(spool: Spool) -> None:
    spool.memory.limit = SMALL
    with closing(made(spool, [b"x" * SMALL])) as first, closing(made(spool, [b"y"])) as second:
        first.read(BODY_LIMIT)
        second.read(BODY_LIMIT)
        assert first.file() is None
        assert second.file() is not None
        assert second.content() == b"y"
    with closing(made(spool, [b"x" * SMALL])) as third:
        third.read(BODY_LIMIT)
        assert third.file() is None


@pytest.mark.parametrize(("limit", "error"), [(DOCUMENT_LIMIT, RequestTooLarge), (BODY_LIMIT, EntityTooLarge)])
def test_body_without_a_length_ends_at_its_limit(spool: Spool, limit: int, error: type[Exception]) -> None:
    with closing(made(spool, [])) as request, pytest.raises(error):
        request.check_size(limit + 1, limit)
    if limit == DOCUMENT_LIMIT:
        spool._disk.limit = 2 * limit
        with closing(made(spool, [b"x" * MB] * 33)) as request, pytest.raises(error):
            request.read(limit)


def test_what_a_killed_process_left_is_gone(tmp_path: Path) -> None:
    (tmp_path / "body-1").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")
    Spool(tmp_path, Disk(1))
    assert [one.name for one in tmp_path.iterdir()] == ["other"]


def test_body_that_fills_the_disk_is_refused_in_words(
    gateway: Serving, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_disk: Disk, _size: int) -> None:
        raise OSError(122, "its limit is reached")

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "reserve", full)
        with pytest.raises(botocore.exceptions.ClientError, match="its limit is reached") as refused:
            gateway.client("s3").put_object(Bucket=bucket, Key="key", Body=bytes(2 * MB))
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    gateway.client("s3").put_object(Bucket=bucket, Key="key", Body=bytes(2 * MB))
    assert list((gateway.home.path / "tmp").iterdir()) == []


def test_compressed_request_is_read_as_what_is_in_it(gateway: Serving) -> None:
    client = gateway.client("cloudwatch", Config(request_min_compression_size_bytes=1))
    datum = {"MetricName": "loss", "Value": 1.0}
    client.put_metric_data(Namespace="Compressed", MetricData=[datum])
    assert [one["MetricName"] for one in client.list_metrics(Namespace="Compressed")["Metrics"]] == ["loss"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (gzip.compress(bytes(33 * MB)), 413, b"RequestEntityTooLargeException"),
        (gzip.compress(b"{}")[:-1], 400, b"SerializationException"),
        (gzip.compress(b"{}") + b"{}", 400, b"SerializationException"),
        (b"{}", 400, b"SerializationException"),
    ],
    ids=["too large", "cut off", "more behind it", "not compressed"],
)
def test_compressed_request_is_no_larger_than_another(
    gateway: Serving, body: bytes, status: int, code: bytes
) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-amz-json-1.0"}
    for more in ({"X-Amz-Target": "DynamoDB_20120810.ListTables"}, {}):
        service = "dynamodb" if more else "lambda"
        answer = gateway.signed("POST", "/", service, body, headers | more)
        assert (answer[0], code in answer[2]) == (status, True)


def test_compressed_object_stays_as_it_is(gateway: Serving, bucket: str) -> None:
    content = gzip.compress(b"content")
    gateway.client("s3").put_object(Bucket=bucket, Key="key", Body=content, ContentEncoding="gzip")
    found = gateway.client("s3").get_object(Bucket=bucket, Key="key")
    assert (found["Body"].read(), found["ContentEncoding"]) == (content, "gzip")


def test_query_of_a_request_says_whether_its_body_is_content(tmp_path: Path) -> None:
    def upload(method: str, target: str) -> bool:
        message = Message()
        message.method, message.target = method, target
        return Request(message, list, Spool(tmp_path, Disk(0))).is_upload

    assert upload("PUT", "/bucket/key")
    assert upload("PUT", "/bucket/key?partNumber=1&uploadId=x")
    documents: list[Any] = ["/bucket/key?acl", "/bucket/key?tagging&versionId=1", "/bucket", "/bucket/", "/"]
    assert not any(upload("PUT", one) for one in [*documents, "/v20180820/jobs/x"])
    assert not upload("POST", "/bucket/key?uploadId=x")
