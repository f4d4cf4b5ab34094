"""Search: resources of the store by any of their properties.

Filters as the API has them: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Filter.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sagelab import catalog
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.records import told
from sagelab.cloud.resources.tags import write_tags
from sagelab.cloud.store import Document

NUMERIC = ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
PAGE = 100
# Of the last AWS has some of its own; the others are here and have no index.
UNSEARCHED = ("Endpoint", "PipelineExecution", "PipelineVersion", "HubContent")

TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "Equals": lambda found, wanted: found == wanted,
    "NotEquals": lambda found, wanted: found != wanted,
    "GreaterThan": lambda found, wanted: found > wanted,
    "GreaterThanOrEqualTo": lambda found, wanted: found >= wanted,
    "LessThan": lambda found, wanted: found < wanted,
    "LessThanOrEqualTo": lambda found, wanted: found <= wanted,
    "Contains": lambda found, wanted: str(wanted).lower() in str(found).lower(),
    "In": lambda found, wanted: str(found) in str(wanted).split(","),
}


class SearchIndex(Family):
    """The Search operation over the kinds of resources that the local cloud keeps."""

    @operation("Search")
    def search(self, call: Call) -> Params:
        resource = call.params["Resource"]
        kinds = {kind.stem: kind for kind in catalog.KINDS if kind.searchable}
        if resource in UNSEARCHED:
            raise ValidationException(f"The local cloud searches {', '.join(sorted(kinds))}, not {resource}.")
        if resource not in kinds:  # of these there is none here, ever
            return {"Results": []}
        found = []
        for document in map(told, self.store.documents(kinds[resource].arn, call.region)):
            document["Tags"] = write_tags(self.store.tags(document[kinds[resource].arn_member]))
            record = {"Model": document} if resource == "Model" else document  # as a model's dashboard has it
            if matches(record, call.params.get("SearchExpression", {})):
                found.append(record)
        _sort(found, call.params)
        return _page(found, resource, call.params)


def matches(document: Document, expression: Params) -> bool:
    """Whether a document satisfies a SearchExpression: all of its parts, or any with Operator Or."""
    results = [_passes(document, item) for item in expression.get("Filters", [])]
    results += [_passes_nested(document, item) for item in expression.get("NestedFilters", [])]
    results += [matches(document, item) for item in expression.get("SubExpressions", [])]
    if not results:
        return True
    return any(results) if expression.get("Operator") == "Or" else all(results)


def read_property(document: Any, path: str) -> Any:
    """A property by its dotted path ("ResourceConfig.InstanceType", "Tags.team"); None if it is not there."""
    if not path:
        return document
    if isinstance(document, list):
        named = {item.get("Key", item.get("MetricName")): item.get("Value") for item in document}
        return named.get(path)
    head, _, rest = path.partition(".")
    if head == "Metrics":
        return read_property(document.get("FinalMetricDataList", []), rest)
    return read_property(document[head], rest) if isinstance(document, dict) and head in document else None


def _passes(document: Document, item: Params) -> bool:
    operator, wanted = item.get("Operator", "Equals"), item.get("Value", "")
    found = read_property(document, item["Name"])
    if operator in ("Exists", "NotExists"):
        return (found is None) is (operator == "NotExists")
    if found is None:
        return bool(operator == "NotEquals")
    try:
        return bool(TESTS[operator](found, wanted if operator in ("Contains", "In") else _like(found, wanted)))
    except (TypeError, ValueError):
        raise ValidationException(f"Invalid value {wanted!r} for property {item['Name']}.") from None


def _passes_nested(document: Document, item: Params) -> bool:
    elements = read_property(document, item["NestedPropertyName"])
    prefix = f"{item['NestedPropertyName']}."
    filters = [{**part, "Name": part["Name"].removeprefix(prefix)} for part in item["Filters"]]
    return isinstance(elements, list) and any(
        all(_passes(element, part) for part in filters) for element in elements
    )


def _like(found: Any, wanted: str) -> Any:
    """A filter's text as a value of the same type as what it is compared with."""
    if isinstance(found, bool):
        return wanted.lower() == "true"
    if isinstance(found, int | float):
        return float(wanted)
    if isinstance(found, datetime):
        time = datetime.fromisoformat(wanted)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return wanted


def _sort(found: list[Document], params: Params) -> None:
    name = params.get("SortBy", "LastModifiedTime")
    descending = params.get("SortOrder", "Descending") == "Descending"
    values = [read_property(document, name) for document in found]
    if any(isinstance(value, dict | list) for value in values):
        raise ValidationException(f"Results cannot be sorted by {name}.")
    found.sort(key=lambda document: _rank(read_property(document, name)), reverse=descending)


def _rank(value: Any) -> tuple[str, Any]:
    if isinstance(value, datetime):
        return "number", value.timestamp()
    if isinstance(value, int | float):
        return "number", value
    return ("text", value) if value is not None else ("", "")


def _page(found: list[Document], resource: str, params: Params) -> Params:
    start = listing.read_token(params.get("NextToken")) or (0, "search")
    limit = params.get("MaxResults", PAGE)
    offset = start[0] if isinstance(start[0], int) else 0
    more = (offset + limit, "search") if len(found) > offset + limit else None
    return {
        "Results": [{resource: document} for document in found[offset : offset + limit]],
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
        "NextToken": listing.write_token(more),
    }
