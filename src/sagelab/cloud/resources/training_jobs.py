"""Training jobs: Create, Describe, List, Stop, Update, Delete.

What they share with other kinds is in jobs.py. A training job has a secondary status besides: the statuses of the
steps that its run (engine/jobs/training.py) reports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagelab import catalog
from sagelab.cloud import spot
from sagelab.cloud.engine.jobs.market import INTERRUPT, NOW, Market
from sagelab.cloud.engine.jobs.metrics import Point
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.jobs.training import Training, TrainingRun, artifact_uri
from sagelab.cloud.errors import ServiceError, ValidationException
from sagelab.cloud.resources import training_rules, vpc_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document
from sagelab.prices import spot_share

ENDED = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
    "MaxWaitTimeExceeded": "Stopped",
}
WITHOUT_INSTANCES = ("Starting", "Interrupted")  # neither trained in nor billed
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


class TrainingJobs(Jobs):
    """The family of training jobs of one local cloud."""

    kind = catalog.of_stem("TrainingJob")
    taken = (
        "Training job names must be unique within an AWS account and region, and a training job with"
        " this name already exists"
    )
    summary = ("SecondaryStatus",)

    def check(self, call: Call) -> None:
        training_rules.check(call.params, self.cloud)
        encrypted = training_rules.encrypts(call.params)
        vpc_rules.check(call.params.get("VpcConfig"), self.cloud, call.region, encrypted)
        training_rules.read_market(read_tags(call.params.get("Tags", [])), Market())

    def defaults(self, params: Params) -> Params:
        return {
            **{name: params.get(name, value) for name, value in DEFAULTS.items()},
            "StoppingCondition": DEFAULT_RUNTIME | params.get("StoppingCondition", {}),
            "OutputDataConfig": DEFAULT_OUTPUT | params["OutputDataConfig"],
            "SecondaryStatus": "Starting",
        }

    def document(self, call: Call) -> Document:
        job = super().document(call)
        first = _transition("Starting", "Starting the training job", job["CreationTime"])
        return job | {"SecondaryStatusTransitions": [first]}

    def launch_trial(self, call: Call, tags: dict[str, str], launch: Launch) -> None:
        """Launch the job of a request that was checked, for a tuning job."""
        job = self.document(call) | launch.facts
        self.launch(job, self.make_run(job, tags, launch), tags)

    def make_run(self, job: Document, tags: dict[str, str], launch: Launch | None = None) -> TrainingRun:
        arn = job["TrainingJobArn"]

        def report(step: Step) -> None:
            found = self.report(arn, step)
            if found and launch:
                launch.on_step(found)

        notes = training_rules.notes(job, self.cloud.launcher.images) + training_rules.market_notes(job, tags)
        training = Training(job, notes, self._find_market(job, tags), launch.cores if launch else ())
        run = TrainingRun(training, self.cloud.engine_context(arn.split(":")[3]), report)
        run.metrics.listener = launch.on_metric if launch else None
        return run

    def _find_market(self, job: Document, tags: dict[str, str]) -> Market | None:
        """The market that a spot job is on: its own by its tags, else the local cloud's. The tags tell it then."""
        if not job["EnableManagedSpotTraining"]:
            return None
        market = training_rules.read_market(tags, spot.read_market(self.cloud.home))
        tags |= market.tags()
        return market

    def on_tags(self, arn: str, tags: dict[str, str]) -> None:
        """The tag that takes the capacity of a spot job away. ValidationException: it has none to take."""
        if f":{self.kind.arn}/" not in arn or INTERRUPT not in tags:
            return
        if tags[INTERRUPT] != NOW:
            raise ValidationException(f"The value of the tag {INTERRUPT} can only be {NOW!r}.")
        run = self.runs.get(arn)
        if not isinstance(run, TrainingRun) or not run.take_capacity():
            status = self.store.get(arn)["SecondaryStatus"]
            raise ValidationException(
                f"{arn} has no spot capacity that could be taken away: its status is {status}"
                f"{', and it is no managed spot job' if isinstance(run, TrainingRun) and not run.market else ''}."
            )

    def unknown(self, name: str) -> ServiceError:  # noqa: ARG002 - AWS does not tell it
        return ValidationException("Requested resource not found.")

    def list(self, call: Call) -> Params:
        for name in ("WarmPoolStatusEquals", "TrainingPlanArnEquals"):
            if name in call.params:  # no job here ever has a warm pool or a plan of its own
                return {"TrainingJobSummaries": []}
        return super().list(call)

    @operation("UpdateTrainingJob")
    def update(self, call: Call) -> Params:
        job = self.get(call)
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

    def record(self, job: Document, step: Step, now: datetime) -> None:
        super().record(job, step, now)
        job["SecondaryStatus"] = step.status
        _move(job["SecondaryStatusTransitions"], step, now)
        if step.status == "Downloading":
            job.setdefault("TrainingStartTime", now)
        if step.status in ENDED:
            _close(job, step)

    def status_of(self, step: Step) -> str:
        return ENDED.get(step.status, "Stopping" if step.status == "Stopping" else "InProgress")


def _close(job: Document, step: Step) -> None:
    """What an ended job tells besides."""
    if "TrainingStartTime" in job:
        seconds = max(1, round(_trained(job["SecondaryStatusTransitions"])))
        share = spot_share(job["ResourceConfig"]["InstanceType"]) if job["EnableManagedSpotTraining"] else 1
        job["TrainingTimeInSeconds"] = seconds
        job["BillableTimeInSeconds"] = max(1, round(seconds * share))
    if step.status != "Failed" and _uploaded(
        [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    ):
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
