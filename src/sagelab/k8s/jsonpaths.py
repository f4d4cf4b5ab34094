"""The JSON paths of printer columns and selectable fields: .status.conditions[?(@.type=="Ready")].status"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

STEP = re.compile(
    r"\.(?P<name>(?:[A-Za-z0-9_$-]|\\.)+)"
    r"|\[(?P<index>-?\d+|\*)\]"
    r"""|\[(?P<quote>['"])(?P<key>[^'"]+)(?P=quote)\]"""
    r"""|\[\?\(@\.(?P<field>[A-Za-z0-9_.-]+)\s*==\s*(?P<mark>['"])(?P<value>[^'"]*)(?P=mark)\)\]"""
)


def find(document: Any, path: str) -> list[Any]:
    """What a path leads to; empty where it leads nowhere."""
    found = [document]
    for step in steps(path) or ():
        found = [inner for one in found for inner in _follow(one, step)]
    return found


@lru_cache
def steps(path: str) -> tuple[re.Match[str], ...] | None:
    """The steps of a path; None: it is none that is known here."""
    found, place = list[re.Match[str]](), 0
    while place < len(path):
        step = STEP.match(path, place)
        if not step:
            return None
        found.append(step)
        place = step.end()
    return tuple(found)


def _follow(value: Any, step: re.Match[str]) -> list[Any]:
    name = step["name"] or step["key"]
    if name:
        name = name.replace("\\.", ".")
        return [value[name]] if isinstance(value, dict) and value.get(name) is not None else []
    if not isinstance(value, list):
        return []
    if step["index"] == "*":
        return value
    if step["index"]:
        place = int(step["index"])
        return [value[place]] if -len(value) <= place < len(value) else []
    return [one for one in value if find(one, f".{step['field']}") == [step["value"]]]
