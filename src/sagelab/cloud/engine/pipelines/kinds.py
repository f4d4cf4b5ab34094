"""The types of steps that start something of SageMaker's, and those that the local cloud does not run."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sagelab.cloud.engine.pipelines import applications, clusters
from sagelab.cloud.engine.pipelines.expressions import text

LETTERS = string.ascii_letters + string.digits
RANDOM = 10  # characters at the end of a name


@dataclass(frozen=True)
class StepKind:
    """A type of step. stem: in the names of the API's operations. name: the member that names one.

    metadata: its member in a step's Metadata. status: the member of a description that has its status; "": it is
    done when it is made. good: the status of success. going: those before its end. stops: whether it can stop.
    own_name: whether its arguments may name it. short: of its step's name, in a name of 32 characters.
    """

    stem: str
    name: str
    metadata: str
    status: str = ""
    good: str = "Completed"
    going: tuple[str, ...] = ("InProgress", "Stopping")
    stops: bool = True
    own_name: bool = False
    short: int = 29


KINDS = {
    "Training": StepKind("TrainingJob", "TrainingJobName", "TrainingJob", "TrainingJobStatus"),
    "Processing": StepKind("ProcessingJob", "ProcessingJobName", "ProcessingJob", "ProcessingJobStatus"),
    "QualityCheck": StepKind("ProcessingJob", "ProcessingJobName", "QualityCheck", "ProcessingJobStatus"),
    "ClarifyCheck": StepKind("ProcessingJob", "ProcessingJobName", "ClarifyCheck", "ProcessingJobStatus"),
    "Transform": StepKind("TransformJob", "TransformJobName", "TransformJob", "TransformJobStatus"),
    "Tuning": StepKind(
        "HyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "TuningJob",
        "HyperParameterTuningJobStatus",
        short=8,
    ),
    "Model": StepKind("Model", "ModelName", "Model"),
    "RegisterModel": StepKind("ModelPackage", "ModelPackageName", "RegisterModel"),
    "EndpointConfig": StepKind("EndpointConfig", "EndpointConfigName", "EndpointConfig", own_name=True),
    "Endpoint": StepKind(
        "Endpoint",
        "EndpointName",
        "Endpoint",
        "EndpointStatus",
        good="InService",
        going=("Creating", "Updating"),
        stops=False,
        own_name=True,
    ),
}
_LATER = "which it has nothing for"
LATER = {
    "AutoML": "for it has no Autopilot",
    "InferenceComponent": "for it has no inference components",
    "Lineage": "for it has no lineage",
    "Job": _LATER,
    "Athena": _LATER,
    "HubContent": _LATER,
}


class Elsewhere(Protocol):
    """A module that does steps of a type by another service than SageMaker."""

    SERVICE: str  # as boto3 has it
    READS: str  # the action that looks at one

    def check(self, step: str, arguments: dict[str, Any]) -> None: ...

    def begin(self, client: Any, name: str, execution: str, arguments: dict[str, Any]) -> dict[str, Any]: ...

    def describe(self, client: Any, arn: str) -> dict[str, Any]: ...

    def outcome(self, found: dict[str, Any]) -> str: ...

    def failure(self, found: dict[str, Any], arn: str) -> str: ...

    def stop(self, client: Any, record: dict[str, Any]) -> None: ...

    def leave(self, client: Any, record: dict[str, Any]) -> None: ...

    def metadata(self, record: dict[str, Any]) -> dict[str, Any]: ...


ELSEWHERE: dict[str, Elsewhere] = {"EMR": clusters, "EMRServerless": applications}


def name_for(kind: StepKind, step: str, execution: str, given: Any) -> str:
    """What a step's job, model or endpoint is called. given: the name in its arguments, or None."""
    end = "".join(secrets.choice(LETTERS) for _ in range(RANDOM))
    if kind.own_name and isinstance(given, str):
        return given
    if isinstance(given, str):  # a prefix of the user's own
        own = re.sub(r"[^A-Za-z0-9-]", "-", given)[:20].strip("-")
        return f"{own}-{execution}-{end}"[: 32 if kind.short < RANDOM else 63]
    start = f"{execution}-" if kind.short < RANDOM else f"pipelines-{execution}-"
    return f"{start}{step[: kind.short].strip('-')}-{end}"


def metadata(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """The Metadata of a step that has come to something, as ListPipelineExecutionSteps tells it."""
    if kind == "Fail":
        return {"Fail": {"ErrorMessage": record["Message"]}} if "Message" in record else {}
    if kind == "Condition":
        return {"Condition": {"Outcome": "True" if record["Outcome"] else "False"}} if "Outcome" in record else {}
    if kind == "Callback":
        return {"Callback": _callback(record)} if "Token" in record else {}
    if kind == "Cleanup":
        return {"Cleanup": record["Cleaned"]} if "Cleaned" in record else {}
    if kind == "ForEach":
        return {"ForEach": _loop(record)} if "Counts" in record else {}
    if "Check" in record:
        hidden = ("Output", "FailOnViolation")
        known = {name: value for name, value in record["Check"].items() if name not in hidden}
        return {kind: known | ({"CheckJobArn": record["Arn"]} if "Arn" in record else {})}
    if kind in ELSEWHERE:
        return {kind: ELSEWHERE[kind].metadata(record)} if "Arn" in record else {}
    if kind == "Lambda":
        return {"Lambda": _function(record)} if "Function" in record else {}
    return {KINDS[kind].metadata: {"Arn": record["Arn"]}} if "Arn" in record else {}


def _callback(record: dict[str, Any]) -> dict[str, Any]:
    return {"CallbackToken": record["Token"], "SqsQueueUrl": record["Queue"], "OutputParameters": _outputs(record)}


def _loop(record: dict[str, Any]) -> dict[str, Any]:
    picked = {"Selector": record["Selected by"]} if "Selected by" in record else {}
    return {"Status": record["Status"], **record["Counts"], **picked}


def _function(record: dict[str, Any]) -> dict[str, Any]:
    return {"Arn": record["Function"], "OutputParameters": _outputs(record)}


def _outputs(record: dict[str, Any]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": text(value)} for name, value in record.get("Outputs", {}).items()]


def placed(uri: str, path: str) -> str:
    """The object of a file below an output's place in S3."""
    return f"{uri.rstrip('/')}/{path.lstrip('/')}"


def files_of(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, place in S3) of the outputs of a processing job."""
    for output in described.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if "S3Output" in output:
            yield output["OutputName"], output["S3Output"]["S3Uri"]
