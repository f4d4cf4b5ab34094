"""Training jobs: Create, Describe, List, Stop, Update, Delete.

A job's status moves only on a Step that its run (engine/training.py) reports.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagelab import catalog
from sagelab.cloud import spot
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.market import INTERRUPT, NOW, Market
from sagelab.cloud.engine.jobs.metrics import Point
from sagelab.cloud.engine.jobs.training import INTERRUPTED, Step, TrainingRun, artifact_uri
from sagelab.cloud.errors import InternalServerError, ResourceInUse, ValidationException
from sagelab.cloud.resources import listing, training_rules
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource
from sagelab.prices import spot_share

logger = logging.getLogger("sagelab")

KIND = "training-job"
RUNNING = ("InProgress", "Stopping")
ENDED = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
    "MaxWaitTimeExceeded": "Stopped",
}
WITHOUT_INSTANCES = ("Starting", "Interrupted")  # neither trained in nor billed
SUMMARY = [
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
]
DEFAULTS: Params = {
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "EnableManagedSpotTraining": False,
}
DEFAULT_OUTPUT = {"KmsKeyId": "", "CompressionType": "GZIP"}  # told though not asked for: SDK v2 reads it
DEFAULT_RUNTIME = {"MaxRuntimeInSeconds": training_rules.DEFAULT_RUNTIME}


@dataclass(frozen=True)
class Launch:
    """What a tuning job adds to a training job that it launches, and how it hears of it.

    facts: of the description beside the request. cores: the processors that the job is held to.
    """

    facts: Params
    on_step: Callable[[Document], None]
    on_metric: Callable[[Point], None]
    cores: tuple[int, ...] = ()


class TrainingJobs(Family):
    """The family of training jobs of one local cloud."""

    kind = catalog.of_stem("TrainingJob")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.runs: dict[str, TrainingRun] = {}
        self.launches: dict[str, Launch] = {}
        self._lock = threading.Lock()
        self._recover()

    @operation("CreateTrainingJob")
    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        training_rules.check(call.params, self.cloud)
        training_rules.read_market(tags, Market())
        return {"TrainingJobArn": self.launch(call, tags)}

    def launch(self, call: Call, tags: dict[str, str], launch: Launch | None = None) -> str:
        """Keep and start the job of a request that was checked; returns its ARN."""
        arn = call.arn(KIND, call.params["TrainingJobName"])
        job = self._document(call, arn) | (launch.facts if launch else {})
        name = job["TrainingJobName"]
        try:
            self.store.add(Resource(arn, KIND, call.region, name, "InProgress", job), tags)
        except Exists:
            raise ResourceInUse(
                "Training job names must be unique within an AWS account and region, and a training job with"
                f" this name already exists ({arn})"
            ) from None
        self.start(job, launch)
        return arn

    def start(self, job: Document, launch: Launch | None = None) -> TrainingRun:
        """Run a job that is in the store, with its tags."""
        arn = job["TrainingJobArn"]
        run = TrainingRun(
            job,
            training_rules.notes(job) + training_rules.market_notes(job, self.store.tags(arn)),
            self.cloud.engine_context(arn.split(":")[3]),
            lambda step: self._report(arn, step),
            self._find_market(job),
        )
        with self._lock:
            self.runs[arn] = run
            if launch:
                self.launches[arn] = launch
                run.metrics.listener, run.cores = launch.on_metric, launch.cores
        run.start()
        return run

    def _find_market(self, job: Document) -> Market | None:
        """The market that a spot job is on: its own by its tags, else the local cloud's. The tags tell it then."""
        if not job["EnableManagedSpotTraining"]:
            return None
        arn = job["TrainingJobArn"]
        market = training_rules.read_market(self.store.tags(arn), spot.read_market(self.cloud.home))
        self.store.tag(arn, market.tags())
        return market

    def on_tags(self, arn: str, tags: dict[str, str]) -> None:
        """The tag that takes the capacity of a spot job away. ValidationException: it has none to take."""
        if f":{KIND}/" not in arn or INTERRUPT not in tags:
            return
        if tags[INTERRUPT] != NOW:
            raise ValidationException(f"The value of the tag {INTERRUPT} can only be {NOW!r}.")
        run = self.runs.get(arn)
        if run is None or not run.take_capacity():
            status = self.store.get(arn)["SecondaryStatus"]
            raise ValidationException(
                f"{arn} has no spot capacity that could be taken away: its status is {status}"
                f"{'' if run is None or run.market else ', and it is no managed spot job'}."
            )

    @operation("DescribeTrainingJob")
    def describe(self, call: Call) -> Params:
        return self._get(call)

    @operation("ListTrainingJobs")
    def list(self, call: Call) -> Params:
        for name in ("WarmPoolStatusEquals", "TrainingPlanArnEquals"):
            if name in call.params:  # no job here ever has a warm pool or a plan of its own
                return {"TrainingJobSummaries": []}
        jobs, more = self.store.page(listing.read_query(call, self.kind))
        summaries = [{name: job[name] for name in SUMMARY if name in job} for job in jobs]
        return {"TrainingJobSummaries": summaries, "NextToken": listing.write_token(more)}

    @operation("StopTrainingJob")
    def stop(self, call: Call) -> Params:
        job = self._get(call)
        arn, status = job["TrainingJobArn"], job["TrainingJobStatus"]
        run = self.runs.get(arn)
        if status not in RUNNING or run is None:
            raise ValidationException(f"The request was rejected because the training job is in status {status}.")
        self._report(arn, Step("Stopping", "Stopping the training job"))
        run.stop()
        return {}

    @operation("UpdateTrainingJob")
    def update(self, call: Call) -> Params:
        job = self._get(call)
        status = job["TrainingJobStatus"]
        keep_alive = call.params.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds")
        if keep_alive is None or set(call.params) - {"TrainingJobName", "ResourceConfig"}:
            raise ValidationException(
                "The local cloud updates ResourceConfig.KeepAlivePeriodInSeconds only; it has no profiler and no"
                " remote debugging."
            )
        if "KeepAlivePeriodInSeconds" not in job["ResourceConfig"]:
            raise ValidationException(
                f"Training job {job['TrainingJobName']} has no warm pool: it was created without"
                f" KeepAlivePeriodInSeconds (status {status})."
            )
        change = {"KeepAlivePeriodInSeconds": keep_alive}
        self.store.change(job["TrainingJobArn"], lambda found: found["ResourceConfig"].update(change))
        return {"TrainingJobArn": job["TrainingJobArn"]}

    @operation("DeleteTrainingJob")
    def delete(self, call: Call) -> Params:
        job = self._get(call)
        if job["TrainingJobStatus"] in RUNNING:
            raise ValidationException(
                "The request was rejected because the training job is in status"
                f" {job['TrainingJobStatus']}. Stop it first."
            )
        self.store.remove(job["TrainingJobArn"])
        return {}

    def close(self) -> None:
        """End all jobs, as Failed with the honest reason: the local cloud ends."""
        for run in list(self.runs.values()):
            run.interrupt()
        for run in list(self.runs.values()):
            run.join(10)

    def _get(self, call: Call) -> Document:
        try:
            return self.store.get(call.arn(KIND, call.params["TrainingJobName"]))
        except Missing:
            raise ValidationException("Requested resource not found.") from None

    def _document(self, call: Call, arn: str) -> Document:
        now = datetime.now(UTC)
        request = {name: value for name, value in call.params.items() if name != "Tags"}
        return {
            **DEFAULTS,
            **request,
            "StoppingCondition": DEFAULT_RUNTIME | request.get("StoppingCondition", {}),
            "OutputDataConfig": DEFAULT_OUTPUT | request["OutputDataConfig"],
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": now,
            "LastModifiedTime": now,
            "SecondaryStatusTransitions": [_transition("Starting", "Starting the training job", now)],
        }

    def _report(self, arn: str, step: Step) -> None:
        ended = ENDED.get(step.status)
        try:
            job = self.store.change(arn, lambda job: record(job, step))
            if arn in self.launches:
                self.launches[arn].on_step(job)
        except Missing:
            logger.warning("%s is gone; its step %s is not recorded", arn, step.status)
        if ended:
            with self._lock:
                self.runs.pop(arn, None)
                self.launches.pop(arn, None)

    def _recover(self) -> None:
        """A job that was running when the local cloud was killed has ended with it."""
        step = Step("Failed", str(InternalServerError(INTERRUPTED)))
        for arn, _ in self.store.with_status(KIND, *RUNNING):
            self._report(arn, step)


