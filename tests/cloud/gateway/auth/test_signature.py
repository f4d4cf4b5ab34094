"""The signatures agree with the published examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.cloud.errors import IncompleteSignature
from sagelab.cloud.gateway.auth import signature
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.http1 import Message

SPOOL = Spool(Path("unused"), Disk(0))

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def request(method: str, uri: str, **headers: str) -> Request:
    message = Message()
    message.method, message.target = method, uri
    message.fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(message, lambda: (), SPOOL)


def test_aws_example_of_a_get_with_a_range() -> None:
    names = "host;range;x-amz-content-sha256;x-amz-date"
    expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    credential = f"{KEY}/20130524/us-east-1/s3/aws4_request"
    sent = request(
        "GET",
        "/test.txt",
        host="examplebucket.s3.amazonaws.com",
        range="bytes=0-9",
        x_amz_content_sha256=signature.EMPTY_SHA256,
        x_amz_date="20130524T000000Z",
        authorization=f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={expected}",
    )
    claim = signature.read_header(sent)
    assert signature.sign(sent, claim, SECRET, signature.EMPTY_SHA256) == expected


def test_aws_example_of_a_list_with_a_query() -> None:
    expected = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    headers = ("host", "x-amz-content-sha256", "x-amz-date")
    scope = ("20130524", "us-east-1", "s3")
    claim = signature.Signed(KEY, *scope, headers, expected, "20130524T000000Z")
    sent = request(
        "GET",
        "/?max-keys=2&prefix=J",
        host="examplebucket.s3.amazonaws.com",
        x_amz_content_sha256=signature.EMPTY_SHA256,
        x_amz_date="20130524T000000Z",
    )
    assert signature.sign(sent, claim, SECRET, signature.EMPTY_SHA256) == expected


@pytest.mark.parametrize("expires", ["0", "604801", "x", "-1", ""])
def test_lifetime_of_a_url_is_bounded(expires: str) -> None:
    uri = f"/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}/20130524/us-east-1/s3/aws4_request"
    with pytest.raises(IncompleteSignature, match="X-Amz-Expires"):
        signature.read_query(request("GET", f"{uri}&X-Amz-Expires={expires}&X-Amz-Signature=0"))
