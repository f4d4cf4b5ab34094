"""moto's interpreter of state machines, mended: its tasks call the front door with the machine's role.

moto's own clients go to a moto server with no keys, it has no task for SageMaker, and nothing bounds what it runs.
Loading it takes a second, so this module is loaded with the first request to Step Functions.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from moto.stepfunctions import responses
from moto.stepfunctions.parser import utils
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.state.choice.comparison.operator.implementations import (
    string_operators,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import inline_iteration_component
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_factory,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
    StateTaskService,
)
from moto.stepfunctions.parser.asl.eval import environment
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.utils import json_path

from sagelab.cloud.events.patterns import fits_wildcard
from sagelab.cloud.gateway.moto.definitions import diagnose
from sagelab.cloud.gateway.moto.state_jobs import OURS, as_text, plain
from sagelab.cloud.gateway.moto.state_machines import EVENTS, HISTORY, StateMachines

THREADS = 1000  # of this process: more states than that do not run at once
ITEMS = 40  # of a Map at a time, as on AWS
PATHS = 1000  # read ones that are kept: reading one takes longer than all else
FULL = "The execution reached the maximum number of history events (25000)."
_BASE = "moto.stepfunctions.parser.asl.component.state.exec"
_CALLERS = (
    f"{_BASE}.state_task.lambda_eval_utils",
    *(f"{_BASE}.state_task.service.state_task_service_{name}" for name in ("aws_sdk", "dynamodb", "events")),
    *(f"{_BASE}.state_task.service.state_task_service_{name}" for name in ("sfn", "sns", "sqs")),
)
_SERVICES = {
    "emrserverless": "emr-serverless",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "sagemakerruntime": "sagemaker-runtime",
}
_ERROR_NAMES = {
    "sagemaker": "SageMaker",
    "sagemakerruntime": "SageMakerRuntime",
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "eventbridge": "EventBridge",
    "emrserverless": "EmrServerless",
    **{name: name.capitalize() for name in ("ecr", "iam", "kms", "lambda", "s3", "sns", "sqs", "sts")},
}


class HistoryIsFull(Exception):
    """An execution has told more than it may."""


def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """What moto's tasks call: a client with the rights of the state's role, whose times are texts."""
    return _Plain(StateMachines.current.client(state_credentials.role_arn, service, region))


class _Plain:
    """A client whose answers JSON can hold."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        """AttributeError: it is no operation of the API, whatever else a client can do."""
        if name not in self._client.meta.method_to_api_mapping:
            raise AttributeError(f"there is no operation {name}")
        return lambda **params: plain(getattr(self._client, name)(**params), as_text)


def _task_for(service_name: str) -> Any:
    own = OURS.get(service_name)
    return own() if own else _moto_task_for(service_name)


def _publish(self: Any, **event: Any) -> None:
    """EventManager._publish_history_event, as far as there is room: an end is told in any case."""
    events = self._history_event_list
    said = sum(map(len, (one for one in _texts(event.get("event_details")))))
    self.said = getattr(self, "said", 0) + said
    is_end = str(event["event_type"].value).startswith("Execution")
    if (len(events) >= EVENTS - 1 or self.said > HISTORY) and not is_end:
        self.full = True
        self._event_id_gen._next_id -= 1
        raise HistoryIsFull(FULL)
    if getattr(self, "full", False):
        event["source_event_id"] = len(events)
    _moto_publish(self, **event)


def _texts(details: Any) -> list[str]:
    inner: dict[str, Any] = next(iter(details.values()), {}) if details else {}
    return [one for one in inner.values() if isinstance(one, str)]


def _open(opening: Callable[..., Any]) -> Callable[..., Any]:
    def opened(self: Any, *arguments: Any, **named: Any) -> Any:
        if threading.active_count() > THREADS:
            raise RuntimeError("too many states run at once")
        utils.TMP_THREADS.clear()
        return opening(self, *arguments, **named)

    return opened


def _each_item(self: Any, env: Any) -> None:
    given = env.stack[-1]
    given.max_concurrency = min(given.max_concurrency or ITEMS, ITEMS, max(1, len(given.input_items)))
    _moto_each_item(self, env)


def _validate(self: Any) -> Any:
    """ValidateStateMachineDefinition, which moto does not have."""
    found = diagnose(self._get_param("definition") or "")
    rows = [
        {"severity": "ERROR", "code": one.code, "message": one.message, "location": one.location} for one in found
    ]
    return responses.ActionResult({"result": "FAIL" if rows else "OK", "diagnostics": rows, "truncated": False})


_moto_task_for = state_task_service_factory.state_task_service_for
_moto_publish = event_manager.EventManager._publish_history_event
_moto_each_item = inline_iteration_component.InlineIterationComponent._eval_body


def _install() -> None:
    for name in _CALLERS:
        importlib.import_module(name).boto_client_for = client_for  # type: ignore[attr-defined]
    state_task_factory.state_task_service_for = _task_for
    event_manager.EventManager._publish_history_event = _publish
    inline_iteration_component.InlineIterationComponent._eval_body = _each_item
    for name in ("open_frame", "open_inner_frame"):
        setattr(environment.Environment, name, _open(getattr(environment.Environment, name)))
    string_operators.StringMatches._compare = staticmethod(
        lambda variable, wanted: isinstance(variable, str) and fits_wildcard(wanted, variable)
    )
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES.update(_ERROR_NAMES)
    StateTaskService._SERVICE_NAME_SFN_TO_BOTO_OVERRIDES.update(_SERVICES)
    for module in (json_path, result_path):
        module.parse = lru_cache(PATHS)(module.parse)
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)  # it tells of each path that is not there
    responses.StepFunctionResponse.validate_state_machine_definition = _validate


_install()
