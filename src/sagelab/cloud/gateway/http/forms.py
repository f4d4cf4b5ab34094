"""Uploads to S3 by a form, as browsers send them: one file, and fields that say what becomes of it.

A form is made the put of its file, so that whatever holds for a put holds for it: permissions, keys, limits, what
is kept. Only what a put says in its headers is taken over, and nothing before the form's policy was checked: the
file, which comes last, is not read before.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from sagelab.cloud.errors import FieldsTooLarge, InvalidArgument, MalformedForm
from sagelab.cloud.gateway.auth import post_policy
from sagelab.cloud.gateway.http.request import BODY_LIMIT, Request
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.http1 import Message

FIELDS_LIMIT = 20_480  # bytes of all fields before the file
HEADS_LIMIT = 2 << 20  # bytes read until the file begins
# A form escapes nothing but the quotation mark; werkzeug would take a folder's backslash for an escape.
_FILE_NAME = re.compile(r'\bfilename="([^"]*)"')
_KIND = "multipart/form-data"
_TAKEN = ("cache-control", "content-disposition", "content-encoding", "content-type", "expires")
_TAKEN_OF_AMAZON = (
    *("x-amz-meta-", "x-amz-server-side-encryption", "x-amz-checksum-", "x-amz-sdk-checksum-algorithm"),
    *("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-object-lock-"),
)
_TOLD = ("etag", "x-amz-version-id", "x-amz-server-side-encryption", "x-amz-checksum-", "x-amz-expiration")
_TOO_LARGE = "Your POST request fields preceding the upload file were too large."
_MALFORMED = "The body of your POST request is not well-formed multipart/form-data."
_NO_KEY = (
    "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
)


@dataclass(frozen=True)
class Upload:
    """fields: by lower-case name, with the file's name put in. put: the request that puts the file."""

    fields: dict[str, str]
    put: Request

    def check(self, access_key: str, region: str) -> None:
        """Read the file, and hold all to the policy, whose signature has been checked.

        AccessDenied, EntityTooLarge, EntityTooSmall, InvalidPolicyDocument, MalformedForm: it is refused.
        """
        self.put.read(BODY_LIMIT)
        post_policy.check(self.fields, self.put.place[0], self.put.size)
        # moto looks for the account of the key, and takes a put without this header for an anonymous one.
        claim = f"Credential={access_key}/20000101/{region}/s3/aws4_request"
        self.put.headers["authorization"] = f"AWS4-HMAC-SHA256 {claim}, SignedHeaders=host, Signature=policy"

    def answer(self, answer: Answer) -> Answer:
        """What the form asked for where its file is there: a redirect, a document, or no content."""
        if answer.status >= 300:
            return answer
        told = [(name, value) for name, value in answer.headers if name.lower().startswith(_TOLD)]
        etag = next((value for name, value in told if name.lower() == "etag"), "")
        bucket, key = self.put.place
        location = f"{self.put.scheme}://{self.put.headers['host']}{quote(f'/{bucket}/{key}')}"
        if redirect := self._redirect(bucket, key, etag):
            return Answer(303, [*told, ("Location", redirect)], b"", answer.request_id)
        status = self.fields.get("success_action_status", "")
        if status != "201":
            return Answer(200 if status == "200" else 204, [*told, ("Location", location)], b"", answer.request_id)
        facts = {"Location": location, "Bucket": bucket, "Key": key, "ETag": etag}
        inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in facts.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{inside}</PostResponse>'.encode()
        headers = [*told, ("Location", location), ("Content-Type", "application/xml")]
        return Answer(201, headers, body, answer.request_id)

    def _redirect(self, bucket: str, key: str, etag: str) -> str | None:
        """Where the browser goes on; None where the form does not say so, or says no address."""
        asked = self.fields.get("success_action_redirect") or self.fields.get("redirect") or ""
        try:
            parts = urlsplit(asked)
        except ValueError:
            return None
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or not asked.isascii()
            or not asked.isprintable()
        ):
            return None
        facts = [("bucket", bucket), ("key", key), ("etag", etag)]
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *facts])
        return parts._replace(query=query).geturl()


