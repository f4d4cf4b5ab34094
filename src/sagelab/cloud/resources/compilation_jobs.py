"""Compilation jobs (SageMaker Neo): Create, Describe, List, Stop, Delete.

A job's status moves only on a Step that its run (engine/compilation/run.py) reports.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.compilation.run import CompilationRun, Order
from sagelab.cloud.engine.jobs.training import INTERRUPTED, Step
from sagelab.cloud.errors import InternalServerError, ResourceInUse, ResourceNotFound, ValidationException
from sagelab.cloud.resources import compilation_rules, listing
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource

logger = logging.getLogger("sagelab")

KIND = "compilation-job"
RUNNING = ("STARTING", "INPROGRESS", "STOPPING")
SUMMARY = [
    "CompilationJobName",
    "CompilationJobArn",
    "CreationTime",
    "CompilationStartTime",
    "CompilationEndTime",
    "LastModifiedTime",
    "CompilationJobStatus",
]
PLATFORM = {
    "Os": "CompilationTargetPlatformOs",
    "Arch": "CompilationTargetPlatformArch",
    "Accelerator": "CompilationTargetPlatformAccelerator",
}


class CompilationJobs(Family):
    """The family of compilation jobs of one local cloud."""

    kind = catalog.of_stem("CompilationJob")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.runs: dict[str, CompilationRun] = {}
        self._lock = threading.Lock()
        for arn, _ in self.store.with_status(KIND, *RUNNING):
            self._report(arn, Step("FAILED", str(InternalServerError(INTERRUPTED))))

    @operation("CreateCompilationJob")
    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        request = {name: value for name, value in call.params.items() if name != "Tags"}
        condition = {"MaxRuntimeInSeconds": compilation_rules.DEFAULT_RUNTIME} | request["StoppingCondition"]
        request["StoppingCondition"] = condition
        order = compilation_rules.check(request, self.cloud)
        name = request["CompilationJobName"]
        arn = call.arn(KIND, name)
        try:
            self.store.add(Resource(arn, KIND, call.region, name, "STARTING", _document(request, arn)), tags)
        except Exists:
            raise ResourceInUse(
                "Compilation job names must be unique within an AWS account and region, and a compilation job with"
                f" this name already exists ({arn})"
            ) from None
        self._start(order, arn, call.region)
        return {"CompilationJobArn": arn}

    @operation("DescribeCompilationJob")
    def describe(self, call: Call) -> Params:
        return self._get(call)

    @operation("ListCompilationJobs")
    def list(self, call: Call) -> Params:
        jobs, more = self.store.page(listing.read_query(call, self.kind))
        return {"CompilationJobSummaries": [summary(job) for job in jobs], "NextToken": listing.write_token(more)}

    @operation("StopCompilationJob")
    def stop(self, call: Call) -> Params:
        job = self._get(call)
        arn, status = job["CompilationJobArn"], job["CompilationJobStatus"]
        run = self.runs.get(arn)
        if status not in RUNNING or run is None:
            raise ValidationException(
                f"The request was rejected because the compilation job is in status {status}."
            )
        self._report(arn, Step("STOPPING", ""))
        run.stop()
        return {}

    @operation("DeleteCompilationJob")
    def delete(self, call: Call) -> Params:
        job = self._get(call)
        if job["CompilationJobStatus"] in RUNNING:
            raise ValidationException(
                "The request was rejected because the compilation job is in status"
                f" {job['CompilationJobStatus']}. Stop it first."
            )
        self.store.remove(job["CompilationJobArn"])
        return {}

    def close(self) -> None:
        """End all jobs, as failed with the honest reason: the local cloud ends."""
        for run in list(self.runs.values()):
            run.interrupt()
        for run in list(self.runs.values()):
            run.join(10)

    def _start(self, order: Order, arn: str, region: str) -> None:
        cache = self.cloud.home.path / "cache"
        context = self.cloud.engine_context(region)
        run = CompilationRun(order, context, cache, lambda step: self._report(arn, step))
        with self._lock:
            self.runs[arn] = run
        run.start()

    def _get(self, call: Call) -> Document:
        try:
            return self.store.get(call.arn(KIND, call.params["CompilationJobName"]))
        except Missing:
            name = call.params["CompilationJobName"]
            raise ResourceNotFound(f"Compilation job {name} does not exist.") from None

    def _report(self, arn: str, step: Step) -> None:
        try:
            self.store.change(arn, lambda job: record(job, step))
        except Missing:
            logger.warning("%s is gone; its step %s is not recorded", arn, step.status)
        if step.status not in RUNNING:
            with self._lock:
                self.runs.pop(arn, None)


def record(job: Document, step: Step) -> str:
    """Write a step into a job's document: its status, times and facts. Returns its status."""
    now = datetime.now(UTC)
    if job["CompilationJobStatus"] not in RUNNING:
        return str(job["CompilationJobStatus"])
    stopping = job["CompilationJobStatus"] == "STOPPING" and step.status in RUNNING
    job |= {
        "CompilationJobStatus": "STOPPING" if stopping else step.status,
        "LastModifiedTime": now,
        **step.facts,
    }
    if step.status == "INPROGRESS":
        job.setdefault("CompilationStartTime", now)
    if step.status not in RUNNING:
        job["CompilationEndTime"] = now
    if step.status == "FAILED":
        job["FailureReason"] = step.message
    return str(job["CompilationJobStatus"])


def summary(job: Document) -> Params:
    """A job as ListCompilationJobs shows it."""
    found = {name: job[name] for name in SUMMARY if name in job}
    output = job["OutputConfig"]
    if "TargetDevice" in output:
        found["CompilationTargetDevice"] = output["TargetDevice"]
    platform = output.get("TargetPlatform", {})
    return found | {PLATFORM[part]: value for part, value in platform.items()}


def _document(request: Params, arn: str) -> Document:
    """The request, and the members that AWS's Describe always has: empty until there is something to say."""
    now = datetime.now(UTC)
    return {
        **request,
        "CompilationJobArn": arn,
        "CompilationJobStatus": "STARTING",
        "CreationTime": now,
        "LastModifiedTime": now,
        "FailureReason": "",
        "ModelArtifacts": {"S3ModelArtifacts": ""},
    }
