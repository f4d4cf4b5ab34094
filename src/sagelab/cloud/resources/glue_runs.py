"""The runs of Glue's jobs: started, looked at, stopped, tried again, and their bookmarks.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-runs.html
"""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from sagelab.cloud.context import GLUE, Cloud
from sagelab.cloud.engine.glue.run import ENDED, GlueRun, Order
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.resources import glue_rules, listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.crawlers import role_arn
from sagelab.cloud.resources.glue_jobs import GlueJobs, arn_of
from sagelab.cloud.resources.glue_rules import invalid
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND, BOOKMARK = "glue-job-run", "glue-bookmark"
GOES_ON = ("STARTING", "RUNNING", "STOPPING")
OWN = "Own"
MOST = 3  # runs of all jobs at a time: each has a Java of its own, or several
GROUP = "/aws-glue/jobs"
_TOO_MANY = "The local cloud runs {} jobs of Glue at a time; wait for one, or stop it."
_NO_JOB = "Failed to start job run due to missing metadata"
_NO_RUN = "Job Run {} of job {} not found."


class GlueRuns(Family):
    """The runs of all jobs of one local cloud."""

    service = "glue"
    needs = (GlueJobs,)

    def __init__(self, cloud: Cloud, jobs: GlueJobs) -> None:
        super().__init__(cloud)
        self._jobs = jobs
        self._runs: dict[str, GlueRun] = {}
        self._ending = set[str]()  # those of which it is not settled whether they are tried again
        self._lock, self._closed = threading.Lock(), False
        for arn, _ in self.store.with_status(KIND, *GOES_ON):
            self._report(arn, Step("FAILED", ENDED))

    @operation("StartJobRun")
    def start(self, call: Call) -> Params:
        params = call.params
        job = self._jobs.find(call, params["JobName"], _NO_JOB)
        for refused in ("SecurityConfiguration", "JobRunQueuingEnabled", "ExecutionRoleSessionPolicy"):
            if params.get(refused):
                raise invalid(f"{refused} is not something the local cloud can do.")
        before, attempt, first = self._before(call), 0, f"jr_{secrets.token_hex(32)}"
        if before is not None:
            attempt, first = before["Attempt"] + 1, _first(before)
        asked = _asked(job, params)
        found = self._made(job, asked, first, attempt)
        if before is not None:
            found["PreviousRunId"] = before["Id"]
        self._begin(arn_of(call, job["Name"]), job, found)
        return {"JobRunId": found["Id"]}

    def _before(self, call: Call) -> Document | None:
        """The run that is to be tried again."""
        key = call.params.get("JobRunId")
        return self._find(call, call.params["JobName"], key) if key else None

    def _made(self, job: Document, asked: Params, first: str, attempt: int) -> Document:
        now, command = datetime.now(UTC), job["Command"]["Name"]
        shown = {"Id": f"{first}_attempt_{attempt}" if attempt else first, "Attempt": attempt}
        shown |= {"JobName": job["Name"], "JobMode": job["JobMode"], "GlueVersion": job["GlueVersion"]}
        shown |= {"StartedOn": now, "LastModifiedOn": now, "JobRunState": "STARTING", "ExecutionTime": 0}
        shown |= {"LogGroupName": GROUP, "PredecessorRuns": [], **asked}
        if command == glue_rules.SPARK:
            shown["ExecutionClass"] = asked.get("ExecutionClass", job["ExecutionClass"])
        return shown

    def _begin(self, job_arn: str, job: Document, found: Document) -> None:
        """Keep a run and start it. Beside: too many go on."""
        arn, region = run_arn(job_arn, found["Id"]), job_arn.split(":")[3]
        run = GlueRun(
            self._order(job_arn, job, found), partial(self._report, arn), partial(self._keep, job_arn, found)
        )
        with self._lock:
            mine = sum(one.rpartition("/run/")[0] == job_arn for one in self._runs)
            if mine >= job["ExecutionProperty"].get("MaxConcurrentRuns", 1):
                raise Beside("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job['Name']}")
            if len(self._runs) >= MOST:
                raise Beside("ResourceNumberLimitExceededException", _TOO_MANY.format(MOST))
            self._runs[arn] = run
        try:
            document = found | {OWN: {"Job": job_arn, "Retries": job["MaxRetries"]}}
            self.store.add(Resource(arn, KIND, region, found["Id"], "STARTING", document))
        except BaseException:
            with self._lock:
                self._runs.pop(arn, None)
            raise
        with self._lock:
            if self._closed:
                run.interrupt()
        run.start()

    def _order(self, job_arn: str, job: Document, found: Document) -> Order:
        region, account = job_arn.split(":")[3:5]
        both = (
            job.get("DefaultArguments", {}) | found.get("Arguments", {}) | job.get("NonOverridableArguments", {})
        )
        return Order(
            job=job,
            run=found,
            arguments=both,
            role=role_arn(job["Role"], account),
            bookmark=self._bookmark(job_arn).get("State", {}),
            context=self.cloud.engine_context(region, GLUE),
        )

    def _report(self, arn: str, step: Step) -> None:
        """A run has come to a state."""
        state = "FAILED" if step.status == "Failed" else step.status
        over, now = state not in GOES_ON, datetime.now(UTC)

        def edit(run: Document) -> str:
            if run["JobRunState"] in GOES_ON and not (run["JobRunState"] == "STOPPING" and state == "RUNNING"):
                facts = {
                    name: value for name, value in step.facts.items() if name in ("ExecutionTime", "DPUSeconds")
                }
                run |= facts | {"JobRunState": state, "LastModifiedOn": now}
                if over:
                    run["CompletedOn"] = now
                if step.message:
                    run["ErrorMessage"] = step.message
                if state == "FAILED" and step.message != ENDED and run["Attempt"] < run[OWN]["Retries"]:
                    run[OWN]["Next"] = f"{_first(run)}_attempt_{run['Attempt'] + 1}"
            return str(run["JobRunState"])

        if over:
            with self._lock:
                self._runs.pop(arn, None)  # before the state: then the next may have its place
                self._ending.add(arn)
        with suppress(Missing):
            found = self.store.change(arn, edit)
            if "Next" in found[OWN]:
                self._try_again(arn, found)
        with self._lock:
            self._ending.discard(arn)

    def _try_again(self, arn: str, before: Document) -> None:
        """As MaxRetries has it, unless the job is gone or has no room."""
        job_arn, key = before[OWN]["Job"], before[OWN]["Next"]
        asked = {name: before[name] for name in _ASKED if name in before}
        with suppress(Missing, Beside):
            job = self.store.get(job_arn)
            found = self._made(job, asked, _first(before), before["Attempt"] + 1) | {"PreviousRunId": before["Id"]}
            if not self._closed:
                self._begin(job_arn, job, found)
        if not self.store.has(run_arn(job_arn, key)):
            with self._lock:
                self._ending.discard(arn)
            self.store.change(arn, lambda run: run[OWN].pop("Next") and None)

    # For triggers

    def launch(self, job_arn: str, key: str, asked: Params, after: list[list[str]]) -> bool:
        """Start a run with an id, where a kill did not come after that; False: there is no room for it yet.

        after: (job, run) of those that it follows. Beside: it cannot be.
        """
        arn = run_arn(job_arn, key)
        if self.store.has(arn):
            return True
        try:
            job = self.store.get(job_arn)
        except Missing:
            raise Beside("EntityNotFoundException", f"Job {job_arn.partition(':job/')[2]} not found.") from None
        found = self._made(job, _asked(job, asked), key, 0)
        found["PredecessorRuns"] = [{"JobName": name, "RunId": run} for name, run in after]
        try:
            self._begin(job_arn, job, found)
        except Beside as error:
            if error.code == "ResourceNumberLimitExceededException":
                return False
            found |= {"JobRunState": "ERROR", "ErrorMessage": str(error), "CompletedOn": found["StartedOn"]}
            found[OWN] = {"Job": job_arn, "Retries": 0}
            self.store.add(Resource(arn, KIND, job_arn.split(":")[3], key, "ERROR", found))
        return True

    def last_attempt(self, job_arn: str, key: str) -> Document | None:
        """The run with an id or, where that was tried again, the one that was; None: there is none."""
        try:
            run = self.store.get(run_arn(job_arn, key))
        except Missing:
            return None
        following, arn = run[OWN].get("Next"), run_arn(job_arn, key)
        if following and (last := self.last_attempt(job_arn, following)):
            return last
        return run | {"JobRunState": "RUNNING"} if following and arn in self._ending else run

    @operation("GetJobRun")
    def get(self, call: Call) -> Params:
        found = told(self._find(call, call.params["JobName"], call.params["RunId"]))
        if not call.params.get("PredecessorsIncluded"):
            found.pop("PredecessorRuns")
        return {"JobRun": found}

    @operation("GetJobRuns")
    def get_all(self, call: Call) -> Params:
        self._jobs.find(call, call.params["JobName"])
        arn = arn_of(call, call.params["JobName"])
        rows = [one for one in self.store.documents(KIND, call.region) if one[OWN]["Job"] == arn]
        rows.sort(key=lambda one: one["StartedOn"], reverse=True)
        return listing.page(call, "JobRuns", [told(one) for one in rows], 200)

    @operation("BatchStopJobRun")
    def stop(self, call: Call) -> Params:
        done: list[Params] = []
        errors: list[Params] = []
        for key in call.params["JobRunIds"]:
            named = {"JobName": call.params["JobName"], "JobRunId": key}
            try:
                self._stop(call, call.params["JobName"], key)
                done.append(named)
            except Beside as error:
                errors.append(named | {"ErrorDetail": {"ErrorCode": error.code, "ErrorMessage": str(error)}})
        return {"SuccessfulSubmissions": done, "Errors": errors}

    def _stop(self, call: Call, name: str, key: str) -> None:
        self._find(call, name, key)
        self.halt(arn_of(call, name), key)

    def halt(self, job_arn: str, key: str) -> None:
        """Stop a run. Beside: it does not run."""
        arn = run_arn(job_arn, key)

        def edit(run: Document) -> str:
            if run["JobRunState"] not in ("STARTING", "RUNNING"):
                words = f"Job Run {key} cannot be stopped as it is in state {run['JobRunState']}."
                raise Beside("JobRunInvalidStateTransitionException", words)
            run |= {"JobRunState": "STOPPING", "LastModifiedOn": datetime.now(UTC)}
            return "STOPPING"

        self.store.change(arn, edit)
        with self._lock:
            run = self._runs.get(arn)
        if run is not None:
            run.stop()

    # Bookmarks: https://docs.aws.amazon.com/glue/latest/dg/monitor-continuations.html

    @operation("GetJobBookmark")
    def bookmark(self, call: Call) -> Params:
        name = call.params["JobName"]
        found = self._bookmark(arn_of(call, name))
        if not found:
            raise Beside("EntityNotFoundException", f"Continuation for job {name} not found.")
        shown = {key: found[key] for key in ("Version", "Run", "Attempt", "RunId")}
        return {"JobBookmarkEntry": {"JobName": name, **shown, "JobBookmark": json.dumps(found["State"])}}

    @operation("ResetJobBookmark")
    def reset(self, call: Call) -> Params:
        found = self.bookmark(call)["JobBookmarkEntry"]

        def edit(document: Document) -> None:
            document |= {"State": {}, "Run": 0, "Attempt": 0, "RunId": "", "Version": document["Version"] + 1}

        self.store.change(f"{arn_of(call, call.params['JobName'])}/bookmark", edit)
        return {"JobBookmarkEntry": found | {"Run": 0, "Attempt": 0, "JobBookmark": "{}"}}

    def _bookmark(self, job_arn: str) -> Document:
        try:
            return self.store.get(f"{job_arn}/bookmark")
        except Missing:
            return {}

    def _keep(self, job_arn: str, found: Document, state: Params) -> None:
        """How far a run has read, once its script has committed it."""
        arn, facts = f"{job_arn}/bookmark", {"State": state, "RunId": found["Id"], "Attempt": found["Attempt"]}

        def edit(document: Document) -> None:
            document |= facts | {"Version": document["Version"] + 1, "Run": document["Run"] + 1}

        made = facts | {"Version": 0, "Run": 1}
        try:
            self.store.add(Resource(arn, BOOKMARK, job_arn.split(":")[3], found["JobName"], "there", made))
        except Exists:
            self.store.change(arn, edit)

    def _find(self, call: Call, name: str, key: str) -> Document:
        """Beside: the job has no such run."""
        try:
            return self.store.get(run_arn(arn_of(call, name), key))
        except Missing:
            raise Beside("EntityNotFoundException", _NO_RUN.format(key, name)) from None

    def close(self) -> None:
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()


