"""What every simple kind of job has in common: Create, Describe, List, Stop, Delete, and an honest end.

A kind is a subclass with its words; its run (engine/run.py) does the work, and a status moves only on what it
reports.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import INTERRUPTED, Run
from sagelab.cloud.errors import InternalServerError, ResourceInUse, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Handler, Params
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource

logger = logging.getLogger("sagelab")

RUNNING = ("InProgress", "Stopping")


@dataclass(frozen=True)
class Words:
    """The API's words for a kind of job. kind: as in its ARN. stem: of its members ("ProcessingJob").

    end: the member with the time of its end. summary: more members of its row in a List. untold: members that its
    List tells and its Describe does not.
    """

    kind: str
    stem: str
    end: str
    summary: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.stem}Name"

    @property
    def arn(self) -> str:
        return f"{self.stem}Arn"

    @property
    def status(self) -> str:
        return f"{self.stem}Status"

    @property
    def row(self) -> tuple[str, ...]:
        """The members of its row in a List."""
        times = ("CreationTime", self.end, "LastModifiedTime")
        return (self.name, self.arn, self.status, *times, "FailureReason", *self.summary)


class Jobs:
    """The family of one kind of job of one local cloud."""

    words: Words

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.store = cloud, cloud.store
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

    def operations(self) -> Mapping[str, Handler]:
        stem = self.words.stem
        return {
            f"Create{stem}": self.create,
            f"Describe{stem}": self.describe,
            f"List{stem}s": self.list,
            f"Stop{stem}": self.stop,
        }

    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        self.check(call)
        arn, job = self._document(call)
        try:
            name = job[self.words.name]
            self.store.add(Resource(arn, self.words.kind, call.region, name, "InProgress", job), tags)
        except Exists:
            raise ResourceInUse(
                "Job name must be unique within an AWS account and region, and a job with this name already exists"
                f" ({arn})"
            ) from None
        run = self.make_run(job, arn)
        with self._lock:
            self.runs[arn] = run
        run.start()
        return {self.words.arn: arn}

    def describe(self, call: Call) -> Params:
        return {name: value for name, value in self.get(call).items() if name not in self.words.untold}

    def get(self, call: Call) -> Document:
        """The job that a call names. ValidationException: there is none."""
        try:
            return self.store.get(self._arn(call))
        except Missing:
            name = call.params[self.words.name]
            raise ValidationException(f"Could not find requested job with name: {name}") from None

    def list(self, call: Call) -> Params:
        jobs, more = self.store.page(listing.read_query(call, self.words.kind))
        rows = [{name: job[name] for name in self.words.row if name in job} for job in jobs]
        return {f"{self.words.stem}Summaries": rows, "NextToken": listing.write_token(more)}

    def stop(self, call: Call) -> Params:
        status = self.get(call)[self.words.status]
        run = self.runs.get(self._arn(call))
        if status not in RUNNING or run is None:
            raise ValidationException(f"The request was rejected because the {self._noun} is in status {status}.")
        self.report(self._arn(call), "Stopping", {})
        run.stop()
        return {}

    def delete(self, call: Call) -> Params:
        status = self.get(call)[self.words.status]
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
            before: str = job[self.words.status]
            if before not in RUNNING:
                return before
            after = "Stopping" if before == "Stopping" and status == "InProgress" else status
            job |= facts | {self.words.status: after, "LastModifiedTime": now}
            if after not in RUNNING:
                job[self.words.end] = now
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
        return self.words.kind.replace("-", " ")

    def _arn(self, call: Call) -> str:
        return call.arn(self.words.kind, call.params[self.words.name])

    def _document(self, call: Call) -> tuple[str, Document]:
        arn, now = self._arn(call), datetime.now(UTC)
        request = {name: value for name, value in call.params.items() if name != "Tags"}
        facts = {self.words.arn: arn, self.words.status: "InProgress"}
        times = {"CreationTime": now, "LastModifiedTime": now}
        return arn, {**request, **self.defaults(request), **facts, **times}

    def _recover(self) -> None:
        """A job that was running when the local cloud was killed has ended with it."""
        reason = str(InternalServerError(INTERRUPTED))
        for arn, _ in self.store.with_status(self.words.kind, *RUNNING):
            self.report(arn, "Failed", {"FailureReason": reason})
