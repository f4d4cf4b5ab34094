"""S3's requests that moto would stumble over, answered as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from typing import Any

from moto.moto_server import werkzeug_app
from moto.moto_server.utilities import RegexConverter
from moto.s3.exceptions import S3ClientError

from sagelab.cloud.errors import InvalidArgument
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.bucket_policy_form import find_fault

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


class AnyCharacter(RegexConverter):  # type: ignore[misc]
    """A part of a path that a regular expression of moto's matches: a key of S3 may have a line's end in it."""

    def __init__(self, url_map: Any, *items: Any) -> None:
        super().__init__(url_map, *items)
        self.regex = f"(?s:{items[0]})"


def install() -> None:
    """Let moto's apps, which are made later, read paths so."""
    werkzeug_app.RegexConverter = AnyCharacter


def check(context: Context) -> None:
    """InvalidArgument: the request asks for a header of the answer that could not be sent."""
    for name in HEADERS if context.service == "s3" else ():
        if not _fits(context.request.parameters.get(name, "")):
            raise InvalidArgument("Header value cannot be represented using ISO-8859-1.")


def check_policy(asked: dict[str, Any]) -> None:
    """S3ClientError: what is put as a bucket's policy is none (checks.py)."""
    if fault := find_fault(asked["policy"]):
        raise S3ClientError("MalformedPolicy", fault)


def _fits(value: str) -> bool:
    """Whether a text can be a header's value: Latin-1, without control characters."""
    return all(" " <= each <= "\xff" and each != "\x7f" for each in value)
