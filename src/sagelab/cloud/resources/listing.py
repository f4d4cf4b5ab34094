"""What every List operation has in common: filters, order, pages."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from sagelab.catalog import Kind
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.store import COLUMNS, Query

DEFAULT_PAGE = 10
EQUAL = ("EndpointName", "MonitoringScheduleName", "MonitoringJobDefinitionName")


def read_query(call: Call, kind: Kind) -> Query:
    """The Query that a List request stands for: in the kind's order, ten a page, unless asked otherwise."""
    params, (member, order) = call.params, kind.order
    return Query(
        kind=kind.arn,
        region=call.region,
        name_contains=params.get("NameContains"),
        name_prefix=params.get("PipelineNamePrefix"),
        status=params.get("StatusEquals"),
        after=_times(params, "After"),
        before=_times(params, "Before"),
        sort=params.get("SortBy", member),
        descending=params.get("SortOrder", order) == "Descending",
        limit=params.get("MaxResults", DEFAULT_PAGE),
        start=read_token(params.get("NextToken")),
    )


def filtered(call: Call, member: str, rows: list[Params], named: str) -> Params:
    """A page of rows by the filters and the order of a List request of Model Monitor.

    member: of the answer. named: the member of a row that NameContains and SortBy Name are about.
    """
    params = call.params
    status = next((name for name in (rows[0] if rows else {}) if name.endswith("Status")), "")
    equal = {"MonitoringTypeEquals": "MonitoringType", "StatusEquals": status} | {name: name for name in EQUAL}
    found = [
        row
        for row in rows
        if params.get("NameContains", "").lower() in row[named].lower()
        and all(row.get(own) == params[name] for name, own in equal.items() if name in params)
        and all(_within(row, name, params[name]) for name in params if name.endswith(("Before", "After")))
    ]
    sort = str(params.get("SortBy", "CreationTime"))
    key = {"Name": named, "Status": status}.get(sort, sort)
    found.sort(key=lambda row: row[key], reverse=params.get("SortOrder", "Descending") == "Descending")
    return page(call, member, found)


def page(call: Call, member: str, rows: list[Params], usual: int = DEFAULT_PAGE) -> Params:
    """The page of the rows that a request asks for. member: of the answer. usual: how many, if it does not say."""
    token = read_token(call.params.get("NextToken"))
    start = token[0] if token and isinstance(token[0], int) else 0
    end = start + call.params.get("MaxResults", usual)
    return {member: rows[start:end], "NextToken": write_token((end, member) if len(rows) > end else None)}


def _within(row: Params, name: str, limit: Any) -> bool:
    """Whether a time of a row is on the side of a limit that a filter asks for: CreationTimeBefore."""
    if name.endswith("Before"):
        return bool(row[name.removesuffix("Before")] < limit)
    return bool(row[name.removesuffix("After")] > limit)


def write_token(start: tuple[Any, str] | None) -> str | None:
    """The opaque NextToken that says where a page begins."""
    if start is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(start).encode()).decode()


def read_token(token: str | None) -> tuple[Any, str] | None:
    """Where a page begins. ValidationException: the token is not one of ours."""
    if not token:
        return None
    try:
        value, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise ValidationException("The next token is invalid.") from None
    fits = isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 1 << 63)  # SQLite's integers
    if not fits or not isinstance(name, str):
        raise ValidationException("The next token is invalid.")
    return value, name


def _times(params: dict[str, Any], side: str) -> dict[str, Any]:
    names = {
        f"CreationTime{side}": "CreationTime",
        f"LastModifiedTime{side}": "LastModifiedTime",
        f"Created{side}": "CreationTime",
    }
    return {COLUMNS[column]: params[name] for name, column in names.items() if name in params}
