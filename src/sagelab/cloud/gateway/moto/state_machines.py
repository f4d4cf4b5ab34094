"""Executions of state machines: rows of the store, run by moto's interpreter with the machine's role.

An execution (executions.py) is a row before its caller hears of it. One that ran when the local cloud ended is
FAILED at the next start, with that cause. Each function here is given the arguments of a method of moto's, by
name (checks.py).
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult

from sagelab.cloud.context import STATES
from sagelab.cloud.errors import NotImplementedHere, is_unwritable, storage_unavailable
from sagelab.cloud.gateway.moto.definitions import diagnose
from sagelab.cloud.gateway.moto.deliveries import Answered
from sagelab.cloud.resources import listing
from sagelab.cloud.store import Document, Exists, Missing, Query, Resource

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Asked = dict[str, Any]

KIND, HISTORIES = "state-machine-execution", "state-machine-history"
RUNNING = "RUNNING"
EVENTS, HISTORY = 25_000, 64 << 20  # of one execution: events, as on AWS, and characters in them
INPUT = 256 * 1024  # bytes
MOST = 200  # executions at a time
INTERRUPTED = "The local cloud ended while the execution ran."

_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)
_EXPRESS = "An express workflow is not something the local cloud can do. Make a state machine of type STANDARD."
_LOGS = "A log of executions is not something the local cloud can write: leave loggingConfiguration out."


class StateMachines:
    """What runs of state machines in one local cloud. tell: puts an event on the default bus of a region."""

    current: ClassVar[StateMachines]

    def __init__(self, cloud: Cloud, tell: Callable[[Document, str], None]) -> None:
        self._cloud, self.store, self._tell = cloud, cloud.store, tell
        self.runs: dict[str, Any] = {}
        self._lock, self._closed = threading.Lock(), False
        for arn, _ in self.store.with_status(KIND, RUNNING):
            self.end(arn, "FAILED", [], error="States.Runtime", cause=INTERRUPTED)
        StateMachines.current = self

    def close(self) -> None:
        """The local cloud ends: what becomes of an execution now is what the next start says of it."""
        self._closed = True

    def client(self, role: str, service: str, region: str) -> Any:
        """A client for a task. botocore's ClientError: Step Functions may not take on the role."""
        return self._cloud.client_as(role, service, region, by=STATES)

    def start(self, row: Document) -> Document:
        """Keep an execution and run it; the one that is there, where it is the same. JsonRESTError: it is not."""
        from sagelab.cloud.gateway.moto.executions import Run

        arn, region = row["executionArn"], row["executionArn"].split(":")[3]
        with self._lock:
            if len(self.runs) >= MOST:
                words = "The maximum number of running executions has been reached."
                raise JsonRESTError("ExecutionLimitExceeded", words)
            try:
                self.store.add(Resource(arn, KIND, region, _row_name(row), RUNNING, row))
            except Exists:
                return self._again(row)
            except Exception as error:
                raise (storage_unavailable(error) if is_unwritable(error) else error) from None
            run = self.runs[arn] = Run(row)
        self._announce(row)
        run.start()
        return row

    def end(self, arn: str, status: str, events: list[Any], **facts: Any) -> Document | None:
        """An execution has come to its end; None where it had before."""
        ended = False
        if self._closed:
            return None

        def edit(row: Document) -> str | None:
            nonlocal ended
            if ended := row["status"] == RUNNING:
                row |= {name: value for name, value in facts.items() if value is not None}
                row |= {"status": status, "stopDate": datetime.now(UTC)}
            return str(row["status"])

        try:
            row = self.store.change(arn, edit)
        except Missing:
            return None
        with self._lock:
            self.runs.pop(arn, None)
        if not ended:
            return None
        self._keep_history(arn, events)
        self._announce(row)
        return row

    def find(self, arn: str) -> Document:
        """JsonRESTError: there is no such execution."""
        try:
            row = self.store.get(arn)
        except Missing:
            row = {}
        if "executionArn" not in row:
            raise JsonRESTError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return row

    def history(self, arn: str) -> list[Any]:
        """The events of an execution so far."""
        if (run := self.runs.get(arn)) is not None:
            return list(run.events)
        try:
            text = zlib.decompress(base64.b64decode(self.store.get(f"{arn}#history")["Events"]))
        except Missing:
            return []
        return list(json.loads(text))

    def _keep_history(self, arn: str, events: list[Any]) -> None:
        packed = base64.b64encode(zlib.compress(json.dumps(events, default=str).encode())).decode()
        key = f"{arn}#history"
        self.store.add(Resource(key, HISTORIES, arn.split(":")[3], key, "", {"Events": packed}))

    def _again(self, row: Document) -> Document:
        before = self.find(row["executionArn"])
        if before["status"] == RUNNING and before["input"] == row["input"]:
            return before
        raise JsonRESTError("ExecutionAlreadyExists", f"Execution Already Exists: '{row['executionArn']}'")

    def _announce(self, row: Document) -> None:
        """https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html"""
        arn = row["executionArn"]
        names = ("executionArn", "stateMachineArn", "name", "status", "input", "output", "error", "cause")
        detail: Document = {name: row.get(name) for name in names}
        for name in ("startDate", "stopDate"):
            detail[name] = round(row[name].timestamp() * 1000) if name in row else None
        event: Document = {"detail-type": "Step Functions Execution Status Change", "source": "aws.states"}
        event |= {"account": arn.split(":")[4], "region": arn.split(":")[3], "resources": [arn]}
        event["time"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._tell(event | {"detail": detail}, arn.split(":")[3])


def check_definition(asked: Asked) -> None:
    """A definition that can be run, in the words of Step Functions where it cannot."""
    if asked.get("sm_type") == "EXPRESS":
        raise NotImplementedHere(_EXPRESS)
    logging = asked.get("loggingConfiguration") or asked.get("logging_configuration") or {}
    if logging.get("level", "OFF") != "OFF":
        raise NotImplementedHere(_LOGS)
    if (text := asked.get("definition")) is None:
        return
    if not isinstance(text, str):  # of a stack, an object
        text = asked["definition"] = json.dumps(text)
    found = ", ".join(str(one) for one in diagnose(text)) or _unread(text)
    if found:
        raise JsonRESTError("InvalidDefinition", f"Invalid State Machine Definition: '{found}'")


def _unread(text: str) -> str:
    """Why the interpreter cannot read a definition; "" where it can."""
    from sagelab.cloud.gateway.moto.executions import read

    try:
        read(text)
    except Exception as error:  # each of its parts raises another
        return f"SCHEMA_VALIDATION_FAILED: {str(error)[:500] or type(error).__name__} at /"
    return ""


def start(asked: Asked) -> None:
    """StartExecution."""
    request = asked["self"]
    machine = request.stepfunction_backend.describe_state_machine(request._get_param("stateMachineArn"))
    name, text = request._get_param("name") or str(uuid.uuid4()), request._get_param("input", if_none="{}")
    if not _NAME.fullmatch(name):
        raise JsonRESTError("InvalidName", f"Invalid Name: '{name[:100]}'")
    if len(text.encode()) > INPUT:
        words = (
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length"
        )
        raise JsonRESTError("ValidationException", f"{words} less than or equal to {INPUT}")
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        words = f"Invalid State Machine Execution Input: '{error}'"
        raise JsonRESTError("InvalidExecutionInput", words) from None
    own = getattr(machine, "source_arn", machine.arn)
    row = {
        "executionArn": f"{own.replace(':stateMachine:', ':execution:')}:{name}",
        "stateMachineArn": own,
        "name": name,
        "status": RUNNING,
        "startDate": datetime.now(UTC),
        "input": text,
        "definition": machine.definition,
        "roleArn": machine.roleArn,
    }
    row = StateMachines.current.start(row)
    raise Answered(ActionResult({name: row[name] for name in ("executionArn", "startDate")}))


def stop(asked: Asked) -> None:
    """StopExecution: it is over at once, and what it waits for is told to end."""
    request, machines = asked["self"], StateMachines.current
    arn = request._get_param("executionArn")
    row, run = machines.find(arn), machines.runs.get(arn)
    if row["status"] == RUNNING and run is not None:
        row = run.stop_with(request._get_param("error"), request._get_param("cause")) or machines.find(arn)
    raise Answered(ActionResult({"stopDate": row["stopDate"]}))


def describe(asked: Asked) -> None:
    """DescribeExecution."""
    row = StateMachines.current.find(asked["self"]._get_param("executionArn"))
    told = {name: value for name, value in row.items() if name not in ("definition", "roleArn")}
    details = {f"{name}Details": {"included": True} for name in ("input", "output") if name in told}
    raise Answered(ActionResult(told | details | {"redriveCount": 0}))


def describe_machine(asked: Asked) -> None:
    """DescribeStateMachineForExecution: as it was when the execution was started."""
    row = StateMachines.current.find(asked["self"]._get_param("executionArn"))
    told = {name: row[name] for name in ("stateMachineArn", "definition", "roleArn")}
    told |= {"name": row["stateMachineArn"].rpartition(":")[2], "updateDate": row["startDate"]}
    raise Answered(ActionResult(told))


def list_executions(asked: Asked) -> None:
    """ListExecutions, the newest first."""
    request = asked["self"]
    machine = request.stepfunction_backend.describe_state_machine(request._get_param("stateMachineArn"))
    start = listing.read_token(request._get_param("nextToken"))
    limit = min(max(request._get_int_param("maxResults") or 100, 1), 1000)
    status = request._get_param("statusFilter")
    query = Query(KIND, request.region, name_prefix=f"{machine.arn}:", status=status, limit=limit, start=start)
    rows, more = StateMachines.current.store.page(query)
    names = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate")
    found = [{name: row[name] for name in names if name in row} for row in rows]
    raise Answered(ActionResult({"executions": found, "nextToken": listing.write_token(more)}))


def list_history(asked: Asked) -> None:
    """GetExecutionHistory."""
    request, machines = asked["self"], StateMachines.current
    arn = request._get_param("executionArn")
    machines.find(arn)
    events = machines.history(arn)
    if request._get_bool_param("reverseOrder"):
        events.reverse()
    token = listing.read_token(request._get_param("nextToken"))
    start = token[0] if token and isinstance(token[0], int) else 0
    end = start + min(max(request._get_int_param("maxResults") or 100, 1), 1000)
    more = listing.write_token((end, arn) if len(events) > end else None)
    raise Answered(ActionResult({"events": events[start:end], "nextToken": more}))


def answer_task(asked: Asked) -> None:
    """SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat."""
    from sagelab.cloud.gateway.moto import executions

    request = asked["self"]
    params = {name: request._get_param(name) for name in ("taskToken", "output", "error", "cause")}
    executions.answer(request._get_action(), params, list(StateMachines.current.runs.values()))
    raise Answered(ActionResult({}))


def _row_name(row: Document) -> str:
    return f"{row['stateMachineArn']}:{row['name']}"
