"""Definitions of state machines: what is wrong with one, in the words of Step Functions, before moto reads it.

https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LARGEST, DEPTH, BRANCHES, LONGEST_NAME = 1 << 20, 20, 100, 80
_SCHEMA, _TARGET = "SCHEMA_VALIDATION_FAILED", "MISSING_TRANSITION_TARGET"
_TYPES = frozenset({"Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"})
_GO_ON = frozenset({"Task", "Pass", "Wait", "Parallel", "Map"})  # states with Next or End
_UNKNOWN = (
    "The resource provided {} is not recognized. The value is not a valid resource ARN, or the resource is not"
    " available in this region."
)
_NOT_HERE = "{} is not something the local cloud's state machines can do."
_FUNCTION = re.compile(r"arn:aws:lambda:[\w-]+:\d{12}:function:[\w-]+(:[\w$-]+)?")
_SDK = re.compile(r"arn:aws:states:::aws-sdk:[a-z0-9]+:[a-z]\w*(\.waitForTaskToken)?")
_SYNC = (".sync",)
_TOKEN = (".waitForTaskToken",)
_JOBS = ("TrainingJob", "TransformJob", "ProcessingJob", "HyperParameterTuningJob")
_PLAIN = ("createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint")
# Service and action of arn:aws:states:::SERVICE:ACTION -> the ways to wait that it has beside none.
_OPTIMIZED: dict[str, tuple[str, ...]] = {
    **{f"sagemaker:create{job}": _SYNC for job in _JOBS},
    **{f"sagemaker:{name}": () for name in _PLAIN},
    "athena:startQueryExecution": _SYNC,
    **{f"athena:{name}": () for name in ("getQueryExecution", "getQueryResults", "stopQueryExecution")},
    "glue:startJobRun": _SYNC,
    **{f"elasticmapreduce:{name}": _SYNC for name in ("createCluster", "addStep", "terminateCluster")},
    **{f"elasticmapreduce:{name}": () for name in ("cancelStep", "setClusterTerminationProtection")},
    **{f"emr-serverless:{verb}Application": _SYNC for verb in ("create", "start", "stop", "delete")},
    **{f"emr-serverless:{verb}JobRun": _SYNC for verb in ("start", "cancel")},
    "lambda:invoke": _TOKEN,
    "sqs:sendMessage": _TOKEN,
    "sns:publish": _TOKEN,
    "events:putEvents": _TOKEN,
    **{f"dynamodb:{verb}Item": () for verb in ("get", "put", "update", "delete")},
    "states:startExecution": (*_SYNC, ".sync:2", *_TOKEN),
}


@dataclass(frozen=True)
class Diagnostic:
    """code: SCHEMA_VALIDATION_FAILED and its like. location: a pointer into the definition."""

    code: str
    message: str
    location: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}"


def diagnose(text: str) -> list[Diagnostic]:
    """What is wrong with a definition, ten things at the most; none where nothing is."""
    if len(text.encode()) > LARGEST:
        return [Diagnostic(_SCHEMA, f"The definition is larger than {LARGEST} bytes.", "/")]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [Diagnostic("INVALID_JSON_DESCRIPTION", str(error), "/")]
    made = []
    for one in _of_machine(found, "", 0):
        made.append(one)
        if len(made) == 10:
            break
    return made


def _of_machine(machine: Any, path: str, depth: int) -> Iterator[Diagnostic]:
    """Of a machine, a branch of a Parallel or what a Map does with each item."""
    if not isinstance(machine, dict) or depth > DEPTH:
        yield Diagnostic(_SCHEMA, "A definition is an object, 20 deep at the most.", path or "/")
        return
    states, start = machine.get("States"), machine.get("StartAt")
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield Diagnostic(_SCHEMA, _NOT_HERE.format("A QueryLanguage other than JSONPath"), f"{path}/QueryLanguage")
    if not isinstance(start, str) or not isinstance(states, dict) or not states:
        missing = "StartAt" if not isinstance(start, str) else "States"
        yield Diagnostic(_SCHEMA, f"The field '{missing}' is required but was missing.", path or "/")
        return
    if start not in states:
        yield Diagnostic(_TARGET, f"Missing 'StartAt' target: {start}", f"{path}/StartAt")
    for name, state in states.items():
        yield from _of_state(name, state, states, f"{path}/States/{name}", depth)
    for name in states.keys() - _reached(start, states):
        yield Diagnostic(_TARGET, f'State "{name}" is not reachable.', f"{path}/States/{name}")


def _of_state(name: str, state: Any, states: dict[str, Any], path: str, depth: int) -> Iterator[Diagnostic]:
    if not isinstance(state, dict) or state.get("Type") not in _TYPES:
        kinds = ", ".join(sorted(_TYPES))
        yield Diagnostic(_SCHEMA, f"The value of 'Type' must be one of [{kinds}].", f"{path}/Type")
        return
    if len(name) > LONGEST_NAME:
        yield Diagnostic(_SCHEMA, f"A state's name has {LONGEST_NAME} characters at the most.", path)
    if state["Type"] in _GO_ON and ("Next" in state) == (state.get("End") is True):
        yield Diagnostic(_SCHEMA, "One of the fields 'Next' and 'End' is required.", path)
    for place, target in _targets(state):
        if target not in states:
            yield Diagnostic(_TARGET, f"Missing '{place.rpartition('/')[2]}' target: {target}", f"{path}/{place}")
    if state.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield Diagnostic(_SCHEMA, _NOT_HERE.format("A QueryLanguage other than JSONPath"), f"{path}/QueryLanguage")
    yield from _of_paths(state, path)
    if state["Type"] == "Task":
        yield from _of_resource(state.get("Resource"), path)
    elif state["Type"] == "Parallel":
        yield from _of_branches(state.get("Branches"), path, depth)
    elif state["Type"] == "Map":
        yield from _of_map(state, path, depth)


def _of_resource(resource: Any, path: str) -> Iterator[Diagnostic]:
    if not isinstance(resource, str):
        yield Diagnostic(_SCHEMA, "The field 'Resource' is required but was missing.", path)
        return
    service, _, rest = resource.removeprefix("arn:aws:states:::").partition(":")
    action, _, way = rest.partition(".")
    optimized = resource.startswith("arn:aws:states:::") and f"{service}:{action}" in _OPTIMIZED
    fits = optimized and (not way or f".{way}" in _OPTIMIZED[f"{service}:{action}"])
    if not (fits or _FUNCTION.fullmatch(resource) or _SDK.fullmatch(resource)):
        yield Diagnostic(_SCHEMA, _UNKNOWN.format(resource), f"{path}/Resource")


def _of_branches(branches: Any, path: str, depth: int) -> Iterator[Diagnostic]:
    if not isinstance(branches, list) or not 0 < len(branches) <= BRANCHES:
        yield Diagnostic(_SCHEMA, f"'Branches' has one to {BRANCHES} branches here.", f"{path}/Branches")
        return
    for at, branch in enumerate(branches):
        yield from _of_machine(branch, f"{path}/Branches[{at}]", depth + 1)


def _of_map(state: dict[str, Any], path: str, depth: int) -> Iterator[Diagnostic]:
    member = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
    processor = state.get(member)
    config = processor.get("ProcessorConfig", {}) if isinstance(processor, dict) else {}
    distributed = isinstance(config, dict) and config.get("Mode", "INLINE") != "INLINE"
    if distributed or "ItemReader" in state or "ResultWriter" in state or "ItemBatcher" in state:
        yield Diagnostic(_SCHEMA, _NOT_HERE.format("A distributed Map"), path)
        return
    yield from _of_machine(processor, f"{path}/{member}", depth + 1)


def _of_paths(state: dict[str, Any], path: str) -> Iterator[Diagnostic]:
    """A JSONPath has no regular expression, as on AWS: one could take for ever."""
    own = {name: value for name, value in state.items() if name not in ("Branches", "Iterator", "ItemProcessor")}
    left: list[Any] = [own]
    while left:
        one = left.pop()
        if isinstance(one, str) and "=~" in one and one.lstrip().startswith(("$", "States.")):
            yield Diagnostic(_SCHEMA, f"Value is not a valid JSONPath: {one[:100]}", path)
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def _targets(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(place in the state, name) of each state that one may go on to."""
    for name in ("Next", "Default"):
        if name in state:
            yield name, state[name]
    for many in ("Choices", "Catch"):
        given = state.get(many)
        for at, one in enumerate(given if isinstance(given, list) else ()):
            if isinstance(one, dict) and "Next" in one:
                yield f"{many}[{at}]/Next", one["Next"]


def _reached(start: str, states: dict[str, Any]) -> set[str]:
    seen, left = set[str](), [start]
    while left:
        name = left.pop()
        if name in states and name not in seen:
            seen.add(name)
            state = states[name]
            left += [one for _, one in _targets(state) if isinstance(one, str)] if isinstance(state, dict) else []
    return seen
