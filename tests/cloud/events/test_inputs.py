"""What a target is given of an event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagelab.cloud.events import inputs

EVENT: dict[str, Any] = {
    "id": "1",
    "source": "mine",
    "detail": {"status": 'say "it"', "count": 2, "list": [1, 2], "map": {"a": 1}},
}
PATHS = {"status": "$.detail.status", "count": "$.detail.count", "list": "$.detail.list", "gone": "$.detail.gone"}
RULE = "arn:aws:events:us-east-1:123456789012:rule/r"


def rendered(**target: Any) -> str:
    inputs.check({"Id": "1", **target})
    return inputs.render(target, EVENT, RULE, "2026-11-29T10:00:00Z")


def filled(template: str) -> str:
    return rendered(InputTransformer={"InputPathsMap": PATHS, "InputTemplate": template})


def test_a_target_has_all_of_it_a_part_or_a_constant() -> None:
    assert json.loads(rendered()) == EVENT
    assert json.loads(rendered(InputPath="$.detail")) == EVENT["detail"]
    assert json.loads(rendered(InputPath="$.detail.list[1]")) == 2
    assert rendered(Input='{"a": 1}') == '{"a": 1}'


def test_template_of_json_stays_json() -> None:
    made = json.loads(filled('{"s": <status>, "in": "it is <status>, <count>", "l": <list>, "g": "<gone>"}'))
    assert made == {"s": 'say "it"', "in": 'it is say "it", 2', "l": [1, 2], "g": ""}
    assert json.loads(filled('"it is <status>"')) == 'it is say "it"'
    assert json.loads(filled('{"r": "<aws.events.rule-name>", "e": <aws.events.event>}')) == {
        "r": "r",
        "e": {"id": "1", "source": "mine"},
    }
    assert json.loads(filled('{"e": <aws.events.event.json>, "a": "<aws.events.rule-arn>"}'))["e"] == EVENT


def test_template_of_text_has_text_in_its_holes() -> None:
    assert filled("it is <status> <count> times, <unknown>") == 'it is say "it" 2 times, <unknown>'


def test_template_does_not_grow_without_end() -> None:
    big = {"detail": "x" * 100_000}
    target = {"InputTransformer": {"InputPathsMap": {"d": "$.detail"}, "InputTemplate": "<d>" * 1000}}
    with pytest.raises(inputs.TooLarge):
        inputs.render(target, big, RULE, "")


@pytest.mark.parametrize(
    "target",
    [
        {"Input": "{", "Id": "1"},
        {"Input": "{}", "InputPath": "$", "Id": "1"},
        {"InputPath": "detail", "Id": "1"},
        {"InputTransformer": {"InputPathsMap": {"a": "b"}, "InputTemplate": "<a>"}, "Id": "1"},
    ],
)
def test_what_cannot_be_an_input_is_refused(target: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        inputs.check(target)
