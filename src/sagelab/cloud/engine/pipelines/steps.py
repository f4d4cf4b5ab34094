"""What the steps of an execution do, one at a time: their requests sent, their ends read.

Each is sent with the rights of the pipeline's role. A step's record is a plain document, which is kept after each
change, so that an execution goes on from it when the local cloud is started again.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import botocore.exceptions
from botocore import xform_name

from sagelab.cloud.engine.jobs.run import INTERRUPTED
from sagelab.cloud.engine.pipelines import (
    caching,
    cleanup,
    conditions,
    functions,
    kinds,
    loops,
    quality_checks,
    retries,
)
from sagelab.cloud.engine.pipelines.definition import StepSpec
from sagelab.cloud.engine.pipelines.expressions import BadExpression, evaluate
from sagelab.cloud.engine.pipelines.kinds import ELSEWHERE, KINDS, LETTERS
from sagelab.cloud.engine.pipelines.values import Clients, Plan, Record, Values, describe
from sagelab.cloud.errors import FAILURE_REASON_LIMIT

THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException")
TOKEN = 10  # letters and digits of a callback's token
PROGRAMS = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)


class Failed(Exception):
    """A step cannot go on. kind: the type of exception that a retry policy names; "": it is not tried again."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason[:FAILURE_REASON_LIMIT])
        self.kind = kind


class Keeper(Protocol):
    """What keeps the records, hears of jobs, and knows earlier results."""

    def keep(self, records: dict[str, Record]) -> None: ...

    def watch(self, arn: str) -> None:
        """Tell the run of every change of a resource from now on."""

    def find(self, step: str, key: str, seconds: int | None) -> Record | None:
        """{"Arn", "Execution"} of the newest result of a step with this key, no older than so many seconds."""

    def remember(self, step: str, key: str, record: Record) -> None:
        """A step has succeeded."""


