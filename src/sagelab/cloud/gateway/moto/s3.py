"""S3's requests that moto would stumble over, answered as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from moto.moto_server import werkzeug_app
from moto.moto_server.utilities import RegexConverter
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend

from sagelab.cloud.errors import InvalidArgument, InvalidURI
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

_put_bucket_policy = S3Backend.put_bucket_policy


class AnyCharacter(RegexConverter):  # type: ignore[misc]
    """A part of a path that a regular expression of moto's matches: a key of S3 may have a line's end in it."""

    def __init__(self, url_map: Any, *items: Any) -> None:
        super().__init__(url_map, *items)
        self.regex = f"(?s:{items[0]})"


def install() -> None:
    """Let moto's apps, which are made later, read paths so, and keep no policy that is none."""
    werkzeug_app.RegexConverter = AnyCharacter
    S3Backend.put_bucket_policy = _keep_policy


def check(context: Context) -> None:
    """InvalidURI: a key that is no text. InvalidArgument: a header of the answer that could not be sent."""
    if context.service != "s3":
        return
    try:
        unquote_to_bytes(context.request.path).decode()
    except UnicodeDecodeError:
        raise InvalidURI("Couldn't parse the specified URI.") from None
    for name in HEADERS:
        if not _fits(context.request.parameters.get(name, "")):
            raise InvalidArgument("Header value cannot be represented using ISO-8859-1.")


def _fits(value: str) -> bool:
    """Whether a text can be a header's value: Latin-1, without control characters."""
    return all(" " <= each <= "\xff" and each != "\x7f" for each in value)


def _keep_policy(backend: Any, bucket_name: str, policy: bytes) -> None:
    if fault := find_fault(policy):
        raise S3ClientError("MalformedPolicy", fault)
    _put_bucket_policy(backend, bucket_name, policy)
