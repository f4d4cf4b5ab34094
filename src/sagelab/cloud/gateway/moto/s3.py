"""S3's requests that moto would stumble over, answered as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import re
from typing import Any

from moto.moto_server import werkzeug_app
from moto.moto_server.utilities import RegexConverter
from moto.s3.exceptions import InvalidBucketName, S3ClientError
from moto.s3.responses import S3Response

from sagelab.cloud.errors import InvalidArgument, MalformedXml, NotImplementedHere
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.bucket_policy_form import find_fault
from sagelab.cloud.gateway.moto.persistence import seals

HEADERS = tuple(
    f"response-{name}"
    for name in (
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    )
)


_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NO_XML = "The XML you provided was not well-formed or did not validate against our published schema"
_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")  # what S3 itself names so


class AnyCharacter(RegexConverter):  # type: ignore[misc]
    """A part of a path that a regular expression of moto's matches: a key of S3 may have a line's end in it."""

    def __init__(self, url_map: Any, *items: Any) -> None:
        super().__init__(url_map, *items)
        self.regex = f"(?s:{items[0]})"


def install() -> None:
    """Let moto's apps, which are made later, read paths so, and find a bucket in the path alone.

    No other host is let in than this machine's own (auth/guard.py); moto would find that out five times a request.
    """
    werkzeug_app.RegexConverter = AnyCharacter
    S3Response.subdomain_based_buckets = staticmethod(lambda _: False)


def check(context: Context) -> None:
    """InvalidArgument: the request asks for a header of the answer that could not be sent."""
    for name in HEADERS if context.service == "s3" else ():
        if not _fits(context.request.parameters.get(name, "")):
            raise InvalidArgument("Header value cannot be represented using ISO-8859-1.")


def check_name(asked: dict[str, Any]) -> None:
    """InvalidBucketName: no new bucket can have such a name (checks.py).

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """
    name, apart = asked["bucket_name"], asked.get("bucket_namespace")
    ends = _ENDS if apart else (*_ENDS, "-an")
    address = all(part.isdecimal() for part in name.split(".")) and name.count(".") == 3
    if not _NAME.fullmatch(name) or ".." in name or address or name.startswith(_STARTS) or name.endswith(ends):
        raise InvalidBucketName


def check_policy(asked: dict[str, Any]) -> None:
    """S3ClientError: what is put as a bucket's policy is none (checks.py)."""
    if fault := find_fault(asked["policy"]):
        raise S3ClientError("MalformedPolicy", fault)


def check_encryption(asked: dict[str, Any]) -> None:
    """InvalidArgument, MalformedXml, NotImplementedHere: a bucket's default encryption is none (checks.py).

    Whether its key is there, S3 does not ask.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html
    """
    rule = asked["encryption"]["Rule"]
    default = rule["ApplyServerSideEncryptionByDefault"] if isinstance(rule, dict) else {}
    algorithm = default.get("SSEAlgorithm")
    if algorithm == seals.LAYERS:
        raise NotImplementedHere(seals.NO_LAYERS)
    if algorithm not in (seals.PLAIN, seals.KMS):
        raise MalformedXml(_NO_XML)
    if algorithm == seals.PLAIN and default.get("KMSMasterKeyID"):
        raise InvalidArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms")


def _fits(value: str) -> bool:
    """Whether a text can be a header's value: Latin-1, without control characters."""
    return all(" " <= each <= "\xff" and each != "\x7f" for each in value)
