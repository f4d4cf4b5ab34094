"""What SageMaker tells EventBridge: an event for each change of state, in the form that AWS documents.

The store keeps an event with the change that it is of, as one; gateway/moto/event_bus.py takes it to the rules.
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-sagemaker.html
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.engine.pipelines.kinds import metadata
from sagelab.cloud.home import ACCOUNT
from sagelab.cloud.resources.records import OWN
from sagelab.cloud.store import Document, Store, Transition

logger = logging.getLogger("sagelab")

SOURCE = "aws.sagemaker"
_EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
_STEP = "SageMaker Model Building Pipeline Execution Step Status Change"


def _millis(time: datetime) -> Any:
    return round(time.timestamp() * 1000)


def _zulu(time: datetime) -> Any:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micros(time: datetime) -> Any:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class _Told:
    """How changes of a kind are told. title: between "SageMaker" and "State Change".

    state: the members whose change is one of state; none: every change is. gone: whether its end is told. upper:
    the member that is IN_SERVICE where the API says InService. time: the form of times. untold: what is left out.
    """

    title: str
    state: tuple[str, ...] = ()
    gone: bool = False
    upper: str = ""
    time: Callable[[datetime], Any] = _millis
    untold: tuple[str, ...] = ()


_KINDS = {
    "training-job": _Told("Training Job", ("TrainingJobStatus", "SecondaryStatus")),
    "processing-job": _Told("Processing Job", ("ProcessingJobStatus",)),
    "transform-job": _Told("Transform Job", ("TransformJobStatus",), untold=("LastModifiedTime",)),
    "hyper-parameter-tuning-job": _Told("HyperParameter Tuning Job", ("HyperParameterTuningJobStatus",)),
    "endpoint": _Told("Endpoint", ("EndpointStatus",), upper="EndpointStatus"),
    "endpoint-config": _Told("Endpoint Config", gone=True),
    "model": _Told("Model", gone=True),
    "model-package": _Told("Model Package", ("ModelPackageStatus", "ModelApprovalStatus"), time=_zulu),
    "notebook-instance": _Told("Notebook Instance", ("NotebookInstanceStatus",)),
    "notebook-instance-lifecycle-config": _Told("Notebook Lifecycle Config", gone=True),
}
_SERVERLESS = {"emr-serverless-application": "Application", "emr-serverless-job-run": "Job Run"}
# The end of a job's run -> how bad it is. https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html
_GLUE = {"SUCCEEDED": "INFO", "STOPPED": "INFO", "FAILED": "ERROR", "TIMEOUT": "WARN"}

# The status of a replication task -> type, number and category of DMS's event.
# https://docs.aws.amazon.com/dms/latest/userguide/CHAP_EventBridge.html
_DMS = {
    "ready": ("CREATED", "0074", "Creation"),
    "starting": ("STARTED", "0069", "StateChange"),
    "stopped": ("STOPPED", "0079", "StateChange"),
    "failed": ("FAILED", "0078", "Failure"),
    None: ("DELETED", "0073", "Deletion"),
}


def note(store: Store) -> None:
    """From now on the store keeps an event with each change of state."""
    store.note(KINDS, _notes)


def _notes(change: Transition) -> list[str]:
    try:
        return [json.dumps(event) for event in events(change)]
    except Exception:  # what cannot be told has happened all the same
        logger.exception("a change of %s is not told", change.arn)
        return []


def events(change: Transition) -> Iterator[Document]:
    """The events of a change, without an id."""
    if other := _OTHERS.get(change.kind):
        yield from other(change)
        return
    told, found = _KINDS[change.kind], change.after or change.before
    if found is None or (change.after is None and not told.gone):
        return
    if change.before and change.after and told.state and _state(told, change.before) == _state(told, change.after):
        return
    detail = {name: value for name, value in found.items() if name not in (OWN, "Tags", *told.untold)}
    if told.upper in detail:
        detail[told.upper] = re.sub("(?<=[a-z])(?=[A-Z])", "_", detail[told.upper]).upper()
    detail = _plain(detail | {"Tags": change.tags}, told.time)
    yield _event(f"SageMaker {told.title} State Change", change.region, [change.arn], detail)


def _state(told: _Told, document: Document) -> list[Any]:
    return [document.get(name) for name in told.state]


def _of_execution(change: Transition) -> Iterator[Document]:
    """Of a pipeline's execution, and of each of its steps."""
    if (after := change.after) is None:
        return
    before = change.before or {}
    arns = {"pipelineArn": after["PipelineArn"], "pipelineExecutionArn": change.arn}
    old, new = (one.get("PipelineExecutionStatus") for one in (before, after))
    seen = before.get(OWN, {}).get("Steps", {})
    for name, step in after[OWN]["Steps"].items():
        was = seen.get(name, {}).get("Status")
        if step["Status"] != was and "Selected" not in step:
            yield _event(_STEP, change.region, [*arns.values()], _of_step(name, step, was) | arns)
    if old != new:
        detail = {
            "pipelineExecutionDescription": after.get("PipelineExecutionDescription"),
            "pipelineExecutionDisplayName": after.get("PipelineExecutionDisplayName"),
            "currentPipelineExecutionStatus": new,
            "previousPipelineExecutionStatus": old,
            "executionStartTime": after["CreationTime"],
            "executionEndTime": after["LastModifiedTime"] if new not in ("Executing", "Stopping") else None,
            "failureReason": after.get("FailureReason"),
        }
        yield _event(_EXECUTION, change.region, [*arns.values()], _present(detail) | arns)


