"""moto's interpreter of state machines, mended: its tasks call the front door with the machine's role.

moto's own clients go to a moto server with no keys, it has no task for SageMaker, and nothing bounds what it runs.
Loading it takes a second, so this module is loaded with the first request to Step Functions.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
"""

from __future__ import annotations

import importlib
import json
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.stepfunctions import responses
from moto.stepfunctions.parser import utils
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
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
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
    StateTaskService,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval import environment
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils import json_path

from sagelab.cloud.events.patterns import fits_wildcard
from sagelab.cloud.gateway.moto.definitions import diagnose
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
_SERVICES = {"eventbridge": "events", "cloudwatchlogs": "logs", "sagemakerruntime": "sagemaker-runtime"}
_ERROR_NAMES = {
    "sagemaker": "SageMaker",
    "sagemakerruntime": "SageMakerRuntime",
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "eventbridge": "EventBridge",
    **{name: name.capitalize() for name in ("ecr", "iam", "kms", "lambda", "s3", "sns", "sqs", "sts")},
}
_MODELLED = ("ConflictException", "ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound")


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
        return lambda **params: _plain(getattr(self._client, name)(**params), _text)


class JobTask(StateTaskServiceCallback):  # type: ignore[misc]
    """A call of a service whose work ends later; with .sync, until it has ended.

    service: as boto3 has it. title: of its errors. described: what begins the name of one of them.
    """

    service, title, described = "sagemaker", "SageMaker", "AmazonSageMaker"
    modelled: tuple[str, ...] = _MODELLED

    def __init__(self) -> None:
        # moto forgets that a task of .sync alone has no token to wait for.
        super().__init__(
            supported_integration_patterns={ResourceCondition.Sync, ResourceCondition.WaitForTaskToken}
        )

    def _get_supported_parameters(self) -> set[str] | None:
        return None

    def _validate_service_integration_is_supported(self) -> None:
        """definitions.py has looked at it."""

    # What a service has of its own

    def ask(self, client: Any, params: dict[str, Any]) -> Any:
        """Make the call."""
        return getattr(client, xform_name(self.resource.api_action))(**params)

    def look(self, client: Any, params: dict[str, Any], _answer: Any) -> tuple[bool | None, Any]:
        """(whether the work has ended well, what the task comes to); None: it goes on. answer: of the call."""
        name = f"{self._stem}Name"
        job = getattr(client, xform_name(f"Describe{self._stem}"))(**{name: params[name]})
        job.pop("ResponseMetadata", None)
        status = job[f"{self._stem}Status"]
        return (None if status in ("InProgress", "Stopping") else status == "Completed"), job

    def take_back(self, client: Any, params: dict[str, Any], _answer: Any) -> None:
        """End the work: nobody waits for it any more."""
        name = f"{self._stem}Name"
        getattr(client, xform_name(f"Stop{self._stem}"))(**{name: params[name]})

    @property
    def _stem(self) -> str:
        return str(self.resource.api_action).removeprefix("create")

    # As moto's interpreter asks

    def _client(self, part: Any, credentials: Any) -> Any:
        return StateMachines.current.client(credentials.role_arn, self.service, part.region)

    def _eval_service_task(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> None:
        answer = self.ask(self._client(resource_runtime_part, state_credentials), normalised_parameters)
        answer.pop("ResponseMetadata", None)
        env.stack.append(_plain(answer, _millis))

    def _eval_integration_pattern(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> None:
        client, answer, done = self._client(resource_runtime_part, state_credentials), env.stack[-1], False
        try:
            super()._eval_integration_pattern(env, resource_runtime_part, normalised_parameters, state_credentials)
            done = env.is_running()
        except FailureEventException:
            done = True
            raise
        finally:
            if not done:  # the execution was stopped, or the state's time is over
                with suppress(ClientError):
                    self.take_back(client, normalised_parameters, answer)

    def _build_sync_resolver(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> Callable[[], Any]:
        client, answer = self._client(resource_runtime_part, state_credentials), env.stack[-1]

        def resolve() -> Any:
            well, found = self.look(client, normalised_parameters, answer)
            if well is None:
                return None
            found = _plain(found, _millis)
            if well:
                return found
            raise FailureEventException(self._failure(env, "States.TaskFailed", json.dumps(found)))

        return resolve

    def _from_error(self, env: Any, ex: Exception) -> Any:
        if not isinstance(ex, ClientError):
            return super()._from_error(env=env, ex=ex)
        code, about = ex.response["Error"]["Code"], ex.response["ResponseMetadata"]
        known = f"{code.removesuffix('Exception')}Exception"
        known = known if not self.modelled or code in self.modelled else f"{self.described}Exception"
        details = f"Service: {self.described}; Status Code: {about.get('HTTPStatusCode')}; Error Code: {code};"
        cause = (
            f"{ex.response['Error'].get('Message')} ({details} Request ID: {about.get('RequestId')}; Proxy: null)"
        )
        return self._failure(env, f"{self.title}.{known}", cause)

    def _failure(self, env: Any, error: str, cause: str) -> Any:
        facts = {"resource": self._get_sfn_resource(), "resourceType": self._get_sfn_resource_type()}
        return FailureEvent(
            env=env,
            error_name=ErrorName(error_name=error),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(
                taskFailedEventDetails=TaskFailedEventDetails(error=error, cause=cause, **facts)
            ),
        )


class AthenaTask(JobTask):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-athena.html"""

    service, title, described, modelled = "athena", "Athena", "AmazonAthena", ()

    def look(self, client: Any, _params: dict[str, Any], answer: Any) -> tuple[bool | None, Any]:
        found = client.get_query_execution(QueryExecutionId=answer["QueryExecutionId"])["QueryExecution"]
        state = found["Status"]["State"]
        well = None if state in ("QUEUED", "RUNNING") else state == "SUCCEEDED"
        return well, {"QueryExecution": found} if well else found

    def take_back(self, client: Any, _params: dict[str, Any], answer: Any) -> None:
        client.stop_query_execution(QueryExecutionId=answer["QueryExecutionId"])


class EmrTask(JobTask):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html"""

    service, title, described, modelled = "emr", "ElasticMapReduce", "AmazonElasticMapReduce", ()

    def ask(self, client: Any, params: dict[str, Any]) -> Any:
        match str(self.resource.api_action):
            case "createCluster":
                made = client.run_job_flow(**params)
                return {"ClusterId": made["JobFlowId"], "ClusterArn": made["ClusterArn"]}
            case "addStep":
                asked = {"JobFlowId": params["ClusterId"], "Steps": [params["Step"]]}
                role = {name: params[name] for name in ("ExecutionRoleArn",) if name in params}
                return {"StepId": client.add_job_flow_steps(**asked, **role)["StepIds"][0]}
            case "terminateCluster":
                return client.terminate_job_flows(JobFlowIds=[params["ClusterId"]])
            case "setClusterTerminationProtection":
                wanted = {"TerminationProtected": params["TerminationProtected"]}
                return client.set_termination_protection(JobFlowIds=[params["ClusterId"]], **wanted)
            case _:
                asked = {"ClusterId": params["ClusterId"], "StepIds": [params["StepId"]]}
                return client.cancel_steps(**asked)["CancelStepsInfoList"][0]

    def look(self, client: Any, params: dict[str, Any], answer: Any) -> tuple[bool | None, Any]:
        if str(self.resource.api_action) == "addStep":
            found = client.describe_step(ClusterId=params["ClusterId"], StepId=answer["StepId"])["Step"]
            state = found["Status"]["State"]
            well = None if state in ("PENDING", "CANCEL_PENDING", "RUNNING") else state == "COMPLETED"
            return well, {"Step": found} if well else found
        creates = str(self.resource.api_action) == "createCluster"
        key = answer["ClusterId"] if creates else params["ClusterId"]
        found = client.describe_cluster(ClusterId=key)["Cluster"]
        state = found["Status"]["State"]
        if creates:
            going = state in ("STARTING", "BOOTSTRAPPING")
            return (None if going else state in ("RUNNING", "WAITING")), {"Cluster": found, "ClusterId": key}
        return (True if state.startswith("TERMINATED") else None), {"Cluster": found}

    def take_back(self, client: Any, params: dict[str, Any], answer: Any) -> None:
        action = str(self.resource.api_action)
        if action == "createCluster":
            client.terminate_job_flows(JobFlowIds=[answer["ClusterId"]])
        elif action == "addStep":
            client.cancel_steps(ClusterId=params["ClusterId"], StepIds=[answer["StepId"]])


class GlueTask(JobTask):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html"""

    service, title, described, modelled = "glue", "Glue", "AWSGlue", ()

    def look(self, client: Any, params: dict[str, Any], answer: Any) -> tuple[bool | None, Any]:
        found = client.get_job_run(JobName=params["JobName"], RunId=answer["JobRunId"])["JobRun"]
        state = found["JobRunState"]
        return (None if state in ("STARTING", "RUNNING", "STOPPING") else state == "SUCCEEDED"), found

    def take_back(self, client: Any, params: dict[str, Any], answer: Any) -> None:
        client.batch_stop_job_run(JobName=params["JobName"], JobRunIds=[answer["JobRunId"]])


_OURS = {"sagemaker": JobTask, "athena": AthenaTask, "elasticmapreduce": EmrTask, "glue": GlueTask}


def _plain(value: Any, time: Callable[[datetime], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one, time) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, time) for one in value]
    return time(value) if isinstance(value, datetime) else value


def _millis(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _task_for(service_name: str) -> Any:
    own = _OURS.get(service_name)
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
