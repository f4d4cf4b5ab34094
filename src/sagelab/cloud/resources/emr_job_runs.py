"""EMR Serverless: job runs, started, looked at, cancelled, tried again.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartJobRun.html
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from sagelab.cloud.context import SERVERLESS, Cloud
from sagelab.cloud.engine.emr_serverless.run import CANCELLED, ENDED, Order, ServerlessRun, shorten
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.errors import JobError, ServiceError, ValidationException
from sagelab.cloud.resources import emr_application_rules as rules
from sagelab.cloud.resources import emr_run_orders as orders
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.emr_applications import Applications, missing, new_id, page, remember
from sagelab.cloud.resources.records import OWN, told
from sagelab.cloud.store import Document, Missing, Resource

KIND = "emr-serverless-job-run"
GOES_ON = ("SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING")
OVER = ("SUCCESS", "FAILED", "CANCELLED")
MOST_WAITING = 200  # runs of an application that are not over
SUMMARY = (
    *("applicationId", "name", "mode", "arn", "createdBy", "createdAt", "updatedAt", "executionRole", "state"),
    *("stateDetails", "releaseLabel", "attempt", "attemptCreatedAt", "attemptUpdatedAt", "flexExecution"),
)
FACTS = ("totalResourceUtilization", "billedResourceUtilization", "totalExecutionDurationSeconds")
HOUR, FAILURES = 3600, 5  # of a stream: failed attempts in an hour, where nothing is said
NO_PAGE = (
    "The local cloud shows a job run by its event log, which it keeps where the run's logs go in S3: this run has"
    " no logUri in s3MonitoringConfiguration."
)
CROSS = "Cross-account pass role is not allowed."
TOO_MANY = "The local cloud keeps {} job runs of an application that are not over; wait for one, or cancel it."


class JobRuns(Family):
    """The job runs of all applications of one local cloud."""

    service = "emr-serverless"
    needs = (Applications,)

    def __init__(self, cloud: Cloud, applications: Applications) -> None:
        super().__init__(cloud)
        self._applications, self._closed = applications, False
        self._runs: dict[str, ServerlessRun] = {}
        for arn, found in self.store.with_status(KIND, *GOES_ON):
            cancelled = found["state"] == "CANCELLING"
            step = Step("CANCELLED", CANCELLED) if cancelled else Step("FAILED", ENDED)
            self.store.change(arn, partial(_edit, step=step))

    @operation("StartJobRun")
    def start(self, call: Call) -> Params:
        application, params = self._applications.find(call), call.params
        if params["executionRoleArn"].split(":")[4] != call.account:
            raise Beside("AccessDeniedException", CROSS, 403)
        rules.check_run(params, application["releaseLabel"])
        rules.request(application, params)
        key = new_id()
        arn = f"{application['arn']}/jobruns/{key}"
        with self._applications.lock:
            if self._applications.places.count(application["arn"]) >= MOST_WAITING:
                raise ValidationException(TOO_MANY.format(MOST_WAITING))
            self._applications.take(application["arn"])
            found = orders.document(call, application, key)
            order = self._order(found, application)
            if first := remember(self, call, f"{application['arn']}/tokens", arn):
                return _started(self.store.get(first))
            self.store.add(Resource(arn, KIND, call.region, key, "SUBMITTED", found), params.get("tags") or {})
            self._begin(arn, order)
        return _started(found)

    def _order(self, found: Document, application: Document) -> Order:
        """ValidationException: its network is gone."""
        region = found["arn"].split(":")[3]
        context = self.cloud.engine_context(region, SERVERLESS)
        takes = partial(self._applications.takes, application["arn"])
        try:
            return orders.order(found, application, context, self._applications.places, takes)
        except JobError as error:
            raise ValidationException(str(error)) from None

    def _begin(self, arn: str, order: Order) -> None:
        """Start an attempt of a run that is kept. Under the applications' lock."""
        run = ServerlessRun(order, partial(self._report, arn))
        self._applications.places.enter(order.place)
        self._runs[arn] = run
        if self._closed:
            run.interrupt()
        run.start()

    def _report(self, arn: str, step: Step) -> None:
        """An attempt has come to a state."""
        step = replace(step, status="FAILED") if step.status == "Failed" else step
        with suppress(Missing), self._applications.lock:
            found = self.store.get(arn)
            if step.status == "FAILED" and step.message != ENDED and not self._closed and may_again(found):
                step = self._try_again(arn, step)
            self.store.change(arn, partial(_edit, step=step))
            if step.status in OVER:
                self._runs.pop(arn, None)
        if step.status in OVER:
            self._applications.rest(arn.rpartition("/jobruns/")[0])

    def _try_again(self, arn: str, step: Step) -> Step:
        """Begin the attempt after one that has failed; what the run has come to."""
        found = self.store.change(arn, partial(_next_attempt, step=step))
        try:
            self._begin(arn, self._order(found, self.store.get(arn.rpartition("/jobruns/")[0])))
        except ServiceError as error:  # what it needs is gone meanwhile
            return Step("FAILED", error.message)
        return Step("PENDING")

    @operation("GetJobRun")
    def get(self, call: Call) -> Params:
        found, attempt = self._find(call), call.params.get("attempt")
        if attempt and attempt != found["attempt"]:
            found = found | self._attempt(found, attempt)
        tags = {"tags": self.store.tags(found["arn"])}
        duration = {}
        if found["state"] in ("RUNNING", "CANCELLING") and "startedAt" in found:
            seconds = (datetime.now(UTC) - found["startedAt"]).total_seconds()
            duration = {"totalExecutionDurationSeconds": int(seconds)}
        return {"jobRun": told(found) | tags | duration}

    def _attempt(self, found: Document, number: int) -> Document:
        """ResourceNotFoundException: there was no such attempt."""
        for one in found[OWN]["Attempts"]:
            if one["attempt"] == number:
                return dict(one)
        raise missing("Attempt", str(number))

    @operation("ListJobRuns")
    def list_all(self, call: Call) -> Params:
        params, application = call.params, self._applications.find(call)
        states, mode = params.get("states"), params.get("mode")
        rows = [
            _row(one)
            for one in self.store.documents(KIND, call.region)
            if one["applicationId"] == application["applicationId"]
            and (not states or one["state"] in states)
            and mode in (None, one["mode"])
            and params.get("createdAtAfter", one["createdAt"]) <= one["createdAt"]
            and one["createdAt"] <= params.get("createdAtBefore", one["createdAt"])
        ]
        return page(call, "jobRuns", rows)

    @operation("ListJobRunAttempts")
    def attempts(self, call: Call) -> Params:
        found = self._find(call)
        tries = [*found[OWN]["Attempts"], found]
        rows = []
        for one in tries[::-1]:
            row = _row(found | one) | {"jobCreatedAt": found["createdAt"]}
            rows.append(row | {"createdAt": row.pop("attemptCreatedAt"), "updatedAt": row.pop("attemptUpdatedAt")})
        return page(call, "jobRunAttempts", rows)

    @operation("CancelJobRun")
    def cancel(self, call: Call) -> Params:
        """Of one that is over, nothing."""
        arn = self._find(call)["arn"]
        grace = min(call.params.get("shutdownGracePeriodInSeconds") or ServerlessRun.grace, 3600)
        with self._applications.lock:
            if self.store.get(arn)["state"] not in OVER:
                self.store.change(arn, partial(_edit, step=Step("CANCELLING")))
            run = self._runs.get(arn)
        if run is not None:
            run.grace = grace
            run.stop()
        return {name: call.params[name] for name in ("applicationId", "jobRunId")}

    @operation("GetDashboardForJobRun")
    def dashboard(self, call: Call) -> Params:
        """The console's page of its Spark application: who has not logged in to the console sees nothing there."""
        found = self._find(call)
        monitoring = (found.get("configurationOverrides") or {}).get("monitoringConfiguration") or {}
        uri = (monitoring.get("s3MonitoringConfiguration") or {}).get("logUri")
        if not uri:
            raise ValidationException(NO_PAGE)
        place = f"{uri.rstrip('/')}/applications/{found['applicationId']}/jobs/{found['jobRunId']}/"
        return {"url": self.cloud.console(f"spark?{urlencode({'place': place})}")}

    def _find(self, call: Call) -> Document:
        """Beside: there is no such run."""
        application, key = self._applications.find(call), call.params["jobRunId"]
        try:
            return self.store.get(f"{application['arn']}/jobruns/{key}")
        except Missing:
            raise missing("JobRun", key) from None

    def close(self) -> None:
        with self._applications.lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()


