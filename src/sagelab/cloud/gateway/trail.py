"""The trail in the gateway: what was asked and answered becomes an event of the journal.

A request whose signature does not hold is nobody's, and is not recorded, as on AWS; one that is refused to
somebody known is. What the local cloud asks itself with its own key is left out, and so is what writes trails.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

from sagelab.cloud.context import TRAILS
from sagelab.cloud.errors import ServiceError
from sagelab.cloud.gateway.auth import functions
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto import parameters
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.trail import data_events, elements, identity, names, things
from sagelab.cloud.trail.elements import HIDDEN, clipped, told
from sagelab.cloud.trail.event import GLOBAL, HOME, VERSION, Event, Ids, stamp
from sagelab.cloud.trail.identity import Identity, Who

if TYPE_CHECKING:
    from sagelab.cloud.gateway.origins import Origin
    from sagelab.cloud.trail.journal import Journal

LOCAL = "127.0.0.1"
LONGEST_AGENT, LONGEST_MESSAGE, LONGEST_NAME = 1_024, 1_024, 1_024  # characters
SMALL = 1 << 18  # bytes of an answer, or of a setting of S3, that is read for its elements
_OPERATION = re.compile(r"[A-Z][A-Za-z0-9]{1,127}")
_REQUEST_ID = re.compile(rb"<Request(?:Id|ID)>([\w-]{1,64})</Request(?:Id|ID)>")
_CODE, _MESSAGE = re.compile(rb"<Code>([^<]{1,200})</Code>"), re.compile(rb"<Message>([^<]*)</Message>")
_VALUES = re.compile(r"Value '.*' at '", re.DOTALL)  # of members that break rules, from the first to the last
_IDS = ("x-amzn-requestid", "x-amz-request-id")
_GIT = ("GitPull", "GitPush")
_WITHOUT_BODY = {403: "AccessDenied", 404: "NoSuchKey"}

_log = logging.getLogger("sagelab")


class Recorder:
    """user_id: of the holder of a key."""

    def __init__(self, journal: Journal, user_id: Callable[[Key], str]) -> None:
        self._journal, self._user_id = journal, user_id
        self._identities: dict[Key, Identity] = {}
        self._ids = Ids()

    def note(self, context: Context, answer: Answer) -> None:
        """Keep what was asked and answered. It never fails: what cannot be recorded is in the log."""
        try:
            if (event := self._event(context, answer)) is not None:
                self._journal.add(event)
        except Exception:
            _log.exception("an event of the trail is missing")

    def _event(self, context: Context, answer: Answer) -> Event | None:
        """The event of a call; None where it leaves none."""
        if not hasattr(context, "caller") or _is_our_own(context) or not _OPERATION.fullmatch(context.operation):
            return None
        service, operation = context.service, context.operation
        kind = data_events.kind_of(service, operation, service == "s3" and bool(context.request.place[1]))
        if kind and (kind == data_events.NO_TYPE or self._journal.wanted is None):
            return None
        event = self._made(context, answer, kind)
        return event if not kind or (self._journal.wanted and self._journal.wanted(event)) else None

    def _made(self, context: Context, answer: Answer, kind: str) -> Event:
        service, operation, key = context.service, context.operation, context.caller.key
        reads, failed, now = names.only_reads(operation), answer.status >= 400, time.time()
        source, name = names.source(service), names.event_name(service, operation)
        region = HOME if source in GLOBAL else context.region
        asked = _asked(context, elements.FAILED if failed else elements.ROOM)
        without = failed or (reads and operation != "AssumeRole")
        said = None if without else _answered(context, answer)
        who = self._identity(key)
        arn, beside = _data_arn(context, kind), _beside(context, answer)
        found = things.named(service, operation, context.call.params if context.call else {}, asked, said, beside)
        record: dict[str, Any] = {
            "eventVersion": VERSION,
            "userIdentity": who.element | ({"invokedBy": context.by.service} if context.by else {}),
            "eventTime": stamp(now),
            "eventSource": source,
            "eventName": name,
            "awsRegion": region,
            **_from(context),
            **(_fault(answer, asked) if failed else {}),
            "requestParameters": asked,
            "responseElements": said,
            **({"additionalEventData": beside} if beside else {}),
            "requestID": _request_id(answer),
            "eventID": self._ids.new(),
            "readOnly": reads,
            **({"resources": listed} if (listed := _resources(context, kind, arn)) else {}),
            "eventType": "AwsApiCall",
            "managementEvent": not kind,
            "recipientAccountId": key.account,
            **({"vpcEndpointId": way} if (way := context.origin.endpoint if context.origin else "") else {}),
            "eventCategory": "Data" if kind else "Management",
            **({"tlsDetails": {"clientProvidedHostHeader": host}} if (host := _tls_host(context)) else {}),
        }
        at = (region, now, source, name, reads, who.user, key.access_key if not key.service else "")
        return Event(*at, record["eventID"], tuple(found), kind, arn, record)

    def _identity(self, key: Key) -> Identity:
        found = self._identities.get(key)
        if found is None:
            if len(self._identities) > 1_000:
                self._identities.clear()
            found = self._identities[key] = self._told(key)
        return found

    def _told(self, key: Key) -> Identity:
        if key.service:
            return identity.of_service(key.service)
        user_id, session = self._user_id(key), key.arn.rpartition("/")[2]
        if ":assumed-role/" in key.arn and ":" not in user_id:
            user_id = f"{user_id}:{session}"
        at, mfa = key.issued, key.mfa is not None
        who = Who(key.arn, user_id, key.account, key.access_key, key.token is not None, at, mfa)
        return identity.of_caller(who)


def _is_our_own(context: Context) -> bool:
    """Whether nobody of the account asks: the local cloud itself does, or what writes trails."""
    if context.service == "sagelab":
        return True
    return context.by is not None and (context.caller.key.owner or context.by.service == TRAILS)


def _from(context: Context) -> dict[str, str]:
    """Where a request came from: a service that asks with somebody's rights says its name."""
    service = context.by.service if context.by else context.caller.key.service
    if service:
        return {"sourceIPAddress": service, "userAgent": service}
    return {
        "sourceIPAddress": _address(context.origin) if context.origin else LOCAL,
        "userAgent": clipped(context.request.header("user-agent") or "", LONGEST_AGENT),
    }