def _of_glue(change: Transition) -> Iterator[Document]:
    """Of the end of a job's run."""
    after, before = change.after or {}, change.before or {}
    state = after.get("JobRunState")
    if state not in _GLUE or state == before.get("JobRunState"):
        return
    message = after.get("ErrorMessage") or f"Job run {str(state).lower()}"
    detail = {"jobName": after["JobName"], "severity": _GLUE[state], "state": state, "jobRunId": after["Id"]}
    detail |= {"message": message}
    yield _event("Glue Job State Change", change.region, [], detail) | {"source": "aws.glue"}


def _of_serverless(change: Transition) -> Iterator[Document]:
    """Of EMR Serverless: an application or a job run in another state, a run that is tried again.

    https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/using-eventbridge.html
    """
    before, after = change.before or {}, change.after
    if after is None:
        return
    source, title = {"source": "aws.emr-serverless"}, f"EMR Serverless {_SERVERLESS[change.kind]}"
    members = ["applicationId", "arn", "releaseLabel", "state", "createdAt", "updatedAt", "type", "jobRunId"]
    detail = {name: after[name] for name in (*members, "createdBy") if name in after}
    if change.kind == "emr-serverless-application":
        stop, start = after["autoStopConfiguration"], after["autoStartConfiguration"]
        detail |= {"applicationName": after["name"]} if "name" in after else {}
        idle = {"enabled": stop["enabled"], "idleTimeout": stop["idleTimeoutMinutes"]}
        detail |= {"autoStopConfig": idle, "autoStartConfig": start}
    elif before:
        detail["previousState"] = before["state"]
    if after["state"] != before.get("state"):
        yield _event(f"{title} State Change", change.region, [], _plain(detail, _micros)) | source
    if before and after.get("attempt") != before.get("attempt"):
        last = after[OWN]["Attempts"][-1]
        tried = {name: detail[name] for name in detail if name not in ("state", "previousState")}
        tried |= {"previousAttempt": last["attempt"], "previousAttemptState": last["state"]}
        tried |= {"previousAttemptCreatedAt": last["attemptCreatedAt"]}
        tried |= {"previousAttemptEndedAt": last["attemptUpdatedAt"], "newAttempt": after["attempt"]}
        tried["newAttemptCreatedAt"] = after["attemptCreatedAt"]
        yield _event(f"{title} Retry", change.region, [], _plain(tried, _micros)) | source


def _of_replication(change: Transition) -> Iterator[Document]:
    """Of a replication task of DMS."""
    after, before = change.after or {}, change.before or {}
    status = after.get("Status")
    if status not in _DMS or status == before.get("Status"):
        return
    kind, number, category = _DMS[status]
    name = (after or before)["ReplicationTaskIdentifier"]
    flag = {"resume-processing": "resume", "reload-target": "reload"}.get(
        after.get(OWN, {}).get("Flag"), "fresh start"
    )
    words = {"starting": f"Replication task started, with flag = {flag}", "stopped": after.get("StopReason")}
    detail = {
        "type": "REPLICATION_TASK",
        "category": category,
        "eventType": f"REPLICATION_TASK_{kind}",
        "eventId": f"DMS-EVENT-{number}",
        "resourceLink": f"https://console.aws.amazon.com/dms/v2/home?region={change.region}#taskDetails/{name}",
        "detailMessage": words.get(str(status)) or f"Replication task {kind.lower()}",
    }
    title = "DMS Replication Task State Change"
    yield _event(title, change.region, [change.arn], detail) | {"source": "aws.dms"}


def _of_step(name: str, step: Document, was: str | None) -> Document:
    kind = step.get("Type", "")
    cached = {"sourcePipelineExecutionArn": step["CacheHit"]} if "CacheHit" in step else None
    detail = {
        "metadata": _camel(metadata(kind, step)) if kind else None,
        "stepStartTime": step.get("StartTime"),
        "stepEndTime": step.get("EndTime"),
        "stepName": name,
        "stepType": kind or None,
        "previousStepStatus": was,
        "currentStepStatus": step["Status"],
        "cacheHitResult": cached,
        "failureReason": step.get("FailureReason"),
    }
    return _present(detail)


def _present(detail: Document) -> Document:
    plain: Document = _plain({name: value for name, value in detail.items() if value is not None}, _zulu)
    return plain


def _camel(value: Any) -> Any:
    """A structure of the API's with its members in camelCase."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _camel(one) for name, one in value.items()}
    return [_camel(one) for one in value] if isinstance(value, list) else value


def _plain(value: Any, time: Callable[[datetime], Any]) -> Any:
    """A document as JSON can hold it."""
    if isinstance(value, dict):
        return {name: _plain(one, time) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, time) for one in value]
    return time(value) if isinstance(value, datetime) else value


def _event(title: str, region: str, arns: list[str], detail: Document) -> Document:
    return {
        "version": "0",
        "detail-type": title,
        "source": SOURCE,
        "account": ACCOUNT,
        "time": _zulu(datetime.now(UTC)),
        "region": region,
        "resources": arns,
        "detail": detail,
    }


_OTHERS: dict[str, Callable[[Transition], Iterator[Document]]] = {
    "pipeline-execution": _of_execution,
    "glue-job-run": _of_glue,
    "dms-task": _of_replication,
    **dict.fromkeys(_SERVERLESS, _of_serverless),
}
KINDS = frozenset({*_KINDS, *_OTHERS})
