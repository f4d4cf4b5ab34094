"""moto behind the gateway: nothing is lost on the way, and its gaps are refused, not crashed on."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

KEYS = [
    "a%2Fb",
    "ünï cödé",
    "sp ace",
    "pl+us",
    "a//b",
    "~x!*'()",
    "q?r&s=t",
    "dir/",
    "moto-api/x",
    "a/../b",
    "%",
    "x#y",
    "line\nbreak",
    "\n",
    "tab\t and \r and \x7f",
    "/",
]


@pytest.fixture(scope="module")
def s3(gateway: Any) -> Any:
    client = gateway.client("s3")
    client.create_bucket(Bucket="front")
    return client


@pytest.mark.parametrize("key", KEYS)
def test_odd_keys_and_metadata_survive(s3: Any, key: str) -> None:
    metadata = {"my_key": "under", "my-other": "dash"}
    s3.put_object(Bucket="front", Key=key, Body=key.encode(), Metadata=metadata)
    found = s3.get_object(Bucket="front", Key=key)
    assert (found["Body"].read(), found["Metadata"]) == (key.encode(), metadata)
    assert key in [item["Key"] for item in s3.list_objects_v2(Bucket="front", Prefix=key)["Contents"]]
    s3.delete_object(Bucket="front", Key=key)


def test_range_and_head(s3: Any) -> None:
    s3.put_object(Bucket="front", Key="range", Body=b"0123456789")
    assert s3.get_object(Bucket="front", Key="range", Range="bytes=2-4")["Body"].read() == b"234"
    assert s3.head_object(Bucket="front", Key="range")["ContentLength"] == 10
    with pytest.raises(botocore.exceptions.ClientError, match="404"):
        s3.head_object(Bucket="front", Key="not there")


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_big_upload_comes_back_whole(gateway: Any, checksums: str) -> None:
    client = gateway.client("s3", Config(request_checksum_calculation=checksums))
    sent = os.urandom(9 << 20)
    client.upload_fileobj(io.BytesIO(sent), "front", "big")
    received = io.BytesIO()
    client.download_fileobj("front", "big", received)
    assert received.getvalue() == sent


@pytest.mark.slow
def test_body_above_64_mb_goes_through_a_file(gateway: Any, s3: Any) -> None:
    sent = bytes(65 << 20)
    s3.put_object(Bucket="front", Key="huge", Body=sent)
    assert s3.head_object(Bucket="front", Key="huge")["ContentLength"] == len(sent)
    assert list((gateway.home.path / "tmp").iterdir()) == []
    s3.delete_object(Bucket="front", Key="huge")


def streamed(gateway: Any, body: bytes, spoil: bool = False) -> tuple[int, dict[str, str], bytes]:
    """A PUT whose body is signed in chunks, as other SDKs send it."""
    own = gateway.home.credentials()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    key = f"AWS4{own.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers = {
        "host": gateway.url.removeprefix("http://"),
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-date": stamp,
        "x-amz-decoded-content-length": str(len(body)),
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"PUT\n/front/streamed\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    seed = previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    wire, empty = b"", hashlib.sha256(b"").hexdigest()
    for piece in [body[at : at + 8192] for at in range(0, len(body), 8192)] + [b""]:
        digest = hashlib.sha256(piece).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{empty}\n{digest}"
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        wire += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + b"\r\n"
    claim = f"Credential={own.access_key_id}/{scope}, SignedHeaders={names}, Signature={seed}"
    headers |= {"Authorization": f"AWS4-HMAC-SHA256 {claim}", "content-encoding": "aws-chunked"}
    return gateway.send("PUT", "/front/streamed", wire.replace(b"x", b"y", 1) if spoil else wire, headers)  # type: ignore[no-any-return]


def test_chunks_signed_one_by_one_are_checked(gateway: Any, s3: Any) -> None:
    assert streamed(gateway, b"x" * 20_000)[0] == 200
    assert s3.get_object(Bucket="front", Key="streamed")["Body"].read() == b"x" * 20_000
    status, _, body = streamed(gateway, b"x" * 20_000, spoil=True)
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("cloudwatch", "describe_anomaly_detectors", {}),
        ("ec2", "describe_fpga_images", {}),
        ("iam", "get_service_last_accessed_details", {"JobId": "x" * 36}),
        ("logs", "list_anomalies", {}),
        ("braket", "search_jobs", {"filters": []}),
        ("lambda", "get_account_settings", {}),
    ],
)
def test_what_moto_lacks_is_a_clear_400(
    gateway: Any, service: str, operation: str, params: dict[str, Any]
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="NotImplemented") as error:
        getattr(gateway.client(service), operation)(**params)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "is not something the local cloud" in error.value.response["Error"]["Message"]


@pytest.mark.slow
def test_every_protocol_gets_through(gateway: Any) -> None:
    gateway.client("logs").create_log_group(logGroupName="/front")
    assert gateway.client("logs").describe_log_groups(logGroupNamePrefix="/front")["logGroups"]
    gateway.client("cloudwatch").put_metric_data(Namespace="front", MetricData=[{"MetricName": "m", "Value": 1}])
    assert gateway.client("cloudwatch").list_metrics(Namespace="front")["Metrics"]
    assert isinstance(gateway.client("dynamodb").list_tables()["TableNames"], list)
    assert isinstance(gateway.client("lambda").list_functions()["Functions"], list)
    assert isinstance(gateway.client("kms").list_keys()["Keys"], list)
    points = gateway.signed("GET", "/v20180820/accesspoint", "s3", headers={"x-amz-account-id": "123456789012"})
    assert b"<ListAccessPointsResponse" in points[2]


def test_account_of_a_request_cannot_be_chosen(gateway: Any) -> None:
    headers = {"x-moto-account-id": "999999999999", "Content-Type": "application/x-www-form-urlencoded"}
    body = b"Action=CreateUser&Version=2010-05-08&UserName=chosen"
    assert b"arn:aws:iam::123456789012:user/chosen" in gateway.signed("POST", "/", "iam", body, headers)[2]


@pytest.mark.parametrize(
    ("service", "target", "given"),
    [
        ("kms", "TrentService.CreateKey", {"Description": [1], "Tags": {"a": 1}}),
        ("kms", "TrentService.DescribeKey", {"KeyId": {"a": 1}}),
        ("logs", "Logs_20140328.PutLogEvents", {"logGroupName": [], "logStreamName": "s", "logEvents": "none"}),
        ("dynamodb", "DynamoDB_20120810.PutItem", {"TableName": "none", "Item": [1]}),
        ("events", "AWSEvents.PutRule", {"Name": {"a": 1}, "ScheduleExpression": [1]}),
        ("secretsmanager", "secretsmanager.CreateSecret", {"Name": [1], "Tags": 1}),
    ],
)
def test_members_of_a_wrong_type_are_told_as_such(gateway: Any, service: str, target: str, given: Any) -> None:
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    status, _, body = gateway.signed("POST", "/", service, json.dumps(given).encode(), headers)
    said = json.loads(body)
    assert (status, said["__type"].rpartition("#")[2]) == (400, "SerializationException"), said


def test_items_change_at_once_and_no_count_is_lost(gateway: Any) -> None:
    dynamodb = gateway.client("dynamodb")
    keys = {"KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}]}
    types = [{"AttributeName": "name", "AttributeType": "S"}]
    dynamodb.create_table(TableName="counts", AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST", **keys)

    def add(number: int) -> bool:
        """Count an item that others count, and one of its own; whether all that are seen have a count."""
        for name in ("all", "all", "all", f"own-{number}"):
            change = {"UpdateExpression": "ADD clicks :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
            dynamodb.update_item(TableName="counts", Key={"name": {"S": name}}, **change)
        return all("clicks" in item for item in dynamodb.scan(TableName="counts")["Items"])

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that one request comes between the steps of another
    try:
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(add, range(64)))
    finally:
        sys.setswitchinterval(before)
    found = dynamodb.get_item(TableName="counts", Key={"name": {"S": "all"}})["Item"]
    assert found["clicks"] == {"N": "192"}
