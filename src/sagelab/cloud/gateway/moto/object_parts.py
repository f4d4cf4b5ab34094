"""One part of an object that was uploaded in parts: partNumber of GetObject and HeadObject, which moto ignores.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

from typing import Any

from moto.s3.responses import S3Response

from sagelab.cloud.errors import InvalidArgument, ServiceError
from sagelab.cloud.gateway.moto.persistence.objects import Key

_COUNT = "x-amz-mp-parts-count"
_NO_NUMBER = "Part number must be an integer between 1 and 10000, inclusive"
_NO_PART = "The requested partnumber is not satisfiable"
_TWICE = "Cannot specify both Range header and partNumber query parameter"


class InvalidPartNumber(ServiceError):
    """The object has no such part."""

    code = "InvalidPartNumber"
    status = 416


class InvalidRequest(ServiceError):
    """A part and a range are asked for at once."""

    code = "InvalidRequest"


def install() -> None:
    """From now on moto's S3 answers with the part that was asked for."""
    S3Response.get_object = _get_object
    S3Response.head_object = _head_object


def _get_object(response: Any) -> Any:
    if "partNumber" not in response.querystring:
        return _get(response)
    number = _number(response, response.querystring.pop("partNumber"))
    key, _ = response._get_key()
    count = _narrow(response, key, number)
    return _counted(_get(response), count)


def _head_object(response: Any, bucket: str, query: dict[str, Any], name: str, headers: Any) -> Any:
    if "partNumber" not in query:
        return _head(response, bucket, query, name, headers)
    number = _number(response, query["partNumber"])
    rest = {member: value for member, value in query.items() if member != "partNumber"}
    key = response.backend.get_object(bucket, name, rest.get("versionId", [None])[0])
    count = _narrow(response, key, number) if isinstance(key, Key) else 0
    return _counted(_head(response, bucket, rest, name, headers), count)


def _number(response: Any, given: list[str]) -> int:
    """InvalidArgument, InvalidRequest: it is none, or bytes are asked for as well."""
    if response.headers.get("range"):
        raise InvalidRequest(_TWICE)
    if not (given[0].isdecimal() and given[0].isascii() and 1 <= int(given[0][:9]) <= 10_000):
        raise InvalidArgument(_NO_NUMBER)
    return int(given[0])


def _narrow(response: Any, key: Any, number: int) -> int:
    """Let moto answer with the bytes of a part; how many parts there are, 0 of an object that was put as a whole.

    InvalidPartNumber: there is no such part.
    """
    parts = key.multipart.parts if key.multipart else {1: key}
    if number not in parts:
        raise InvalidPartNumber(_NO_PART)
    start = sum(part.body.size for other, part in parts.items() if other < number)
    if size := parts[number].body.size:  # an empty one has no bytes that could be named
        response.request.environ["HTTP_RANGE"] = f"bytes={start}-{start + size - 1}"
    return len(parts) if key.multipart else 0


def _counted(answer: Any, count: int) -> Any:
    """An answer with the number of parts; it becomes one of some bytes when moto sees the range."""
    status, headers, body = answer
    return status, headers | ({_COUNT: str(count)} if count and status == 200 else {}), body


_get, _head = S3Response.get_object, S3Response.head_object
