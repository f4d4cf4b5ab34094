"""ForEach steps: their items, the steps of their body for each of them, and what becomes of all.

    {"IterableItems": [...] or what is a JSON list, "MaxConcurrency": 4, "ForEachBody": [steps],
     "Selector": {"Pick": "MaxBy", "Field": {"Get": "IterationOutput.<body step>.<path>"}}}

The steps for the item number n are called <body step>-<n>. They read it as {"Get": "ForEach.CurrentItem.<path>"},
and each other by the names that they have in the body.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sagelab.cloud.engine.pipelines.expressions import BadExpression, is_expression, look, parts, split_step

if TYPE_CHECKING:
    from sagelab.cloud.engine.pipelines.definition import StepSpec

MOST_ITEMS, MOST_AT_ONCE = 100, 50
LONGEST_ITEM = (
    12_800  # characters: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_IterationContext.html
)
NOT_WITHIN = ("Condition", "Fail", "ForEach")
PICKS = {"MaxBy": max, "MinBy": min}
ITEM = "ForEach.CurrentItem"
OUTPUT = "IterationOutput."


def check(step: str, arguments: dict[str, Any], body: list[StepSpec]) -> None:
    """BadExpression: a ForEach step is not as it should be."""
    items, most = arguments.get("IterableItems"), arguments.get("MaxConcurrency")
    if isinstance(items, list):
        if not 1 <= len(items) <= MOST_ITEMS:
            raise BadExpression(f"step {step}: IterableItems has 1 to {MOST_ITEMS} items, not {len(items)}")
    elif not is_expression(items):
        raise BadExpression(f"step {step}: IterableItems must be a list, or stand for a JSON list")
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_AT_ONCE:
        raise BadExpression(f"step {step}: MaxConcurrency must be a number from 1 to {MOST_AT_ONCE}")
    if not body:
        raise BadExpression(f"step {step}: ForEachBody has no step")
    for spec in body:
        if spec.type in NOT_WITHIN:
            raise BadExpression(f"step {step}: a step of type {spec.type} cannot stand in a ForEachBody")
    if arguments.get("Selector") is not None:
        field = _field(step, arguments["Selector"])[0]
        if field not in {spec.name for spec in body}:
            raise BadExpression(f"step {step}: Selector.Field names {field}, which is no step of its ForEachBody")


def _field(step: str, selector: Any) -> tuple[str, list[str | int]]:
    """The step of a body whose property is compared, and the path of that property."""
    given = selector if isinstance(selector, dict) else {}
    field = given.get("Field")
    name = field.get("Get") if isinstance(field, dict) else None
    if given.get("Pick") not in PICKS or not isinstance(name, str) or not name.startswith(OUTPUT):
        raise BadExpression(
            f"step {step}: a Selector has Pick, which is {' or '.join(PICKS)}, and Field, an IterationOutput"
        )
    found, path = split_step("Steps." + name.removeprefix(OUTPUT))
    if not path:
        raise BadExpression(f"step {step}: Selector.Field names no property of {found}")
    return found, path


def items_of(step: str, given: Any) -> list[Any]:
    """The items of a loop: texts, numbers, truth values or JSON objects. BadExpression: there are none."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise BadExpression(f"step {step}: IterableItems is not a JSON list") from None
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_ITEMS:
        raise BadExpression(f"step {step}: IterableItems is not a list of 1 to {MOST_ITEMS} items")
    if any(len(text_of(one)) > LONGEST_ITEM for one in given):
        raise BadExpression(f"step {step}: an item has more than {LONGEST_ITEM} characters")
    return given


def text_of(item: Any) -> str:
    """An item as it is told."""
    return item if isinstance(item, str) else json.dumps(item)


def unroll(spec: StepSpec, items: list[Any]) -> dict[str, StepSpec]:
    """The steps of a loop's body for each of its items, by their names."""
    names = {one.name for one in spec.body}
    return {child.name: child for number in range(len(items)) for child in _iteration(spec, names, items, number)}


def _iteration(spec: StepSpec, names: set[str], items: list[Any], number: int) -> list[StepSpec]:
    def named(name: str) -> str:
        return f"{name}-{number}" if name in names else name

    found = []
    for one in spec.body:
        said = [one.arguments, one.queue, one.function, one.check]
        arguments, queue, function, checked = _filled(said, items[number], named)
        child = replace(
            one,
            name=named(one.name),
            arguments=arguments,
            queue=queue,
            function=function,
            check=checked,
            needs=frozenset(map(named, one.needs)),
            reads=frozenset(map(named, one.reads)),
            loop=(spec.name, number),
        )
        found.append(child)
    return found


def _filled(value: Any, item: Any, named: Callable[[str], str]) -> Any:
    """A value with the item in its places, and with the names of this item's steps."""
    if isinstance(value, list):
        return [_filled(one, item, named) for one in value]
    if not isinstance(value, dict):
        return value
    name = value.get("Get") if is_expression(value) else None
    if not isinstance(name, str):
        return {key: _filled(one, item, named) for key, one in value.items()}
    if name == ITEM:
        return item
    if name.startswith((ITEM + ".", ITEM + "[")):
        return look(_opened(item), parts(name.removeprefix(ITEM).removeprefix(".")), name)
    if name.startswith("Steps."):
        step, _ = split_step(name)
        return {"Get": f"Steps.{named(step)}{name.removeprefix(f'Steps.{step}')}"}
    return value


def _opened(item: Any) -> Any:
    """An item whose members are asked for: an object, or the text of one."""
    try:
        return json.loads(item) if isinstance(item, str) else item
    except (ValueError, RecursionError):
        raise BadExpression(f"{ITEM}: the item {item[:80]!r} is no JSON object") from None


def counts(record: dict[str, Any], ended: list[str], steps: int) -> dict[str, Any]:
    """What is told of a loop that is at its end. ended: the status of each of its steps that has begun."""
    found = {f"{status}StepCount": ended.count(status) for status in ("Succeeded", "Failed", "Stopped")}
    return {"InputItemCount": len(record["Items"]), "TotalStepCount": steps, **found}


def pick(spec: StepSpec, items: int, properties: Callable[[str], Any]) -> dict[str, Any] | None:
    """{"StepName", "Index"} of the step whose property is the largest or the smallest; None: none is asked for.

    properties: of a step. BadExpression: there is nothing to compare.
    """
    selector = spec.arguments.get("Selector")
    if selector is None:
        return None
    name, path = _field(spec.name, selector)
    values = [_number(look(properties(f"{name}-{number}"), path, f"{OUTPUT}{name}")) for number in range(items)]
    number = values.index(PICKS[selector["Pick"]](values))
    return {"StepName": f"{name}-{number}", "Index": number}


def properties(spec: StepSpec, record: dict[str, Any], of: Callable[[str], Any]) -> dict[str, Any]:
    """What others may read of a loop that has succeeded. of: gives the properties of one of its steps."""
    outputs = [
        {one.name: of(f"{one.name}-{number}") for one in spec.body} for number in range(len(record["Items"]))
    ]
    picked = record.get("Selected by")
    chosen = {"Selected": of(picked["StepName"])} if picked else {}
    return {"Status": "Succeeded", "IterationOutputs": outputs, **record["Counts"], **chosen}


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise BadExpression(f"Selector.Field is {str(value)[:80]!r}, which is no number") from None
    if math.isnan(found):
        raise BadExpression("Selector.Field is not a number")
    return found