def _address(origin: Origin) -> str:
    """That of a NAT gateway, where it came through one; of the host, where it came by an endpoint."""
    return origin.way.address or origin.address


def _tls_host(context: Context) -> str:
    """The host that a request which came by TLS was for, else ""."""
    by_tls = context.request.scheme == "https"
    return clipped(context.request.header("host") or "", LONGEST_NAME) if by_tls else ""


def _asked(context: Context, room: int) -> dict[str, Any] | None:
    """requestParameters, in a room of so many characters."""
    request, service = context.request, context.service
    if context.found is not None:
        shape = context.found.model.input_shape
        return told(service, context.call.params, shape, room) if context.call else None
    if service == "s3":
        return _asked_of_s3(context, room)
    if context.operation in _GIT:
        return None
    if request.size > SMALL:
        return {"omitted": True, "reason": "it is larger than a record has room for"}
    try:
        return told(service, *parameters.of_request(request, service, context.operation), room)
    except Exception:  # it makes no sense, and was refused
        return None


def _asked_of_s3(context: Context, room: int) -> dict[str, Any] | None:
    """As S3 tells it: the place, the query and S3's own headers, and a bucket's setting as it was given."""
    request = context.request
    bucket, key = request.place
    sent: dict[str, Any] = {name: clipped(value, LONGEST_NAME) for name, value in request.parameters.items()}
    for name, value in request.headers.items():
        if name.startswith("x-amz-") and not name.startswith(("x-amz-date", "x-amz-content", "x-amz-checksum")):
            sent[name] = clipped(value, LONGEST_NAME)
    if not key and 0 < request.size <= SMALL and request.method == "PUT":
        sent |= _setting(request)
    # What the request is about comes last: nothing that it has besides may go by these names.
    sent |= {"bucketName": bucket} if bucket else {}
    sent |= {"key": clipped(key, LONGEST_NAME)} if key else {}
    sent["Host"] = clipped(request.header("host") or "", LONGEST_NAME)
    return told("s3", sent, room=room)


def _setting(request: Request) -> dict[str, Any]:
    body = request.content()
    try:
        if body.lstrip().startswith(b"{"):
            return {"bucketPolicy": json.loads(body)}
        if b"<!DOCTYPE" in body:
            return {}
        root = ElementTree.fromstring(body.decode())
        return {root.tag.rpartition("}")[2]: _tree(root)}
    except (ValueError, RecursionError, ElementTree.ParseError):
        return {}


