"""SageMaker as what other services of moto's would call: refused where it is asked for, as nothing would be done.

Step Functions, EventBridge with its pipes and its scheduler take AWS's own forms of such a call and then do not
make it: a state machine that trains, a rule that starts a pipeline, a schedule of `aws-sdk:sagemaker:...`.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.events.models import Rule
from moto.pipes.models import EventBridgePipesBackend
from moto.scheduler.models import EventBridgeSchedulerBackend
from moto.stepfunctions.models import StepFunctionBackend

_UNKNOWN_RESOURCE = (
    "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: The resource provided {} is not recognized. The"
    " value is not a valid resource ARN, or the resource is not available in this region. at {}'"
)
_NOT_CALLED = "Parameter {} is not valid. Reason: SageMaker is not something that the local cloud's {} can call."


def _check_definition(asked: dict[str, Any]) -> None:
    try:
        definition = json.loads(asked.get("definition") or "{}")
    except ValueError:
        return  # moto says so
    for path, resource in _resources(definition, ""):
        if "sagemaker:" in resource:
            raise JsonRESTError("InvalidDefinition", _UNKNOWN_RESOURCE.format(resource, path))


def _check_target(who: str, arn: str | None) -> None:
    if arn and "sagemaker:" in arn:
        raise JsonRESTError("ValidationException", _NOT_CALLED.format(arn, who))


def _check_targets(asked: dict[str, Any]) -> None:
    for target in asked["targets"]:
        _check_target("EventBridge", target.get("Arn"))


def _resources(state: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, ARN) of each resource that a definition's states call, those of parallel and mapped states too."""
    if isinstance(state, dict):
        if isinstance(state.get("Resource"), str):
            yield f"{path}/Resource", state["Resource"]
        for name, value in state.items():
            yield from _resources(value, f"{path}/{name}")
    elif isinstance(state, list):
        for at, value in enumerate(state):
            yield from _resources(value, f"{path}[{at}]")


def _before(owner: type, check: Callable[[dict[str, Any]], None], *names: str) -> None:
    """Methods of moto's are called once `check` has seen their arguments, by name."""
    for name in names:
        method = getattr(owner, name)
        setattr(owner, name, _checked(method, check))


def _checked(method: Callable[..., Any], check: Callable[[dict[str, Any]], None]) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def checked(*arguments: Any, **named: Any) -> Any:
        check(signature.bind(*arguments, **named).arguments)
        return method(*arguments, **named)

    return checked


_before(StepFunctionBackend, _check_definition, "create_state_machine", "update_state_machine")
_before(Rule, _check_targets, "put_targets")
_before(
    EventBridgeSchedulerBackend,
    lambda asked: _check_target("scheduler", asked["target"].get("Arn")),
    "create_schedule",
    "update_schedule",
)
_before(
    EventBridgePipesBackend,
    lambda asked: _check_target("pipes", asked.get("target")),
    "create_pipe",
    "update_pipe",
)
