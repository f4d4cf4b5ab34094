"""Tasks of state machines whose work ends later: called with the machine's role, waited for, taken back.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from sagelab.cloud.gateway.moto.state_machines import StateMachines

MODELLED = ("ConflictException", "ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound")


class JobTask(StateTaskServiceCallback):  # type: ignore[misc]
    """A call of a service whose work ends later; with .sync, until it has ended.

    service: as boto3 has it. title: of its errors. described: what begins the name of one of them.
    """

    service, title, described = "sagemaker", "SageMaker", "AmazonSageMaker"
    modelled: tuple[str, ...] = MODELLED

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
        env.stack.append(plain(answer, _millis))

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
            found = plain(found, _millis)
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


class ServerlessTask(JobTask):
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr-serverless.html

    Members are spelt as in all optimized integrations, with a capital letter, and the API's are not.
    """

    service, title, described, modelled = "emr-serverless", "EmrServerless", "EMRServerless", ()
    ends: ClassVar[dict[str, str]] = {
        "create": "CREATED",
        "start": "STARTED",
        "stop": "STOPPED",
        "delete": "TERMINATED",
    }

    def ask(self, client: Any, params: dict[str, Any]) -> Any:
        action = str(self.resource.api_action)
        model = client.meta.service_model.operation_model(action[:1].upper() + action[1:])
        answer = getattr(client, xform_name(action))(**_spelt(params, model.input_shape, str.lower))
        answer.pop("ResponseMetadata", None)
        found = _spelt(answer, model.output_shape, str.upper)
        return found or {"ApplicationId": params["ApplicationId"]}

    def look(self, client: Any, params: dict[str, Any], answer: Any) -> tuple[bool | None, Any]:
        verb, _, what = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(self.resource.api_action)).partition(" ")
        key = {"applicationId": answer.get("ApplicationId") or params["ApplicationId"]}
        if what == "Application":
            shape = client.meta.service_model.operation_model("GetApplication").output_shape
            found = _spelt(client.get_application(**key)["application"], shape.members["application"], str.upper)
            return (True if found["State"] in (self.ends[verb], "TERMINATED") else None), found
        shape = client.meta.service_model.operation_model("GetJobRun").output_shape
        run = client.get_job_run(**key, jobRunId=answer["JobRunId"])["jobRun"]
        found = _spelt(run, shape.members["jobRun"], str.upper)
        if found["State"] not in ("SUCCESS", "FAILED", "CANCELLED"):
            return None, found
        return found["State"] == ("SUCCESS" if verb == "start" else "CANCELLED"), found

    def take_back(self, client: Any, params: dict[str, Any], answer: Any) -> None:
        if str(self.resource.api_action) == "startJobRun":
            client.cancel_job_run(applicationId=params["ApplicationId"], jobRunId=answer["JobRunId"])


OURS = {
    "sagemaker": JobTask,
    "athena": AthenaTask,
    "elasticmapreduce": EmrTask,
    "emr-serverless": ServerlessTask,
    "glue": GlueTask,
}


def _spelt(value: Any, shape: Any, first: Callable[[str], str]) -> Any:
    """Members of structures with another first letter; the keys of maps are somebody's own."""
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        known = {name.lower(): member for name, member in shape.members.items()}
        return {
            first(name[:1]) + name[1:]: _spelt(one, known.get(name.lower()), first) for name, one in value.items()
        }
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: _spelt(one, shape.value, first) for name, one in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_spelt(one, shape.member, first) for one in value]
    return value


def plain(value: Any, time: Callable[[datetime], Any]) -> Any:
    if isinstance(value, dict):
        return {name: plain(one, time) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one, time) for one in value]
    return time(value) if isinstance(value, datetime) else value


def _millis(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def as_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