def read(request: Request) -> Upload | None:
    """The upload that a request is; None where it is none.

    FieldsTooLarge, InvalidArgument, MalformedForm: it is no form that S3 takes.
    """
    kind, options = parse_options_header(request.header("content-type"))
    bucket, key = request.place
    signed = request.header("authorization") is not None or request.query
    if request.method != "POST" or kind != _KIND or signed or key or not bucket:
        return None
    if not options.get("boundary"):
        raise MalformedForm(_MALFORMED)
    events = _events(request, options["boundary"])
    fields, name = _fields(events)
    fields = {field: value.replace("${filename}", name) for field, value in fields.items()}
    if not fields.get("key"):
        raise InvalidArgument(_NO_KEY)
    message = _message(request, bucket, fields)
    return Upload(fields, Request(message, lambda: _file(events), request.spool, request.scheme))


def _events(request: Request, boundary: str) -> Iterator[Event]:
    """What a form consists of, in its order. FieldsTooLarge, MalformedForm: it goes on and on, or is broken."""
    decoder, in_file, size = MultipartDecoder(boundary.encode("latin-1", "replace")), False, 0
    for piece in itertools.chain(request.parts(), [None]):
        try:
            decoder.receive_data(piece)
            while not isinstance(event := decoder.next_event(), NeedData):
                in_file = in_file or _is_file(event)
                yield event
                if isinstance(event, Epilogue):
                    return
        except (ValueError, AttributeError):
            raise MalformedForm(_MALFORMED) from None
        size += len(piece or b"")
        if not in_file and size > HEADS_LIMIT:
            raise FieldsTooLarge(_TOO_LARGE)


def _is_file(event: Event) -> TypeGuard[File | Field]:
    return isinstance(event, (File, Field)) and event.name == "file"


def _fields(events: Iterator[Event]) -> tuple[dict[str, str], str]:
    """Every field before the file, and the name of the file without its folders."""
    fields: dict[str, bytes] = {}
    name, size = "", 0
    for event in events:
        if _is_file(event):
            given = _FILE_NAME.search(event.headers["content-disposition"])
            text = {field: value.decode("utf-8", "replace") for field, value in fields.items()}
            return text, re.split(r"[/\\]", given[1])[-1] if given else ""
        if isinstance(event, (File, Field)):
            name = (event.name or "").lower()
            fields[name] = b""
            size += len(name)
        elif isinstance(event, Data):
            fields[name] += event.data
            size += len(event.data)
        if size > FIELDS_LIMIT:
            raise FieldsTooLarge(_TOO_LARGE)
    raise InvalidArgument("POST requires exactly one file upload per request.")


def _file(events: Iterator[Event]) -> Iterator[bytes]:
    """The content of the file, whose beginning is the last event before. What comes after it is not looked at."""
    for event in events:
        if isinstance(event, Data):
            yield event.data
            if not event.more_data:
                return


def _message(request: Request, bucket: str, fields: dict[str, str]) -> Message:
    """The head of the put: of the fields, those that a put has as headers."""
    message = Message()
    message.method, message.target = "PUT", quote(f"/{bucket}/{fields['key']}")
    message.fields = {"host": request.header("host") or ""}
    for name, value in fields.items():
        if name in _TAKEN or name.startswith(_TAKEN_OF_AMAZON):
            message.fields[name] = _header(name, value)
    if "acl" in fields:
        message.fields["x-amz-acl"] = _header("acl", fields["acl"])
    if "tagging" in fields:
        message.fields["x-amz-tagging"] = _tags(fields["tagging"])
    return message


def _header(name: str, value: str) -> str:
    """A field's value as a header's. InvalidArgument: it could be taken for more than one."""
    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in value):
        raise InvalidArgument(f"The field {name} has a value that no header can have.")
    return value.strip().encode().decode("latin-1")


def _tags(text: str) -> str:
    """The tags of the field `tagging`, an XML document, as the header x-amz-tagging has them."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise InvalidArgument("The field tagging is not well-formed XML.") from None
    tags = [tag for tag in root.iter() if tag.tag.rpartition("}")[2] == "Tag"]
    parts = [{part.tag.rpartition("}")[2]: part.text or "" for part in tag} for tag in tags]
    return urlencode([(part.get("Key", ""), part.get("Value", "")) for part in parts])
