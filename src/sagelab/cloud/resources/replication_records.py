"""What DMS's families have in common: ids, refusals, tags, and a Describe with filters and pages.

https://docs.aws.amazon.com/dms/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import re
import secrets
import string
from typing import Any

from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Params
from sagelab.cloud.store import Document, Missing, Store

OWN = "Own"
INSTANCE, ENDPOINT, TASK = "dms-instance", "dms-endpoint", "dms-task"
CONNECTION, SUBNETS = "dms-connection", "dms-subnet-group"
NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*", re.ASCII)
_RESOURCE = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9]){0,30}", re.ASCII)
_LETTERS = string.ascii_uppercase + string.digits
PAGE, LEAST, MOST = 100, 20, 100
MAX_TAGS = 50


def invalid(words: str) -> Beside:
    return Beside("InvalidParameterValueException", words)


def combination(words: str) -> Beside:
    return Beside("InvalidParameterCombinationException", words)


def state(words: str) -> Beside:
    return Beside("InvalidResourceStateFault", words)


def missing(words: str) -> Beside:
    return Beside("ResourceNotFoundFault", words)


def arn_of(call: Call, kind: str, name: str = "") -> str:
    """kind: "rep", "endpoint", "task". name: that the caller has chosen for the ARN. Beside: it cannot be."""
    if name and not _RESOURCE.fullmatch(name):
        raise invalid(f"Invalid resource identifier: {name[:60]}.")
    chosen = name or "".join(secrets.choice(_LETTERS) for _ in range(26))
    return f"arn:aws:dms:{call.region}:{call.account}:{kind}:{chosen}"


def check_name(name: str, what: str, longest: int = 255) -> str:
    """As it is kept. Beside: it is none."""
    if len(name) > longest or not NAME.fullmatch(name):
        raise invalid(
            f"The parameter {what} must be provided and must not be blank. It must begin with a letter, must"
            " contain only ASCII letters, digits and hyphens, and must not end with a hyphen or contain two"
            " consecutive hyphens."
        )
    return name.lower()


def read_tags(params: Params) -> dict[str, str]:
    tags = {str(one.get("Key", "")): str(one.get("Value", "")) for one in params.get("Tags") or []}
    if len(tags) > MAX_TAGS or any(not key or key.lower().startswith("aws:") for key in tags):
        raise invalid(f"A resource has {MAX_TAGS} tags at most, whose keys do not begin with aws:.")
    return tags


def find(store: Store, arn: str, kind: str, words: str) -> Document:
    """Beside: there is none of that ARN. kind: of the ARN."""
    try:
        if f":{kind}:" in arn and arn.startswith("arn:aws:dms:"):
            return store.get(arn)
    except Missing:
        pass
    raise missing(f"{words} {arn[:300]} not found.")


def described(call: Call, member: str, rows: list[Params], known: dict[str, str]) -> Params:
    """A page of what the filters take. known: filter -> member. Beside: they take nothing, or are none such."""
    for one in call.params.get("Filters") or []:
        if one["Name"] not in known:
            raise invalid(f"Unsupported filter: {one['Name'][:60]}")
        rows = [row for row in rows if str(row.get(known[one["Name"]])) in one["Values"]]
    if call.params.get("Filters") and not rows:
        raise missing(f"No {member} found matching the filters.")
    size = call.params.get("MaxRecords", PAGE)
    if not LEAST <= size <= MOST:
        raise invalid(f"MaxRecords must be between {LEAST} and {MOST}.")
    return paged(call, member, rows, size)


def paged(call: Call, member: str, rows: list[Params], size: int) -> Params:
    """The page that a request asks for."""
    token = listing.read_token(call.params.get("Marker"))
    start = token[0] if token and isinstance(token[0], int) and token[0] >= 0 else 0
    more = listing.write_token((start + size, member)) if len(rows) > start + size else None
    return {member: rows[start : start + size], **({"Marker": more} if more else {})}


def told(document: Document) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != OWN and value is not None}