def _edit(found: Document, step: Step) -> str:
    """A run has come to a state; once it is cancelled, or over, to no other than its end."""
    now, state = datetime.now(UTC), str(found["state"])
    if state in OVER or (state == "CANCELLING" and step.status not in OVER):
        return state
    found |= {name: value for name, value in step.facts.items() if name in FACTS}
    found |= {
        "state": step.status,
        "stateDetails": shorten(step.message),
        "updatedAt": now,
        "attemptUpdatedAt": now,
    }
    if step.status == "SCHEDULED":
        waited = (now - found["attemptCreatedAt"]).total_seconds()
        found["queuedDurationMilliseconds"] = found.get("queuedDurationMilliseconds", 0) + round(waited * 1000)
    if step.status == "RUNNING":
        found["startedAt"] = now
    if step.status in OVER:
        found["endedAt"] = now
    return step.status


def may_again(found: Document) -> bool:
    """Whether an attempt that fails is followed by another, by the retry policy."""
    policy = found.get("retryPolicy") or {}
    if found["mode"] == "BATCH":
        return bool(found["attempt"] < policy.get("maxAttempts", 1)) and found["state"] not in OVER
    limit, since = policy.get("maxFailedAttemptsPerHour", FAILURES), time.time() - HOUR
    recent = [one for one in found[OWN]["Attempts"] if one["attemptUpdatedAt"].timestamp() > since]
    return len(recent) + 1 < limit and found["state"] not in OVER


def _next_attempt(found: Document, step: Step) -> str:
    """The attempt has failed, and the next one waits for its turn."""
    now = datetime.now(UTC)
    before = {"attempt": found["attempt"], "attemptCreatedAt": found["attemptCreatedAt"], "attemptUpdatedAt": now}
    before |= {"state": "FAILED", "stateDetails": shorten(step.message)}
    before |= {name: value for name, value in step.facts.items() if name in FACTS}
    found[OWN]["Attempts"] = [*found[OWN]["Attempts"], before][-100:]
    found |= {"attempt": found["attempt"] + 1, "attemptCreatedAt": now, "attemptUpdatedAt": now, "updatedAt": now}
    found |= {"state": "PENDING", "stateDetails": ""}
    return "PENDING"


def _row(found: Document) -> Params:
    shown: dict[str, Any] = {name: found[name] for name in SUMMARY if name in found}
    return shown | {"id": found["jobRunId"], "type": "Spark"}


def _started(found: Document) -> Params:
    return {name: found[name] for name in ("applicationId", "jobRunId", "arn")}
