"""One execution of a monitoring schedule: its data is looked for, its processing jobs run, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.jobs.run import INTERRUPTED, JobRun, Report, Step, Stopped
from sagelab.cloud.engine.monitoring import jobs
from sagelab.cloud.engine.monitoring.jobs import Plan
from sagelab.cloud.errors import FAILURE_REASON_LIMIT, ServiceError

NO_DATA = "Job inputs had no data"
GOING = ("InProgress", "Stopping")
VIOLATIONS = "CompletedWithViolations"


class ExecutionRun(JobRun):
    """The life of one execution.

    name: of it, unique. plan: what it is to do; ServiceError: what it needs is not there. s3: a client with the
    rights of a role. create: makes a processing job of a request, and returns its ARN. describe: a
    processing job by its ARN.
    """

    def __init__(
        self,
        name: str,
        plan: Callable[[], Plan],
        s3: Callable[[str], Any],
        create: Callable[[dict[str, Any]], str],
        describe: Callable[[str], dict[str, Any]],
        report: Report,
    ) -> None:
        super().__init__(name, report)
        self._plan, self._s3, self._create, self._describe = plan, s3, create, describe
        self.awaited = ""  # ARN of the processing job that it waits for
        self.changed = threading.Event()  # of that
        self.outcome = Step("Completed")

    def halt(self, now: bool) -> None:  # noqa: ARG002 - an execution ends with its job
        self.changed.set()

    def end(self) -> Step | None:
        return super().end() if self.ending == INTERRUPTED else self.outcome

    def work(self) -> None:
        try:
            self.outcome = self._work()
        except ServiceError as error:
            self.outcome = _failed(error.message)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            self.outcome = _failed(str(error))

    def _work(self) -> Step:
        plan = self._plan()
        if plan.baselining:
            baseline = self._await(plan.baselining)
            if baseline["ProcessingJobStatus"] != "Completed":
                return _failed(f"The baselining job {baseline['ProcessingJobName']} has not completed.")
            plan = replace(plan, definition=jobs.with_baseline(plan, baseline))
        s3 = self._s3(plan.definition["RoleArn"])
        folders = jobs.found_folders(s3, plan, plan.captured)
        labels = jobs.found_labels(s3, plan) if plan.type.merges and folders else []
        if not folders or (plan.type.merges and not labels):
            return _failed(NO_DATA)
        if plan.type.merges:
            merged = self._run(jobs.merging(plan, folders, labels))
            if merged["ProcessingJobStatus"] != "Completed":
                return _outcome(merged)
            folders = jobs.found_folders(s3, plan, plan.merged)
        return _outcome(self._run(jobs.analysis(plan, folders)))

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a processing job; its description at its end. Stopped: the local cloud ends."""
        self.go_on()
        arn = self._create(request)
        self.report(Step("InProgress", facts={"ProcessingJobArn": arn}))
        return self._await(arn)

    def _await(self, arn: str) -> dict[str, Any]:
        """A processing job at its end. Stopped: the local cloud ends."""
        self.awaited = arn
        while True:
            self.changed.clear()
            found = self._describe(arn)
            if found["ProcessingJobStatus"] not in GOING:
                return found
            if self.ending == INTERRUPTED:
                raise Stopped
            self.changed.wait()


def _outcome(job: dict[str, Any]) -> Step:
    """How an execution ends whose job has ended."""
    status, message = job["ProcessingJobStatus"], job.get("ExitMessage", "")
    if status == "Completed" and message.startswith(VIOLATIONS):
        return Step(VIOLATIONS)
    if status == "Failed":
        return _failed(str(job.get("FailureReason", "")))
    return Step(status)


def _failed(reason: str) -> Step:
    return Step("Failed", reason[:FAILURE_REASON_LIMIT])
