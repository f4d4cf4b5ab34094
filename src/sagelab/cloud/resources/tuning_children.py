"""The training jobs of a tuning job: their requests, their start, and the records that lists of them read.

A record is the summary that the API lists, kept apart from the training job itself: it stays right when that is
deleted. The records of one tuning job are a kind of their own in the store, so that a page of them is found as
fast as any other.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sagelab.cloud.context import SERVICE
from sagelab.cloud.engine.jobs.metrics import Point
from sagelab.cloud.engine.tuning.completion import Progress
from sagelab.cloud.engine.tuning.plan import definitions_of, objective_of
from sagelab.cloud.engine.tuning.run import TuningRun
from sagelab.cloud.engine.tuning.trials import Trial
from sagelab.cloud.errors import ServiceError
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.training_jobs import Launch
from sagelab.cloud.store import Document, Missing, Resource, Store
from sagelab.cloud.trail import service_events

if TYPE_CHECKING:
    from sagelab.cloud.resources.training_jobs import TrainingJobs

# Members of a definition that are a tuning job's own; all others go to its training jobs as they are.
OWN = ("DefinitionName", "TuningObjective", "HyperParameterRanges", "StaticHyperParameters")
RESOURCES = "HyperParameterTuningResourceConfig"
FINAL = "FinalHyperParameterTuningJobObjectiveMetric"
SUMMARY = (
    "TrainingJobDefinitionName",
    "TrainingJobName",
    "TrainingJobArn",
    "TuningJobName",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingJobStatus",
    "TunedHyperParameters",
    "FailureReason",
    FINAL,
    "ObjectiveStatus",
)
FROM_JOB = ("TrainingStartTime", "TrainingEndTime", "FailureReason", "TrainingJobStatus")
METRIC_PARAMETER = "_tuning_objective_metric"  # the service tells it to every job, with this name


def kind_of(tuning_job: str) -> str:
    """The kind in the store of the records of one tuning job."""
    return f"trial of {tuning_job}"


def training_request(definition: Params, config: Params, values: dict[str, str], name: str) -> Params:
    """The CreateTrainingJob request of one trial. values: the hyperparameters that are tuned.

    Each has a folder of its own for checkpoints, below the definition's: none begins with what another has left.
    """
    request = {key: value for key, value in definition.items() if key not in (*OWN, RESOURCES)}
    objective = objective_of(definition, config)["MetricName"]
    request["HyperParameters"] = (
        definition.get("StaticHyperParameters", {}) | values | {METRIC_PARAMETER: objective}
    )
    if RESOURCES in definition:
        request["ResourceConfig"] = read_resources(definition[RESOURCES])
    if "CheckpointConfig" in request:
        base = request["CheckpointConfig"]
        request["CheckpointConfig"] = base | {"S3Uri": f"{base['S3Uri'].rstrip('/')}/{name}"}
    return request | {"TrainingJobName": name}


def read_resources(config: Params) -> Params:
    """A ResourceConfig for a HyperParameterTuningResourceConfig: of several instance types the one preferred."""
    chosen = {name: config[name] for name in config if name not in ("InstanceConfigs", "AllocationStrategy")}
    return chosen | (config["InstanceConfigs"][0] if "InstanceConfigs" in config else {})


class Children:
    """The TrialRunner (engine/tuning/run.py) of one tuning job."""

    def __init__(self, training_jobs: TrainingJobs, job: Document, tags: dict[str, str], run: TuningRun) -> None:
        self.training_jobs, self.store = training_jobs, training_jobs.store
        self.job, self.tags, self.run = job, tags, run
        self.arn: str = job["HyperParameterTuningJobArn"]
        self.name: str = job["HyperParameterTuningJobName"]

    def start(self, trial: Trial, slot: int) -> None:
        definition = definitions_of(self.job)[trial.definition]
        config = self.job["HyperParameterTuningJobConfig"]
        call = self._call("CreateTrainingJob", training_request(definition, config, trial.values, trial.name))
        self.store.add(self._resource(call, trial, definition))
        launch = Launch(
            facts={"TuningJobArn": self.arn},
            on_step=lambda job: self.run.on_step(trial, job),
            on_metric=lambda point: self._pass_on(trial, point),
            cores=share_cores(slot, min(self.run.plan.parallel, self.run.plan.max_jobs)),
        )
        self.training_jobs.launch_trial(call, dict(self.tags), launch)
        self._tell(call)

    def stop(self, trial: Trial) -> None:
        with contextlib.suppress(ServiceError):  # it has ended by itself meanwhile
            call = self._call("StopTrainingJob", {"TrainingJobName": trial.name})
            self.training_jobs.stop(call)
            self._tell(call)

    def _tell(self, call: Call) -> None:
        """CloudTrail has it as something that SageMaker did by itself."""
        name, arn = call.params["TrainingJobName"], self.training_jobs.arn(call)
        details = {
            "trainingJobName": name,
            "trainingJobArn": arn,
            "hyperParameterTuningJobName": self.name,
            "hyperParameterTuningJobArn": self.arn,
        }
        where, journal = (call.region, call.account), self.training_jobs.cloud.journal
        thing = ("AWS::SageMaker::TrainingJob", name)
        service_events.note(journal, where, SERVICE, call.operation, details, thing)

    def keep(self, trial: Trial, job: dict[str, Any]) -> None:
        keep_record(self.store, self.job, trial, job)

    def describe(self, trials: Sequence[Trial], progress: Progress) -> Params:
        details: Params = {"NumberOfTrainingJobsObjectiveNotImproving": progress.not_improving}
        if progress.converged:
            details["ConvergenceDetectedTime"] = progress.converged
        facts = count(trials) | {"TuningJobCompletionDetails": details}
        best = self.run.plan.objective.best(trials)
        if best:
            facts["BestTrainingJob"] = summarise(self.store.get(record_arn(self.arn, best.name)))
        return facts

    def _call(self, operation: str, params: Params) -> Call:
        parts = self.arn.split(":")
        return Call(operation, params, region=parts[3], account=parts[4], caller=self.arn)

    def _resource(self, call: Call, trial: Trial, definition: Params) -> Resource:
        record = {
            "Number": trial.number,
            "Definition": trial.definition,
            "TrainingJobName": trial.name,
            "TrainingJobArn": self.training_jobs.arn(call),
            "TuningJobName": self.name,
            "CreationTime": datetime.now(UTC),
            "TrainingJobStatus": trial.status,
            "TunedHyperParameters": trial.values,
            "ObjectiveStatus": "Pending",
        }
        if "DefinitionName" in definition:
            record["TrainingJobDefinitionName"] = definition["DefinitionName"]
        arn = record_arn(self.arn, trial.name)
        return Resource(arn, kind_of(self.name), call.region, trial.name, trial.status, record)

    def _pass_on(self, trial: Trial, point: Point) -> None:
        self.run.on_metric(trial, point.name, point.value)


def keep_record(store: Store, tuning_job: Document, trial: Trial, job: Document) -> None:
    """Write into a trial's record what is known of it and of its training job."""
    facts = {name: job[name] for name in FROM_JOB if name in job} | _describe_end(tuning_job, trial)

    def edit(record: Document) -> str:
        record |= facts
        return trial.status

    with contextlib.suppress(Missing):  # the tuning job was deleted meanwhile
        store.change(record_arn(tuning_job["HyperParameterTuningJobArn"], trial.name), edit)


