"""Which events a trail delivers: its event selectors, basic and advanced.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.trail.event import Event
from sagelab.cloud.trail.journal import Row

Selector = dict[str, Any]

MOST, MOST_RESOURCES, MOST_CONDITIONS = 5, 250, 500
BASIC_TYPES = frozenset({"AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table"})
EXCLUDED = frozenset({"kms.amazonaws.com", "rdsdata.amazonaws.com"})
DEFAULT: Selector = {
    "ReadWriteType": "All",
    "IncludeManagementEvents": True,
    "DataResources": [],
    "ExcludeManagementEventSources": [],
}
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "Equals": str.__eq__,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}
_FIELDS = frozenset(
    {"readOnly", "eventSource", "eventName", "eventCategory", "eventType", "userIdentity.arn"}
    | {"resources.type", "resources.ARN", "sessionCredentialFromConsole"}
)
_EXACT = frozenset({"eventCategory", "readOnly", "resources.type"})  # fields that are compared as a whole


@dataclass(frozen=True)
class Selectors:
    """The selectors of one trail: one of the two kinds."""

    basic: tuple[Selector, ...] = (DEFAULT,)
    advanced: tuple[Selector, ...] = ()

    def take(self, event: Event | Row) -> bool:
        """Whether the trail delivers an event."""
        if self.advanced:
            return any(_fits(one, event) for one in self.advanced)
        return any(_takes(one, event) for one in self.basic)

    @property
    def of_data(self) -> bool:
        """Whether they may take a data event."""
        if self.advanced:
            return any(_value(one, "eventCategory") == ["Data"] for one in self.advanced)
        return any(one.get("DataResources") for one in self.basic)


def _takes(selector: Selector, event: Event | Row) -> bool:
    wanted = selector.get("ReadWriteType", "All")
    if wanted != "All" and (wanted == "ReadOnly") != bool(event.read):
        return False
    if not event.kind:
        excluded = selector.get("ExcludeManagementEventSources") or ()
        return bool(selector.get("IncludeManagementEvents", True)) and event.source not in excluded
    return any(
        one.get("Type") == event.kind and any(event.arn.startswith(value) for value in one.get("Values") or ())
        for one in selector.get("DataResources") or ()
    )


def _fits(selector: Selector, event: Event | Row) -> bool:
    return all(_holds(one, _field(one["Field"], event)) for one in selector["FieldSelectors"])


def _holds(selector: Selector, value: str) -> bool:
    for name, test in _TESTS.items():
        if name in selector and not any(test(value, one) for one in selector[name]):
            return False
        if any(test(value, one) for one in selector.get(f"Not{name}") or ()):
            return False
    return True


def _field(name: str, event: Event | Row) -> str:
    match name:
        case "eventCategory":
            return "Data" if event.kind else "Management"
        case "readOnly":
            return "true" if event.read else "false"
        case "eventSource":
            return event.source
        case "eventName":
            return event.name
        case "resources.type":
            return event.kind
        case "resources.ARN":
            return event.arn
    record = json.loads(event.record) if isinstance(event.record, str) else event.record
    if name == "userIdentity.arn":
        return str(record["userIdentity"].get("arn", ""))
    return str(record["eventType"]) if name == "eventType" else "false"


def check(basic: list[Selector] | None, advanced: list[Selector] | None) -> str | None:
    """What is wrong with the selectors of a request; None where nothing is."""
    if bool(basic) == bool(advanced):
        return "Give EventSelectors or AdvancedEventSelectors, and one of them alone."
    return _basic_fault(basic) if basic else _advanced_fault(advanced or [])


def _basic_fault(selectors: list[Selector]) -> str | None:
    values = 0
    if len(selectors) > MOST:
        return f"A trail has {MOST} event selectors at most."
    for one in selectors:
        if set(one.get("ExcludeManagementEventSources") or ()) - EXCLUDED:
            return (
                f"ExcludeManagementEventSources: {' and '.join(sorted(EXCLUDED))} can be left out, nothing else."
            )
        for resource in one.get("DataResources") or ():
            if resource.get("Type") not in BASIC_TYPES or not resource.get("Values"):
                return f"A data resource has a Type, one of {', '.join(sorted(BASIC_TYPES))}, and Values."
            if not all(value.startswith("arn:aws:") for value in resource["Values"]):
                return "The Values of a data resource are ARNs, or beginnings of them."
            values += len(resource["Values"])
    return f"A trail has {MOST_RESOURCES} data resources at most." if values > MOST_RESOURCES else None


def _advanced_fault(selectors: list[Selector]) -> str | None:
    if sum(map(_conditions, selectors)) > MOST_CONDITIONS:
        return f"A trail's advanced selectors have {MOST_CONDITIONS} values at most."
    for one in selectors:
        category = _value(one, "eventCategory")
        names = [field["Field"] for field in one["FieldSelectors"]]
        if category not in (["Management"], ["Data"]):
            return "eventCategory equals Management or Data: no other events are recorded here."
        if len(set(names)) < len(names) or set(names) - _FIELDS:
            return f"Each field is named once, and is one of {', '.join(sorted(_FIELDS))}."
        if category == ["Data"] and len(_value(one, "resources.type") or []) != 1:
            return "A selector of data events has resources.type, which equals one value."
        if fault := next(filter(None, map(_field_fault, one["FieldSelectors"])), None):
            return fault
    return None


def _field_fault(field: Selector) -> str | None:
    tests = field.keys() - {"Field"}
    if not tests:
        return f"{field['Field']} has no value to compare with."
    if field["Field"] in _EXACT and tests != {"Equals"}:
        return f"{field['Field']} can be compared by Equals alone."
    return None


def _conditions(selector: Selector) -> int:
    values: Iterable[Any] = (value for field in selector["FieldSelectors"] for value in field.values())
    return sum(len(value) for value in values if isinstance(value, list))


def _value(selector: Selector, name: str) -> list[str] | None:
    found = (one.get("Equals") for one in selector["FieldSelectors"] if one["Field"] == name)
    return next(found, None)