@dataclass
class Steps:
    """The steps of one execution."""

    plan: Plan
    records: dict[str, Record]
    clients: Clients
    keeper: Keeper
    answer: Callable[[str, dict[str, Any] | None, str], None]  # token, outputs, reason: PipelineRun.answer

    def __post_init__(self) -> None:
        self.values = Values(self.plan, self.records, self.clients)

    def start(self, spec: StepSpec) -> bool:
        """Begin a step; whether it is at its end already. Failed: it is, with that."""
        record = self.records[spec.name]
        try:
            if spec.type == "Condition":
                record["Outcome"] = conditions.hold(spec.arguments["Conditions"], self.values)
                return True
            if spec.type == "ForEach":
                record["Items"] = loops.items_of(spec.name, evaluate(spec.arguments["IterableItems"], self.values))
                self.plan.unrolled.update(loops.unroll(spec, record["Items"]))
                record["Status"] = "Executing"
                return False
            arguments = evaluate(spec.arguments, self.values)
            if spec.type == "Fail":
                record["Message"] = str(arguments.get("ErrorMessage", ""))
                raise Failed(record["Message"])
            if spec.type == "Callback":
                self._call_back(spec, record, arguments)
                return False
            if spec.type == "Cleanup":
                return self._clean(spec, record, arguments)
            if spec.type in quality_checks.BASELINES:
                check = evaluate(spec.check, self.values)
                arguments, record["Check"] = quality_checks.begin(check, arguments, self.clients("sagemaker"))
            if spec.type == "Lambda":
                return self._call_function(spec, record, arguments)
            if spec.type in ELSEWHERE:
                return self._begin_elsewhere(spec, record, arguments)
        except BadExpression as error:
            raise Failed(f"ClientError: {error}") from None
        except PROGRAMS as error:
            raise _failure(error, f"{spec.type} step") from None
        return self._cached(spec, record, arguments) or self._create(spec, record, arguments)

    def look(self, spec: StepSpec) -> bool:
        """Whether a step's job has succeeded; False: it goes on. Failed: it has failed, or was stopped."""
        record = self.records[spec.name]
        if spec.type in ELSEWHERE:
            return self._look_elsewhere(spec, record)
        row = KINDS[spec.type]
        if not row.status:
            return True
        try:
            found = describe(self.clients, spec.type, record["Arn"])
        except PROGRAMS as error:
            raise _failure(error, f"sagemaker:Describe{row.stem}") from None
        status = found[row.status]
        if status in row.going:
            return False
        if status == row.good:
            if "Check" in record and (reason := quality_checks.judge(record["Check"], found)):
                raise Failed(reason)
            if record.get("Key"):
                self.keeper.remember(spec.name, record["Key"], record)
            return True
        if status == "Stopped":
            record["Stopped"] = True
            raise Failed(f"ClientError: the {row.metadata} {record['Arn']} was stopped.")
        raise _of_job(str(found.get("FailureReason", f"{row.metadata} {record['Arn']} is {status}.")))

    def find(self, spec: StepSpec) -> bool:
        """Whether what a step was about to create, or had created, is there."""
        record = self.records[spec.name]
        if spec.type in ELSEWHERE:
            return "Arn" in record
        if spec.type not in KINDS or not (record.get("Arn") or record.get("JobName")):
            return False
        try:
            found = describe(self.clients, spec.type, record.get("Arn") or record["JobName"])
        except PROGRAMS:
            return False
        record["Arn"] = next(found[name] for name in _arn_members(spec.type) if name in found)
        return INTERRUPTED not in str(found.get("FailureReason", ""))

    def stop(self, spec: StepSpec) -> None:
        """Ask a step to stop; what cannot be stopped is waited for."""
        record = self.records[spec.name]
        try:
            if spec.type == "Callback":
                self._send(spec, record, status="Stopping")
            elif spec.type in ELSEWHERE and "Arn" in record:
                ELSEWHERE[spec.type].stop(self.clients(ELSEWHERE[spec.type].SERVICE), record)
            elif spec.type in KINDS and KINDS[spec.type].stops and KINDS[spec.type].status and "Arn" in record:
                row, name = KINDS[spec.type], record["Arn"].rpartition("/")[2]
                getattr(self.clients("sagemaker"), xform_name(f"Stop{row.stem}"))(**{row.name: name})
        except PROGRAMS:
            return  # it has ended by itself meanwhile

    def _clean(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> bool:
        """Delete what earlier steps wrote. Failed: of one it could not be; the others are cleaned up after."""
        cleaned, failed = [], []
        for one in cleanup.sources(spec.name, arguments):
            try:
                described = self.values.properties(one["StepName"])
                cleanup.clean(self.clients("s3"), one["StepName"], one.get("S3Uris"), described)
                cleaned.append(one["StepName"])
            except BadExpression as error:
                failed.append(
                    {"StepName": one["StepName"], "ErrorCode": "ClientError", "ErrorMessage": str(error)}
                )
        record["Cleaned"] = {"CleanedSteps": cleaned, "FailedSteps": failed, "SkippedSteps": []}
        if failed:
            raise Failed(f"ClientError: {failed[0]['ErrorMessage']}")
        return True

    def _cached(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> bool:
        key = record["Key"] = caching.key_of(spec.type, arguments)
        found = self.keeper.find(spec.name, key, spec.cache.seconds) if spec.cache and key else None
        if not found:
            return False
        if spec.type == "Lambda":
            record |= {"Outputs": found["Outputs"], "CacheHit": found["Execution"]}
            return True
        try:
            describe(self.clients, spec.type, found["Arn"])
        except PROGRAMS:
            return False  # what it made was deleted
        record |= {"Arn": found["Arn"], "CacheHit": found["Execution"]}
        return True

    def _create(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> bool:
        row, request = KINDS[spec.type], dict(arguments)
        if spec.type == "RegisterModel":
            self._make_group(request)
        else:
            request[row.name] = record["JobName"] = kinds.name_for(
                row, spec.name, self.plan.id, arguments.get(row.name)
            )
            self.keeper.keep(self.records)
        answer = self._ask(f"Create{row.stem}", request)
        record["Arn"] = next(answer[name] for name in _arn_members(spec.type) if name in answer)
        record["Status"] = "Executing"
        if not row.status:
            return True
        self.keeper.watch(record["Arn"])
        self.keeper.keep(self.records)
        return self.look(spec)

    def _make_group(self, request: dict[str, Any]) -> None:
        """The group of a version is made with it, where it is not there."""
        group = request.get("ModelPackageGroupName")
        if not isinstance(group, str):
            return
        client = self.clients("sagemaker")
        try:
            client.describe_model_package_group(ModelPackageGroupName=group)
        except PROGRAMS as error:
            if "does not exist" in str(error):
                self._ask("CreateModelPackageGroup", {"ModelPackageGroupName": group})

    def _ask(self, operation: str, params: dict[str, Any]) -> Any:
        try:
            return getattr(self.clients("sagemaker"), xform_name(operation))(**params)
        except PROGRAMS as error:
            raise _failure(error, f"sagemaker:{operation}") from None
        except TypeError as error:
            raise Failed(f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error}") from None

    def _begin_elsewhere(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> bool:
        """Begin a step of another service; whether an earlier one with the same arguments counts."""
        if self._cached(spec, record, arguments):
            return True
        other = ELSEWHERE[spec.type]
        record |= other.begin(self.clients(other.SERVICE), spec.name, self.plan.id, arguments)
        record["Status"] = "Executing"
        self.keeper.watch(record["Arn"])
        self.keeper.keep(self.records)
        return self._look_elsewhere(spec, record)

    def _look_elsewhere(self, spec: StepSpec, record: Record) -> bool:
        other = ELSEWHERE[spec.type]
        try:
            found = describe(self.clients, spec.type, record["Arn"])
        except PROGRAMS as error:
            raise _failure(error, other.READS) from None
        outcome = other.outcome(found)
        if not outcome:
            return False
        other.leave(self.clients(other.SERVICE), record)
        if outcome == "good":
            if record.get("Key"):
                self.keeper.remember(spec.name, record["Key"], record)
            return True
        record["Stopped"] = outcome == "stopped"
        raise Failed(other.failure(found, record["Arn"]))

    def _call_back(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> None:
        record["Token"] = "".join(secrets.choice(LETTERS) for _ in range(TOKEN))
        record |= {
            "Queue": str(evaluate(spec.queue, self.values)),
            "Sent": json.dumps(arguments),
            "Status": "Executing",
        }
        self.keeper.keep(self.records)
        self._send(spec, record)

    def _call_function(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> bool:
        """Begin a call, which ends like a callback; whether an earlier one with the same arguments counts."""
        record["Function"] = str(evaluate(spec.function, self.values))
        if self._cached(spec, record, {"Function": record["Function"], "Arguments": arguments}):
            return True
        record["Token"], record["Status"] = "".join(secrets.choice(LETTERS) for _ in range(TOKEN)), "Executing"
        self.keeper.keep(self.records)
        asked = (spec, dict(record), arguments)
        threading.Thread(target=self._await_function, args=asked, daemon=True, name=f"step {spec.name}").start()
        return False

    def _await_function(self, spec: StepSpec, record: Record, arguments: dict[str, Any]) -> None:
        arn, token = record["Function"], record["Token"]
        try:
            outputs = functions.call(self.clients("lambda"), arn, arguments, spec.outputs)
        except functions.CallFailed as error:
            self.answer(token, None, str(error))
        except Exception as error:
            self.answer(token, None, f"InternalServerError: {error}")
        else:
            if spec.cache:
                self.keeper.remember(spec.name, record["Key"], {"Arn": arn, "Outputs": outputs})
            self.answer(token, outputs, "")

    def _send(self, spec: StepSpec, record: Record, **status: str) -> None:
        body = {
            "token": record["Token"],
            "pipelineExecutionArn": self.plan.arn,
            "stepName": spec.name,
            "arguments": json.loads(record["Sent"]),
        }
        self.clients("sqs").send_message(QueueUrl=record["Queue"], MessageBody=json.dumps(body | status))


def _arn_members(kind: str) -> tuple[str, ...]:
    return (f"{KINDS[kind].name.removesuffix('Name')}Arn",)


def _failure(error: Exception, what: str) -> Failed:
    """AWS's words for a call of a step that was refused."""
    said = getattr(error, "response", {})
    code, message = said.get("Error", {}).get("Code", ""), said.get("Error", {}).get("Message", str(error))
    kind = ""
    if code in THROTTLED:
        kind = retries.THROTTLING
    elif said.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        kind = retries.FAULT
    elif code == "ResourceLimitExceeded":
        kind = retries.LIMIT
    return Failed(f"ClientError: Failed to invoke {what}. Error Details: {message}", kind)


def _of_job(reason: str) -> Failed:
    kind = ""
    if reason.startswith("InternalServerError"):
        kind = retries.INTERNAL
    elif reason.startswith("CapacityError"):
        kind = retries.CAPACITY
    return Failed(reason, kind)