def _describe_end(tuning_job: Document, trial: Trial) -> Params:
    """What a record tells of the objective, once the trial has ended. Curve: for other trials to be judged by."""
    if trial.running:
        return {}
    if trial.value is None:
        return {"ObjectiveStatus": "Failed", "Curve": trial.curve}
    definition = definitions_of(tuning_job)[trial.definition]
    objective = objective_of(definition, tuning_job["HyperParameterTuningJobConfig"])
    final = {"MetricName": objective["MetricName"], "Value": trial.value}
    if "TuningObjective" in definition:
        final["Type"] = objective["Type"]
    return {
        "ObjectiveStatus": "Succeeded",
        FINAL: final,
        "Curve": trial.curve,
    }


def record_arn(tuning_arn: str, training_job: str) -> str:
    """Where the store keeps the record of a trial."""
    return f"{tuning_arn}/{training_job}"


def read_records(store: Store, tuning_job: Document) -> list[Document]:
    """The records of all training jobs of a tuning job, in the order of their numbers."""
    region = tuning_job["HyperParameterTuningJobArn"].split(":")[3]
    found = store.documents(kind_of(tuning_job["HyperParameterTuningJobName"]), region)
    return sorted(found, key=lambda record: int(record["Number"]))


def summarise(record: Document) -> Params:
    """A record as the API lists it."""
    return {name: record[name] for name in SUMMARY if name in record}


def read_trial(record: Document) -> Trial:
    """The trial of a record."""
    final = record.get(FINAL)
    return Trial(
        number=record["Number"],
        definition=record["Definition"],
        values=record["TunedHyperParameters"],
        name=record["TrainingJobName"],
        status=record["TrainingJobStatus"],
        curve=record.get("Curve", []),
        value=final["Value"] if final else None,
        retryable=record.get("FailureReason", "").startswith("InternalServerError"),
    )


def count(trials: Sequence[Trial]) -> Params:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    statuses = Counter(trial.status for trial in trials)
    retryable = sum(trial.status == "Failed" and trial.retryable for trial in trials)
    running = sum(trial.running for trial in trials)
    succeeded = sum(trial.value is not None for trial in trials)
    return {
        "TrainingJobStatusCounters": {
            "Completed": statuses["Completed"],
            "InProgress": running,
            "RetryableError": retryable,
            "NonRetryableError": statuses["Failed"] - retryable,
            "Stopped": statuses["Stopped"],
        },
        "ObjectiveStatusCounters": {
            "Succeeded": succeeded,
            "Pending": running,
            "Failed": len(trials) - succeeded - running,
        },
    }


def share_cores(slot: int, parallel: int) -> tuple[int, ...]:
    """The processors of one of `parallel` jobs that run at a time; empty, which is all, for one alone."""
    cores = sorted(os.sched_getaffinity(0))
    if parallel == 1:
        return ()
    if parallel >= len(cores):
        return (cores[slot % len(cores)],)
    return tuple(cores[slot * len(cores) // parallel : (slot + 1) * len(cores) // parallel])
