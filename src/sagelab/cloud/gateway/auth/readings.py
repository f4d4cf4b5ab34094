"""A request has one reading, or is refused: else it could be judged as one call and executed as another."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import parse_qsl

from sagelab.cloud.errors import AccessDenied, NotImplementedHere, RequestTooLarge
from sagelab.cloud.gateway.auth import s3, s3_actions
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import FORM_LIMIT

_OPERATION = re.compile(r"[A-Za-z0-9]+")
_SERVICE = re.compile(r"[a-z0-9-]+")
_PATHS = frozenset({"polly", "xray"})  # moto has the last part of their paths for the name
_FORM = "application/x-www-form-urlencoded"
_SIGNS = "X-Amz-"  # what signs a presigned address


def check_scope(context: Context) -> None:
    """AccessDenied: the name that a request is signed for is no service's."""
    if not _SERVICE.fullmatch(context.service):
        raise AccessDenied("Credential should be scoped to a valid service.")


def check(context: Context) -> None:
    """AccessDenied: the request can be read in more than one way. SageMaker's planes have our own parser.

    RequestTooLarge: a form that is not read to its end, so that what it names last would be judged as nothing.
    """
    if context.is_ours:
        return
    request = context.request
    if repeated := _repeated(request.query_pairs):
        raise AccessDenied(f"The query string has {repeated} more than once.")
    if context.service == "s3" and not context.is_control:
        context.named = s3.settle(request, _authorization(context))
        if not s3_actions.knows(context.named):
            raise NotImplementedHere(f"s3 {context.named} is not something the local cloud can do.")
        return
    kind = (request.header("content-type") or "").strip()
    if kind.lower().startswith("multipart/") or (kind.lower().startswith(_FORM) and not kind.startswith(_FORM)):
        raise AccessDenied("The content type of the request is none that this service takes.")
    if kind.startswith(_FORM) and request.size:
        _check_form(context)
    if request.target and request.query_pairs:
        raise AccessDenied("The request has a query string, which this service does not take.")
    named = request.target or request.form.get("Action")
    if named and not _OPERATION.fullmatch(context.operation):
        raise AccessDenied("The request does not name an operation.")


def agree(context: Context, executed: str | None, place: tuple[str, str] | None = None) -> None:
    """AccessDenied: moto reads another operation out of the request than the one that was judged.

    executed: None where moto does not say. place: (bucket, key), of S3 alone.
    """
    judged = context.operation
    by_path = context.service in _PATHS and _bare(judged).endswith(_bare(executed or ""))
    if executed is not None and _bare(judged) != _bare(executed) and not by_path:
        raise AccessDenied(f"The request names {judged} and {executed}.")
    if place is not None and place != context.request.place:
        raise AccessDenied("The request names two places.")


def _bare(operation: str) -> str:
    """moto has an operation's name in one of two spellings."""
    return operation.replace("_", "").lower()


def _authorization(context: Context) -> str:
    """A header like one that signs: moto takes a request without it for nobody's."""
    key, region = context.caller.key, context.region
    claim = f"Credential={key.access_key}/20000101/{region}/s3/aws4_request"
    return f"AWS4-HMAC-SHA256 {claim}, SignedHeaders=host, Signature=query"


def _check_form(context: Context) -> None:
    request = context.request
    if request.size > FORM_LIMIT:
        raise RequestTooLarge(f"The form is larger than {FORM_LIMIT >> 20} MB, which is all that is read of one.")
    text = request.content().decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)
    except ValueError:
        raise AccessDenied("The form has more fields than can be read.") from None
    if repeated := _repeated(pairs):
        raise AccessDenied(f"The form has {repeated} more than once.")
    if request.target or "Action" in request.parameters:
        raise AccessDenied("The request names its operation twice.")
    if pairs and not all(name.startswith(_SIGNS) for name, _ in request.query_pairs):
        raise AccessDenied("The request has parameters in its query string and in its body.")


def _repeated(pairs: list[tuple[str, str]]) -> str | None:
    """A name that is there more than once, in whatever case."""
    return next((name for name, count in Counter(name.lower() for name, _ in pairs).items() if count > 1), None)
