"""The expressions of a pipeline's definition: parameters, properties of steps, joined text, values of JSON files.

    {"Get": "Parameters.X"}  {"Get": "Execution.PipelineName"}  {"Get": "Steps.S.ModelArtifacts.S3ModelArtifacts"}
    {"Std:Join": {"On": "/", "Values": [...]}}
    {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.S.PropertyFiles.F"}, "Path": "metrics.mse.value"}}

A definition is a stranger's: paths have a grammar, a length and nothing that runs.
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

LONGEST_PATH = 2048
LONGEST_TEXT = 1 << 20  # characters that a join may make
NAMES = ("OutputName", "InputName", "ChannelName")
FUNCTIONS = ("Std:Join", "Std:JsonGet")
_PART = re.compile(r"""\.?([A-Za-z_][\w-]*)|\[(?:'([^']*)'|"([^"]*)"|(\d{1,9}))\]""")
_STEP = re.compile(r"Steps\.([A-Za-z0-9](?:-*[A-Za-z0-9])*)(.*)", re.DOTALL)


class BadExpression(ValueError):
    """An expression that is none, or has no value; the text says why."""


class Scope(Protocol):
    """Where the names of expressions have their values. BadExpression: one has none."""

    def parameter(self, name: str) -> Any: ...

    def variable(self, name: str) -> Any:
        """Of the execution: PipelineName, StartDateTime, ..."""

    def properties(self, step: str) -> Any:
        """What Describe tells of a step's job."""

    def file(self, step: str, name: str) -> Any:
        """The JSON of a property file."""

    def read(self, uri: str) -> Any:
        """The JSON of an object in S3."""


def is_expression(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("Get", *FUNCTIONS)


def parts(path: str) -> list[str | int]:
    """The members and numbers of elements of a path: a.b['c'][0]. BadExpression: it is none."""
    path = path.removeprefix("$.")
    if not path or len(path) > LONGEST_PATH:
        raise BadExpression(f"{path[:80]!r} is not a path")
    found: list[str | int] = []
    at = 0
    while at < len(path):
        part = _PART.match(path, at)
        if part is None or path[0] == ".":
            raise BadExpression(f"{path[:80]!r} is not a path")
        name, single, double, number = part.groups()
        found.append(int(number) if number else next(each for each in (name, single, double) if each is not None))
        at = part.end()
    return found


def look(value: Any, path: list[str | int], said: str) -> Any:
    """What a path leads to in a document. BadExpression: nothing is there.

    An element of a list goes by its number, or as inputs and outputs do, by its name.
    """
    for part in path:
        if isinstance(part, str) and isinstance(value, list):
            named = [each for each in value if isinstance(each, dict)]
            value = {str(each[name]): each for each in named for name in NAMES if name in each}
        try:
            value = value[part] if isinstance(part, str) == isinstance(value, dict) else value[str(part)]
        except (KeyError, IndexError, TypeError):
            raise BadExpression(f"{said}: there is no {part!r}") from None
    return value


def split(name: str) -> tuple[str, str]:
    """What a Get begins with, and the rest: ("Steps", "Train.ModelArtifacts"). BadExpression: it is none."""
    head, _, rest = name.partition(".") if isinstance(name, str) else ("", "", "")
    if head not in ("Parameters", "Execution", "Steps", "ForEach") or not rest or len(name) > LONGEST_PATH:
        raise BadExpression(f"Get {str(name)[:80]!r} is not a reference that the local cloud knows")
    return head, rest


def split_step(name: str) -> tuple[str, list[str | int]]:
    """The step of a Get, and the path in its properties."""
    found = _STEP.fullmatch(name)
    if found is None:
        raise BadExpression(f"Get {name[:80]!r} names no property of a step")
    return found[1], parts(found[2].removeprefix(".")) if found[2] else []


def references(value: Any) -> Iterator[str]:
    """Every name that the expressions within a value get. BadExpression: a function that is none."""
    left = [value]
    while left:
        one = left.pop()
        if is_expression(one) and "Get" in one:
            split(one["Get"])
            yield one["Get"]
        elif isinstance(one, dict):
            if unknown := [key for key in one if key.startswith("Std:") and key not in FUNCTIONS]:
                raise BadExpression(f"{unknown[0]} is not a function that the local cloud knows")
            left += one.values()
        elif isinstance(one, list):
            left += one


def evaluate(value: Any, scope: Scope) -> Any:
    """A value with what its expressions stand for in their places. BadExpression: one stands for nothing."""
    if isinstance(value, list):
        return [evaluate(each, scope) for each in value]
    if not isinstance(value, dict):
        return value
    if not is_expression(value):
        return {key: evaluate(each, scope) for key, each in value.items()}
    (function, argument) = next(iter(value.items()))
    if function == "Get":
        return _get(argument, scope)
    if not isinstance(argument, dict):
        raise BadExpression(f"{function} needs an object")
    return _join(argument, scope) if function == "Std:Join" else _json_get(argument, scope)


def _get(name: str, scope: Scope) -> Any:
    head, rest = split(name)
    if head == "Parameters":
        return scope.parameter(rest)
    if head == "Execution":
        return scope.variable(rest)
    if head == "ForEach":
        raise BadExpression(f"Get {name[:80]!r} has a value within a ForEachBody alone")
    step, path = split_step(name)
    return look(scope.properties(step), path, name)


def _join(argument: dict[str, Any], scope: Scope) -> str:
    values = evaluate(argument.get("Values"), scope)
    if not isinstance(values, list) or not isinstance(argument.get("On", ""), str):
        raise BadExpression("Std:Join needs On, a text, and Values, a list")
    joined: str = argument.get("On", "").join(text(each) for each in values)
    if len(joined) > LONGEST_TEXT:
        raise BadExpression("Std:Join makes more than a million characters")
    return joined


def _json_get(argument: dict[str, Any], scope: Scope) -> Any:
    path = evaluate(argument.get("Path"), scope)
    if not isinstance(path, str):
        raise BadExpression("Std:JsonGet needs a Path")
    if "S3Uri" in argument:
        uri = evaluate(argument["S3Uri"], scope)
        return look(scope.read(str(uri)), parts(path), f"Std:JsonGet {path} of {uri}")
    step, name = property_file(argument)
    return look(scope.file(step, name), parts(path), f"Std:JsonGet {path} of {step}.{name}")


def property_file(argument: dict[str, Any]) -> tuple[str, str]:
    """The step and the name of the property file of a Std:JsonGet."""
    given = argument.get("PropertyFile")
    name = given.get("Get") if isinstance(given, dict) else None
    step, path = split_step(name) if isinstance(name, str) else ("", [])
    if len(path) != 2 or path[0] != "PropertyFiles" or not isinstance(path[1], str):
        raise BadExpression("Std:JsonGet needs a PropertyFile of a step, or an S3Uri")
    return step, path[1]


def text(value: Any) -> str:
    """A value as a part of joined text."""
    return value if isinstance(value, str) else json.dumps(value)
