"""What a target is given of an event: all of it, a part, a constant, or a template with parts of it.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from sagelab.cloud.engine.jobs.jsonpath import Expression, NotFound

LARGEST = 1 << 20  # bytes of what is made of a template; of an event
_HOLE = re.compile(r"\\.|\"|<([A-Za-z0-9_.-]+)>", re.DOTALL)
Event = dict[str, Any]


class TooLarge(Exception):
    """A template becomes more than a target takes."""


def check(target: dict[str, Any]) -> None:
    """ValueError: it says what is wrong with a target's Input, InputPath or InputTransformer."""
    named = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name) is not None]
    if len(named) > 1:
        raise ValueError(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
        )
    if "Input" in named:
        try:
            json.loads(target["Input"])
        except ValueError as error:
            raise ValueError(f"JSON syntax error in input for target {target['Id']} : {error}") from None
    if "InputPath" in named:
        Expression(target["InputPath"])
    for path in (target.get("InputTransformer") or {}).get("InputPathsMap", {}).values():
        Expression(path)


def render(target: dict[str, Any], event: Event, rule: str, ingested: str) -> str:
    """The text for a target. rule: its ARN. ingested: when EventBridge had the event. TooLarge: it is."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        return json.dumps(select(target["InputPath"], event))
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    paths = transformer.get("InputPathsMap") or {}
    values = {name: select(path, event) for name, path in paths.items()}
    values |= {
        "aws.events.rule-arn": rule,
        "aws.events.rule-name": rule.rpartition("/")[2],
        "aws.events.event.ingestion-time": ingested,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }
    return _filled(transformer["InputTemplate"], values)


def select(path: str, event: Event) -> Any:
    """The part of an event that a JSONPath names; None where it has none."""
    try:
        return Expression(path).select(event)
    except NotFound:
        return None


def _filled(template: str, values: dict[str, Any]) -> str:
    """A template of JSON with JSON in its holes, and text in those of its strings; else one of plain text."""
    filled = _fill(template, values, lambda value, quoted: _inside(value) if quoted else json.dumps(value))
    try:
        json.loads(filled)
    except ValueError:
        return _fill(template, values, lambda value, _: value if isinstance(value, str) else json.dumps(value))
    return filled


def _inside(value: Any) -> str:
    """A value within a string of JSON."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]


def _fill(template: str, values: dict[str, Any], write: Callable[[Any, bool], str]) -> str:
    parts, at, quoted, size = list[str](), 0, False, 0
    for found in _HOLE.finditer(template):
        part = found[0]
        if found[0] == '"':
            quoted = not quoted
        elif found[1] in values:
            part = write(values[found[1]], quoted)
        parts += [template[at : found.start()], part]
        at, size = found.end(), size + len(part)
        if size > LARGEST:
            raise TooLarge(f"what the template makes of the event is over {LARGEST} bytes")
    return "".join([*parts, template[at:]])
