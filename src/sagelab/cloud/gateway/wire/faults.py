"""An error in the form that the caller's protocol has for it, with the code AWS uses there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from sagelab.cloud.errors import (
    AccessDenied,
    ExpiredRequest,
    ExpiredToken,
    InvalidToken,
    MissingAuthentication,
    RequestTooLarge,
    ServiceError,
    SignatureMismatch,
)
from sagelab.cloud.gateway.http.request import CONTROL, Request

_QUERY_CODES: dict[type[ServiceError], str] = {
    MissingAuthentication: "MissingAuthenticationToken",
    SignatureMismatch: "SignatureDoesNotMatch",
    ExpiredRequest: "SignatureDoesNotMatch",
    InvalidToken: "InvalidClientTokenId",
    ExpiredToken: "ExpiredToken",
    AccessDenied: "AccessDenied",
}
_EC2_CODES = {**_QUERY_CODES, InvalidToken: "AuthFailure", SignatureMismatch: "AuthFailure"}
_JSON_CODES: dict[type[ServiceError], str] = {ExpiredRequest: "InvalidSignatureException"}
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_S3_CODES = {**_QUERY_CODES, MissingAuthentication: "AccessDenied"} | {
    InvalidToken: "InvalidAccessKeyId",
    ExpiredRequest: "RequestTimeTooSkewed",
    RequestTooLarge: "MaxMessageLengthExceeded",
}
_S3_MESSAGES: dict[type[ServiceError], str] = {
    MissingAuthentication: "Access Denied",
    InvalidToken: "The AWS Access Key Id you provided does not exist in our records.",
    ExpiredRequest: "The difference between the request time and the current time is too large.",
}
_CODES = {"query": _QUERY_CODES, "ec2": _EC2_CODES, "s3": _S3_CODES, "rest-xml": _QUERY_CODES}


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire: a whole body, or one that comes in parts."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    stream: Generator[bytes, None, None] | None = None


def protocol_of(request: Request) -> str:
    """json, cbor, query, ec2, s3, rest-xml or rest-json: how this caller reads an error.

    Its body may not have been read.
    """
    service = request.claimed_service
    if request.target:
        return "json"
    if request.header("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    if service in ("s3", None) and not request.path.startswith(CONTROL):
        kind = request.header("content-type") or ""
        return "query" if service is None and kind.startswith("application/x-www-form-urlencoded") else "s3"
    if service in ("s3", "cloudfront", "route53"):
        return "rest-xml"
    kind = request.header("content-type") or ""
    if "Action" in request.parameters or kind.startswith("application/x-www-form-urlencoded"):
        return "ec2" if service == "ec2" else "query"
    return "rest-json"


def fault(error: ServiceError, protocol: str, path: str = "/") -> Answer:
    """The error as an answer of that protocol."""
    code = _CODES.get(protocol, _JSON_CODES).get(type(error), error.code)
    message = _S3_MESSAGES.get(type(error), error.message) if protocol == "s3" else error.message
    request_id = str(uuid.uuid4())
    headers, body = _FORMS[protocol](code, message, request_id, path)
    if error.details and protocol in ("json", "rest-json"):
        body = json.dumps(json.loads(body) | error.details).encode()
    return Answer(error.status, headers, body, request_id)


_Form = tuple[list[tuple[str, str]], bytes]


def _json(code: str, message: str, request_id: str, _path: str) -> _Form:
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    kind = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)]
    return [*kind, ("x-amzn-RequestId", request_id)], body


def _rest_json(code: str, message: str, request_id: str, path: str) -> _Form:
    headers, body = _json(code, message, request_id, path)
    return [("Content-Type", "application/json"), *headers[1:]], body


def _cbor(code: str, message: str, request_id: str, _path: str) -> _Form:
    body = b"\xa2" + _cbor_text("__type") + _cbor_text(code) + _cbor_text("message") + _cbor_text(message)
    headers = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
    return [*headers, ("x-amzn-RequestId", request_id)], body


def _cbor_text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")[:0xFFFF]
    return b"\x79" + len(data).to_bytes(2, "big") + data


def _query(code: str, message: str, request_id: str, _path: str) -> _Form:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{_text(message)}</Message></Error>"
    return _xml(f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>", request_id)


def _ec2(code: str, message: str, request_id: str, _path: str) -> _Form:
    error = f"<Errors><Error><Code>{code}</Code><Message>{_text(message)}</Message></Error></Errors>"
    return _xml(f"<Response>{error}<RequestID>{request_id}</RequestID></Response>", request_id)


def _s3(code: str, message: str, request_id: str, path: str) -> _Form:
    inside = f"<Code>{code}</Code><Message>{_text(message)}</Message><Resource>{_text(path)}</Resource>"
    _, body = _xml(f"<Error>{inside}<RequestId>{request_id}</RequestId></Error>", request_id)
    return [("Content-Type", "application/xml"), ("x-amz-request-id", request_id)], body


def _xml(inside: str, request_id: str) -> _Form:
    body = ('<?xml version="1.0" encoding="UTF-8"?>\n' + inside).encode("utf-8", "replace")
    return [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)], body


def _text(text: str) -> str:
    """XML 1.0 has no control characters."""
    return escape("".join(c if c >= " " or c in "\t\n\r" else "?" for c in text))


_FORMS = {
    "json": _json,
    "rest-json": _rest_json,
    "cbor": _cbor,
    "query": _query,
    "rest-xml": _query,
    "ec2": _ec2,
    "s3": _s3,
}