def record(job: Document, step: Step) -> str:
    """Write a step into a job's document: its statuses, times and transitions. Returns its status."""
    now = datetime.now(UTC)
    if job["TrainingJobStatus"] not in RUNNING:
        return str(job["TrainingJobStatus"])
    _move(job["SecondaryStatusTransitions"], step, now)
    stopping = job["TrainingJobStatus"] == "Stopping" or step.status == "Stopping"
    ended = ENDED.get(step.status)
    job |= {
        "TrainingJobStatus": ended or ("Stopping" if stopping else "InProgress"),
        "SecondaryStatus": step.status,
        "LastModifiedTime": now,
        **step.facts,
    }
    if step.status == "Downloading":
        job.setdefault("TrainingStartTime", now)
    if ended:
        _close(job, step, now)
    return str(job["TrainingJobStatus"])


def _close(job: Document, step: Step, now: datetime) -> None:
    job["TrainingEndTime"] = now
    if "TrainingStartTime" in job:
        seconds = max(1, round(_trained(job["SecondaryStatusTransitions"])))
        share = spot_share(job["ResourceConfig"]["InstanceType"]) if job["EnableManagedSpotTraining"] else 1
        job["TrainingTimeInSeconds"] = seconds
        job["BillableTimeInSeconds"] = max(1, round(seconds * share))
    if step.status == "Failed":
        job["FailureReason"] = step.message
    elif _uploaded([transition["Status"] for transition in job["SecondaryStatusTransitions"]]):
        job["ModelArtifacts"] = {"S3ModelArtifacts": artifact_uri(job)}


def _trained(transitions: list[dict[str, Any]]) -> float:
    """Seconds in which the job had its instances, from each Downloading on."""
    stages = [stage for stage in transitions if stage["Status"] not in WITHOUT_INSTANCES]
    return sum(((stage["EndTime"] - stage["StartTime"]).total_seconds() for stage in stages), 0.0)


def _uploaded(statuses: list[str]) -> bool:
    """Whether the last attempt came as far as its model."""
    last = len(statuses) - 1 - statuses[::-1].index("Starting")
    return "Uploading" in statuses[last:]


def _move(transitions: list[dict[str, Any]], step: Step, now: datetime) -> None:
    """SageMaker keeps a transition for each change of status: a new message of the same one replaces the old."""
    if transitions[-1]["Status"] == step.status:
        transitions[-1]["StatusMessage"] = step.message
        return
    transitions[-1]["EndTime"] = now
    transitions.append(_transition(step.status, step.message, now))
    if step.status in ENDED:
        transitions[-1]["EndTime"] = now


def _transition(status: str, message: str, start: datetime) -> dict[str, Any]:
    return {"Status": status, "StartTime": start, "StatusMessage": message}
