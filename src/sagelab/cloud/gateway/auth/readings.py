"""A request has one reading, or is refused: else it could be judged as one call and executed as another."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import parse_qsl

from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.context import Context

_OPERATION = re.compile(r"[A-Za-z0-9]+")
_SERVICE = re.compile(r"[a-z0-9-]+")
_FORM = "application/x-www-form-urlencoded"
# Each of these in a query names another operation of S3; of two, one would be judged and the other executed.
_NAMING = frozenset(
    "abac accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold "
    "lifecycle location logging metrics notification object-lock ownershipControls policy policyStatus "
    "publicAccessBlock renameObject replication requestPayment restore retention select session tagging torrent "
    "uploadId uploads versioning versions website".split()
)
_OBJECTS = frozenset("acl attributes encryption legal-hold retention restore select torrent uploads".split())
_BUCKETS = frozenset(
    "abac accelerate acl delete location logging notification object-lock policyStatus requestPayment session "
    "uploadId uploads versioning versions".split()
)


def check(context: Context) -> None:
    """AccessDenied: the request can be read in more than one way. SageMaker's planes have our own parser."""
    if context.is_sagemaker:
        return
    request = context.request
    if not _SERVICE.fullmatch(context.service):
        raise AccessDenied("Credential should be scoped to a valid service.")
    if repeated := _repeated(request.query_pairs):
        raise AccessDenied(f"The query string has {repeated} more than once.")
    if context.service == "s3":
        _check_s3(context)
        return
    kind = (request.header("content-type") or "").strip()
    if kind.lower().startswith("multipart/") or (kind.lower().startswith(_FORM) and not kind.startswith(_FORM)):
        raise AccessDenied("The content type of the request is none that this service takes.")
    if kind.startswith(_FORM) and request.size:
        _check_form(context)
    named = request.target or request.form.get("Action")
    if named and not _OPERATION.fullmatch(context.operation):
        raise AccessDenied("The request does not name an operation.")


def agree(context: Context, executed: str | None) -> None:
    """AccessDenied: moto reads another operation out of the request than the one that was judged."""
    judged = context.operation if " " not in context.operation else None
    if judged is not None and executed is not None and judged != executed:
        raise AccessDenied(f"The request names {judged} and {executed}.")


def _check_form(context: Context) -> None:
    request = context.request
    text = request.content().decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)
    except ValueError:
        raise AccessDenied("The form has more fields than can be read.") from None
    if repeated := _repeated(pairs):
        raise AccessDenied(f"The form has {repeated} more than once.")
    if request.target or "Action" in request.parameters:
        raise AccessDenied("The request names its operation twice.")


def _check_s3(context: Context) -> None:
    request, naming = context.request, _NAMING & context.request.parameters.keys()
    if len(naming) > 1:
        raise AccessDenied(f"The query string names more than one of {', '.join(sorted(naming))}.")
    _, key = request.place
    plain = naming & (_OBJECTS if key else _BUCKETS)
    if (request.method == "DELETE" and plain) or (request.method == "HEAD" and naming):
        raise AccessDenied("The specified method is not allowed against this resource.")


def _repeated(pairs: list[tuple[str, str]]) -> str | None:
    """A name that is there more than once, in whatever case."""
    return next((name for name, count in Counter(name.lower() for name, _ in pairs).items() if count > 1), None)