_ASKED: tuple[str, ...] = ("Arguments", "Timeout", "MaxCapacity", "AllocatedCapacity", "WorkerType")
_ASKED += ("NumberOfWorkers", "NotificationProperty", "ExecutionClass", "TriggerName")


def _asked(job: Document, params: Params) -> Params:
    """What a run has, by its request and its job. Beside: it cannot be."""
    command = job["Command"]["Name"]
    glue_rules.check_arguments(params.get("Arguments") or {})
    glue_rules.check_capacity(params, command)
    if params.get("Timeout", 1) > glue_rules.WEEK:
        raise invalid(f"Timeout exceeds the maximum of {glue_rules.WEEK} minutes.")
    own = [
        name for name in ("MaxCapacity", "AllocatedCapacity", "WorkerType", "NumberOfWorkers") if name in params
    ]
    of_job: tuple[str, ...] = () if own else ("MaxCapacity", "WorkerType", "NumberOfWorkers")
    if "WorkerType" in job:
        of_job = tuple(name for name in of_job if name != "MaxCapacity")
    base = {name: job[name] for name in (*of_job, "Timeout") if name in job}
    both = base | {name: params[name] for name in _ASKED if params.get(name) is not None}
    return {"Arguments": {}} | both | glue_rules.settled(both, command, job["GlueVersion"])


def _first(run: Document) -> str:
    """The id of a run's first attempt."""
    return str(run["Id"]).partition("_attempt_")[0]


def run_arn(job_arn: str, key: str) -> str:
    """Of a row of the store: on AWS a run has none."""
    return f"{job_arn}/run/{key}"


def told(run: Document) -> Params:
    found = {name: value for name, value in run.items() if name != OWN}
    if run["JobRunState"] in ("RUNNING", "STOPPING"):
        found["ExecutionTime"] = int((datetime.now(UTC) - run["StartedOn"]).total_seconds())
    return found