def _tree(element: ElementTree.Element, deep: int = 0) -> Any:
    if not len(element) or deep > elements.DEEPEST:
        return element.text or ""
    found: dict[str, Any] = {}
    for one in element:
        name, value = one.tag.rpartition("}")[2], _tree(one, deep + 1)
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _answered(context: Context, answer: Answer) -> dict[str, Any] | None:
    """responseElements, of what changes something."""
    if context.service == "s3":
        sent = {name.lower(): value for name, value in answer.headers if name.lower().startswith("x-amz-")}
        return told("s3", {name: value for name, value in sent.items() if name not in (*_IDS, "x-amz-id-2")})
    if answer.stream is not None or len(answer.body) > SMALL or context.service == "kms":
        return None
    try:
        if context.found is not None:
            shape = context.found.model.output_shape
            return told(context.service, json.loads(answer.body or b"{}"), shape) if shape is not None else None
        return told(context.service, *parameters.of_answer(answer, context.service, context.operation))
    except Exception:  # an answer that is no document
        return None


def _fault(answer: Answer, asked: dict[str, Any] | None) -> dict[str, str]:
    """errorCode and errorMessage, as the caller was told them, without values of a request that has secrets."""
    body = answer.body[:SMALL]
    code, message = _WITHOUT_BODY.get(answer.status, str(answer.status)), ""
    if body.lstrip().startswith(b"{"):
        try:
            said = json.loads(body)
            code = str(said.get("__type") or said.get("code") or code).rpartition("#")[2]
            message = str(said.get("message") or said.get("Message") or "")
        except (ValueError, RecursionError, AttributeError):
            pass
    elif found := _CODE.search(body):
        code = found[1].decode("utf-8", "replace")
        words = _MESSAGE.search(body)
        message = unescape(words[1].decode("utf-8", "replace")) if words else ""
    code = "AccessDenied" if code == "AccessDeniedException" else code  # as CloudTrail has it of every service
    if asked and (asked.get("omitted") or HIDDEN in json.dumps(asked)):
        message = _VALUES.sub(f"Value '{HIDDEN}' at '", message)
    return {"errorCode": clipped(code, 200), "errorMessage": clipped(message, LONGEST_MESSAGE)}


def _request_id(answer: Answer) -> str:
    """What the caller was told as the id of its request."""
    if answer.body[:6].lstrip().startswith(b"<") and (found := _REQUEST_ID.search(answer.body[-400:])):
        return found[1].decode()
    said = next((value for name, value in answer.headers if name.lower() in _IDS), "")
    return clipped(said or answer.request_id or str(uuid.uuid4()), 64)


def _beside(context: Context, answer: Answer) -> dict[str, Any]:
    """additionalEventData, of S3 and of git."""
    if context.operation in _GIT:
        repository, _, action = context.request.path.removeprefix("/v1/repos/").partition("/")
        return {"protocol": "HTTP", "dataTransferred": action != "info/refs", "repositoryName": repository}
    if context.service != "s3":
        return {}
    presigned = (context.request.header("authorization") or "").endswith("Signature=query")
    return {
        "SignatureVersion": "SigV4",
        "AuthenticationMethod": "QueryString" if presigned else "AuthHeader",
        "bytesTransferredIn": context.request.size,
        "bytesTransferredOut": _length(answer),
    }


def _length(answer: Answer) -> int:
    said = next((value for name, value in answer.headers if name.lower() == "content-length"), "")
    return int(said) if answer.stream is not None and said.isdecimal() else len(answer.body)


def _data_arn(context: Context, kind: str) -> str:
    """The ARN of what a data event is about, "" where it is not known."""
    if kind == data_events.S3:
        bucket, key = context.request.place
        return f"arn:aws:s3:::{bucket}/{clipped(key, LONGEST_NAME)}"
    params = context.call.params if context.call else {}
    if kind == "AWS::SageMaker::Endpoint":
        return f"arn:aws:sagemaker:{context.where}:endpoint/{str(params.get('EndpointName', '')).lower()}"
    if kind == "AWS::Lambda::Function":
        with suppress(ServiceError):  # it names none, and is refused for that
            named = functions.of_request(context.request, context.where)
            return named.base if named else ""
    return ""


def _resources(context: Context, kind: str, arn: str) -> list[dict[str, str]]:
    account = context.caller.key.account
    if kind:
        return things.listed(kind, arn, account)
    if context.service == "sts" and (role := context.request.form.get("RoleArn")):
        return [{"accountId": account, "type": "AWS::IAM::Role", "ARN": clipped(role, LONGEST_NAME)}]
    return []
