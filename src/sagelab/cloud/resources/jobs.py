"""What every kind of job has in common: Create, Describe, List, Stop, Delete, and an honest end.

A kind is a family with its words; its run (engine/jobs/run.py) does the work, and a status moves only on a Step
that it reports.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from datetime import UTC, datetime
from typing import ClassVar

from sagelab.catalog import Kind
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import INTERRUPTED, JobRun, Step, failure
from sagelab.cloud.errors import InternalServerError, ResourceInUse, ServiceError, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, verb
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource

logger = logging.getLogger("sagelab")


class Jobs(Family):
    """The family of one kind of job of one local cloud.

    taken: the words for a name that is used twice. noun: what a refusal calls a job, by default the kind's noun.
    summary: more members of its row in a List. untold: members that its List tells and its Describe does not.
    """

    kind: ClassVar[Kind]
    taken: ClassVar[str] = (
        "Job name must be unique within an AWS account and region, and a job with this name already exists"
    )
    noun: ClassVar[str] = ""
    summary: ClassVar[tuple[str, ...]] = ()
    untold: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.runs: dict[str, JobRun] = {}
        self._closed = False
        self._lock = threading.Lock()
        for _, job in self.store.with_status(self.kind.arn, *self.kind.running):
            self.recover(job)

    @abstractmethod
    def check(self, call: Call) -> None:
        """ServiceError: the request breaks a rule."""

    @abstractmethod
    def defaults(self, params: Params) -> Params:
        """What Describe tells from the beginning on, besides what the request says."""

    @abstractmethod
    def make_run(self, job: Document, tags: dict[str, str]) -> JobRun:
        """The run of a job, which `report` hears of; nothing runs yet. tags: the job's; it may add to them."""

    @verb("Create")
    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        self.check(call)
        job = self.document(call)
        self.launch(job, self.make_run(job, tags), tags)
        return {self.kind.arn_member: job[self.kind.arn_member]}

    def document(self, call: Call) -> Document:
        """What Describe tells of a job that a request makes."""
        request, now = {name: value for name, value in call.params.items() if name != "Tags"}, datetime.now(UTC)
        return {
            **request,
            **self.defaults(request),
            self.kind.arn_member: self.arn(call),
            self.kind.status_member: self.kind.running[0],
            "CreationTime": now,
            "LastModifiedTime": now,
        }

    def launch(self, job: Document, run: JobRun, tags: dict[str, str]) -> None:
        """Keep a job whose run could be made, then start that. ResourceInUse: there is a job of this name."""
        arn, name = job[self.kind.arn_member], job[self.kind.name_member]
        try:
            self.store.add(Resource(arn, self.kind.arn, arn.split(":")[3], name, self.kind.running[0], job), tags)
        except Exists:
            raise ResourceInUse(f"{self.taken} ({arn})") from None
        self.start(arn, run)

    def start(self, arn: str, run: JobRun) -> None:
        """Start the run of a job that is kept; where the local cloud ends, it ends at once."""
        with self._lock:
            self.runs[arn] = run
            if self._closed:
                run.interrupt()
        try:
            run.start()
        except RuntimeError as error:  # this machine has no thread left
            self.report(arn, failure(InternalServerError(f"The local cloud failed: {error!r}")))

    @verb("Describe")
    def describe(self, call: Call) -> Params:
        return {name: value for name, value in self.get(call).items() if name not in self.untold}

    def get(self, call: Call) -> Document:
        """The job that a call names. ServiceError: there is none."""
        return self.find(self.arn(call))

    def find(self, arn: str) -> Document:
        """The job under an ARN. ServiceError: there is none."""
        try:
            return self.store.get(arn)
        except Missing:
            raise self.unknown(arn.rpartition("/")[2]) from None

    def unknown(self, name: str) -> ServiceError:
        """AWS's words for a job that is not there."""
        return ValidationException(f"Could not find requested job with name: {name}")

    @verb("List")
    def list(self, call: Call) -> Params:
        jobs, more = self.store.page(listing.read_query(call, self.kind))
        return {self.kind.listed: [self.row(job) for job in jobs], "NextToken": listing.write_token(more)}

    def row(self, job: Document) -> Params:
        """A job as a List shows it."""
        kind = self.kind
        times = ("CreationTime", kind.ends_member, "LastModifiedTime")
        members = (kind.name_member, kind.arn_member, kind.status_member, *times, *self.summary)
        return {name: job[name] for name in members if name in job}

    @verb("Stop")
    def stop(self, call: Call) -> Params:
        status, run = self.get(call)[self.kind.status_member], self.runs.get(self.arn(call))
        if status not in self.kind.running or run is None:
            raise self._refusal(status)
        run.report(run.stopping)
        run.stop()
        return {}

    @verb("Delete")
    def delete(self, call: Call) -> Params:
        job = self.get(call)
        if job[self.kind.status_member] in self.kind.running:
            raise self._refusal(job[self.kind.status_member], " Stop it first.")
        self.forget(job)
        return {}

    def forget(self, job: Document) -> None:
        """Keep a job no longer, nor what is kept beside it."""
        self.store.remove(job[self.kind.arn_member])

    def _refusal(self, status: str, advice: str = "") -> ServiceError:
        noun = self.noun or self.kind.noun
        return ValidationException(f"The request was rejected because the {noun} is in status {status}.{advice}")

    def report(self, arn: str, step: Step) -> Document | None:
        """A job has come to a step; its document then, None where it is gone."""

        def edit(job: Document) -> str:
            if job[self.kind.status_member] in self.kind.running:
                self.record(job, step, datetime.now(UTC))
            return str(job[self.kind.status_member])

        try:
            job = self.store.change(arn, edit)
        except Missing:
            logger.warning("%s is gone; its step %s is not recorded", arn, step.status)
            job = None
        if self.status_of(step) not in self.kind.running:
            with self._lock:
                self.runs.pop(arn, None)
        return job

    def record(self, job: Document, step: Step, now: datetime) -> None:
        """Write a step into a job's document."""
        kind, status = self.kind, self.status_of(step)
        stays = status in kind.running and job[kind.status_member] == kind.running[-1]  # it is stopping
        job |= step.facts | {"LastModifiedTime": now}
        if not stays:
            job[kind.status_member] = status
        if status not in kind.running:
            job[kind.ends_member] = now
        if step.status == "Failed":
            job["FailureReason"] = step.message

    def status_of(self, step: Step) -> str:
        """The status of a job that has come to a step, in the kind's words."""
        return step.status

    def arn(self, call: Call) -> str:
        """The ARN of the job that a call names."""
        return self.kind.arn_of(call.params[self.kind.name_member], f"{call.region}:{call.account}")

    def close(self) -> None:
        """End all jobs, with the honest reason: the local cloud ends. `await_ends` waits for that."""
        with self._lock:
            self._closed, runs = True, [*self.runs.values()]
        for run in runs:
            run.interrupt()

    def recover(self, job: Document) -> None:
        """A job that was running when the local cloud was killed has ended with it."""
        self.report(job[self.kind.arn_member], failure(InternalServerError(INTERRUPTED)))
