"""What every simple kind of job has in common: Create, Describe, List, Stop, Delete, and an honest end.

A kind is a subclass with its words; its run (engine/run.py) does the work, and a status moves only on what it
reports.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from datetime import UTC, datetime
from typing import Any, ClassVar

from sagelab.catalog import Kind
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import INTERRUPTED, Run
from sagelab.cloud.errors import InternalServerError, ResourceInUse, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, verb
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource

logger = logging.getLogger("sagelab")

RUNNING = ("InProgress", "Stopping")


class Jobs(Family):
    """The family of one kind of job of one local cloud.

    summary: more members of its row in a List. untold: members that its List tells and its Describe does not.
    """

    kind: ClassVar[Kind]
    summary: ClassVar[tuple[str, ...]] = ()
    untold: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._recover()

    @abstractmethod
    def check(self, call: Call) -> None:
        """ValidationException: the request breaks a rule."""

    @abstractmethod
    def make_run(self, job: Document, arn: str) -> Run:
        """The run of a job; it reports to `report(arn, status, facts)`."""

    @abstractmethod
    def defaults(self, params: Params) -> Params:
        """What Describe tells besides what the request says."""

    @verb("Create")
    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        self.check(call)
        arn, job = self._document(call)
        try:
            name = job[self.kind.name_member]
            self.store.add(Resource(arn, self.kind.arn, call.region, name, "InProgress", job), tags)
        except Exists:
            raise ResourceInUse(
                "Job name must be unique within an AWS account and region, and a job with this name already exists"
                f" ({arn})"
            ) from None
        run = self.make_run(job, arn)
        with self._lock:
            self.runs[arn] = run
        run.start()
        return {self.kind.arn_member: arn}

    @verb("Describe")
    def describe(self, call: Call) -> Params:
        return {name: value for name, value in self.get(call).items() if name not in self.untold}

    def get(self, call: Call) -> Document:
        """The job that a call names. ValidationException: there is none."""
        try:
            return self.store.get(self._arn(call))
        except Missing:
            name = call.params[self.kind.name_member]
            raise ValidationException(f"Could not find requested job with name: {name}") from None

    @verb("List")
    def list(self, call: Call) -> Params:
        jobs, more = self.store.page(listing.read_query(call, self.kind))
        kind = self.kind
        times = ("CreationTime", kind.ends_member, "LastModifiedTime")
        members = (kind.name_member, kind.arn_member, kind.status_member, *times, "FailureReason", *self.summary)
        rows = [{name: job[name] for name in members if name in job} for job in jobs]
        return {self.kind.listed: rows, "NextToken": listing.write_token(more)}

    @verb("Stop")
    def stop(self, call: Call) -> Params:
        status = self.get(call)[self.kind.status_member]
        run = self.runs.get(self._arn(call))
        if status not in RUNNING or run is None:
            raise ValidationException(f"The request was rejected because the {self._noun} is in status {status}.")
        self.report(self._arn(call), "Stopping", {})
        run.stop()
        return {}

    @verb("Delete")
    def delete(self, call: Call) -> Params:
        status = self.get(call)[self.kind.status_member]
        if status in RUNNING:
            raise ValidationException(
                f"The request was rejected because the {self._noun} is in status {status}. Stop it first."
            )
        self.store.remove(self._arn(call))
        return {}

    def close(self) -> None:
        """End all jobs, as Failed with the honest reason: the local cloud ends."""
        runs = list(self.runs.values())
        for run in runs:
            run.interrupt()
        for run in runs:
            run.join(10)

    def report(self, arn: str, status: str, facts: dict[str, Any]) -> None:
        """A job has come to a status; facts: what its Describe tells from now on."""
        now = datetime.now(UTC)

        def edit(job: Document) -> str:
            before: str = job[self.kind.status_member]
            if before not in RUNNING:
                return before
            after = "Stopping" if before == "Stopping" and status == "InProgress" else status
            job |= facts | {self.kind.status_member: after, "LastModifiedTime": now}
            if after not in RUNNING:
                job[self.kind.ends_member] = now
            return after

        try:
            self.store.change(arn, edit)
        except Missing:
            logger.warning("%s is gone; its status %s is not recorded", arn, status)
        if status not in RUNNING:
            with self._lock:
                self.runs.pop(arn, None)

    @property
    def _noun(self) -> str:
        return self.kind.noun

    def _arn(self, call: Call) -> str:
        return call.arn(self.kind.arn, call.params[self.kind.name_member])

    def _document(self, call: Call) -> tuple[str, Document]:
        arn, now = self._arn(call), datetime.now(UTC)
        request = {name: value for name, value in call.params.items() if name != "Tags"}
        facts = {self.kind.arn_member: arn, self.kind.status_member: "InProgress"}
        times = {"CreationTime": now, "LastModifiedTime": now}
        return arn, {**request, **self.defaults(request), **facts, **times}

    def _recover(self) -> None:
        """A job that was running when the local cloud was killed has ended with it."""
        reason = str(InternalServerError(INTERRUPTED))
        for arn, _ in self.store.with_status(self.kind.arn, *RUNNING):
            self.report(arn, "Failed", {"FailureReason": reason})
