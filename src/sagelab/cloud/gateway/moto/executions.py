"""One execution in moto's interpreter: begun, ended once, and told of."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from sagelab.cloud.gateway.moto.state_machines import StateMachines
from sagelab.cloud.gateway.moto.state_tasks import FULL
from sagelab.cloud.store import Document


def read(definition: str) -> None:
    """Any exception: the interpreter cannot read a definition."""
    AmazonStateLanguageParser.parse(definition)


class Run(Execution):  # type: ignore[misc]
    """The execution of a row of the store."""

    def __init__(self, row: Document) -> None:
        _, _, _, region, account, *_ = row["executionArn"].split(":")
        machine = SimpleNamespace(
            arn=row["stateMachineArn"],
            name=row["stateMachineArn"].rpartition(":")[2],
            definition=row["definition"],
            sm_type="STANDARD",
        )
        super().__init__(
            name=row["name"],
            sm_type="STANDARD",
            role_arn=row["roleArn"],
            exec_arn=row["executionArn"],
            account_id=account,
            region_name=region,
            state_machine=machine,
            start_date=row["startDate"],
            cloud_watch_logging_session=None,
            activity_store={},
            input_data=row["input"],
        )

    @property
    def env(self) -> Any:
        """The interpreter's; None before it has begun."""
        return self.exec_worker.env if self.exec_worker else None

    @property
    def events(self) -> list[Any]:
        return list(self.env.event_manager._history_event_list) if self.env else []

    def start(self) -> None:
        self.exec_worker = self._get_start_execution_worker()
        threading.Thread(target=self._work, name=self.exec_arn, daemon=True).start()

    def stop_with(self, error: str | None, cause: str | None) -> Document | None:
        """End it now; its row, or None where it has ended meanwhile."""
        if self.env is not None:
            self.env.set_stop(stop_date=datetime.now(UTC), cause=cause, error=error)
        about = {name: value for name, value in (("error", error), ("cause", cause)) if value}
        events = self._ending("ExecutionAborted", executionAbortedEventDetails=about)
        return StateMachines.current.end(self.exec_arn, "ABORTED", events, error=error, cause=cause)

    def _work(self) -> None:
        try:
            self.exec_worker._execution_logic()
        except Exception as error:
            self.exec_status, self.error, self.cause = (
                "FAILED",
                "States.Runtime",
                f"{type(error).__name__}({error})",
            )
        events, status = self.events, str(getattr(self.exec_status, "value", self.exec_status))
        if status == "TIMED_OUT":
            events = self._ending("ExecutionTimedOut", executionTimedOutEventDetails={})
        elif self.env is not None and getattr(self.env.event_manager, "full", False):
            self.error, self.cause = "States.Runtime", FULL
        output = to_json_str(self.output, separators=(",", ":")) if status == "SUCCEEDED" else None
        facts = {"output": output, "error": self.error, "cause": self.cause}
        StateMachines.current.end(self.exec_arn, status, events, **facts)

    def _ending(self, kind: str, **details: Any) -> list[Any]:
        """The events so far, and the last one where the interpreter has not told it yet."""
        events = self.events
        if events and events[-1]["type"] == kind:
            return events
        last = {"id": len(events) + 1, "previousEventId": len(events), "type": kind}
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return [*events, last | {"timestamp": time} | details]


def answer(operation: str, params: dict[str, Any], runs: list[Run]) -> None:
    """Hand an answer to the task that waits for it. JsonRESTError: none does."""
    waiting = SimpleNamespace(_get_executions=lambda *_: [run for run in runs if run.env is not None])
    backend, token = StepFunctionsParserBackend, params["taskToken"]
    if operation == "SendTaskSuccess":
        backend.send_task_success(waiting, token, params["output"])
    elif operation == "SendTaskFailure":
        backend.send_task_failure(waiting, token, params["error"], params["cause"])
    else:
        backend.send_task_heartbeat(waiting, token)
