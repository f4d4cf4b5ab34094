"""Hyperparameter tuning jobs: Create, Describe, List, Stop, Delete, and the list of a job's training jobs.

The search itself is engine/tuning's; its training jobs are TrainingJobs' (training_jobs.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.market import Market
from sagelab.cloud.engine.tuning.plan import definitions_of, objective_of, read_plan
from sagelab.cloud.engine.tuning.run import TuningRun, take_end
from sagelab.cloud.engine.tuning.trials import Trial
from sagelab.cloud.errors import ResourceInUse, ResourceNotFound, ValidationException
from sagelab.cloud.resources import listing, training_rules, tuning_parents, tuning_rules
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.resources.training_jobs import TrainingJobs
from sagelab.cloud.resources.tuning_children import (
    FINAL,
    Children,
    count,
    keep_record,
    kind_of,
    read_records,
    read_trial,
    record_arn,
    summarise,
)
from sagelab.cloud.store import Document, Exists, Missing, Query, Resource

KIND = "hyper-parameter-tuning-job"
RUNNING = ("InProgress", "Stopping")
SUMMARY = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobArn",
    "HyperParameterTuningJobStatus",
    "CreationTime",
    "HyperParameterTuningEndTime",
    "LastModifiedTime",
    "TrainingJobStatusCounters",
    "ObjectiveStatusCounters",
)
GONE = "The local cloud ended before the training job had begun; it was not run."


class TuningJobs(Family):
    """The family of tuning jobs of one local cloud."""

    kind = catalog.of_stem("HyperParameterTuningJob")
    needs = (TrainingJobs,)

    def __init__(self, cloud: Cloud, training_jobs: TrainingJobs) -> None:
        super().__init__(cloud)
        self.training_jobs = training_jobs
        self.runs: dict[str, TuningRun] = {}
        self._lock = threading.Lock()
        for _, job in self.store.with_status(KIND, *RUNNING):
            self._recover(job)

    @operation("CreateHyperParameterTuningJob")
    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        parents = [self._find(call.arn(KIND, name)) for name in tuning_parents.names_of_parents(call.params)]
        tuning_rules.check(call.params, parents, self.cloud)
        training_rules.read_market(tags, Market())  # its jobs get its tags
        arn = call.arn(KIND, call.params["HyperParameterTuningJobName"])
        job = _document(call, arn)
        name = job["HyperParameterTuningJobName"]
        try:
            self.store.add(Resource(arn, KIND, call.region, name, "InProgress", job), tags)
        except Exists:
            raise ResourceInUse(
                "Hyperparameter tuning job names must be unique within an AWS account and region, and a tuning job"
                f" with this name already exists ({arn})"
            ) from None
        self._start(job, ())
        return {"HyperParameterTuningJobArn": arn}

    @operation("DescribeHyperParameterTuningJob")
    def describe(self, call: Call) -> Params:
        job = self._get(call)
        overall = tuning_parents.find_overall_best(self.store, job)
        return job | ({"OverallBestTrainingJob": overall} if overall else {})

    @operation("ListHyperParameterTuningJobs")
    def list(self, call: Call) -> Params:
        jobs, more = self.store.page(listing.read_query(call, self.kind))
        summaries = [{name: job[name] for name in SUMMARY if name in job} | _config_facts(job) for job in jobs]
        return {"HyperParameterTuningJobSummaries": summaries, "NextToken": listing.write_token(more)}

    @operation("ListTrainingJobsForHyperParameterTuningJob")
    def list_children(self, call: Call) -> Params:
        job = self._get(call)
        query = replace(listing.read_query(call, self.kind), kind=kind_of(job["HyperParameterTuningJobName"]))
        if query.sort == "FinalObjectiveMetricValue":
            found, more = _page_by_value(read_records(self.store, job), query)
        else:
            found, more = self.store.page(query)
        return {
            "TrainingJobSummaries": [summarise(record) for record in found],
            "NextToken": listing.write_token(more),
        }

    @operation("StopHyperParameterTuningJob")
    def stop(self, call: Call) -> Params:
        job = self._get(call)
        arn, status = job["HyperParameterTuningJobArn"], job["HyperParameterTuningJobStatus"]
        run = self.runs.get(arn)
        if status not in RUNNING or run is None:
            raise ValidationException(
                f"The request was rejected because the hyperparameter tuning job is in status {status}."
            )
        self.store.change(arn, _mark_stopping)
        run.stop()
        return {}

    @operation("DeleteHyperParameterTuningJob")
    def delete(self, call: Call) -> Params:
        try:
            job = self._get(call)
        except ResourceNotFound:
            return {}  # as AWS has it: the operation names no error
        status, arn = job["HyperParameterTuningJobStatus"], job["HyperParameterTuningJobArn"]
        if status in RUNNING:
            raise ValidationException(
                f"The request was rejected because the hyperparameter tuning job is in status {status}."
                " Stop it first."
            )
        for record in read_records(self.store, job):
            self.store.remove(record_arn(arn, record["TrainingJobName"]))
        self.store.remove(arn)
        return {}

    def close(self) -> None:
        """Start no more training jobs: the local cloud ends. The searches go on when it is started again."""
        for run in list(self.runs.values()):
            run.interrupt()
        for run in list(self.runs.values()):
            run.join(10)

    def _get(self, call: Call) -> Document:
        return self._find(call.arn(KIND, call.params["HyperParameterTuningJobName"]))

    def _find(self, arn: str) -> Document:
        try:
            return self.store.get(arn)
        except Missing:
            name = arn.rpartition("/")[2]
            raise ResourceNotFound(
                f"Amazon SageMaker can't find a tuning job with name {name}. Please verify the name of the tuning"
                " job and try again."
            ) from None

    def _start(self, job: Document, trials: Sequence[Trial]) -> None:
        arn = job["HyperParameterTuningJobArn"]
        plan = read_plan(job, tuning_parents.inherit(self.store, job))
        tags = self.store.tags(arn)
        run = TuningRun(plan, lambda own: Children(self.training_jobs, job, tags, own), trials)
        with self._lock:
            self.runs = {key: other for key, other in self.runs.items() if other.is_alive()} | {arn: run}
        run.start()

    def _recover(self, job: Document) -> None:
        """A search that went on when the local cloud ended goes on; its jobs of then ended with it."""
        trials = [self._recover_trial(job, record) for record in read_records(self.store, job)]
        if job["HyperParameterTuningJobStatus"] == "InProgress":
            self._start(job, trials)
            return
        self.store.change(job["HyperParameterTuningJobArn"], lambda found: _mark_stopped(found, trials))

    def _recover_trial(self, job: Document, record: Document) -> Trial:
        trial = read_trial(record)
        if not trial.running:
            return trial
        try:
            found = self.store.get(record["TrainingJobArn"])
        except Missing:
            found = {"TrainingJobStatus": "Failed", "FailureReason": f"InternalServerError: {GONE}"}
        objective = objective_of(definitions_of(job)[trial.definition], job["HyperParameterTuningJobConfig"])
        take_end(trial, found, objective["MetricName"])
        keep_record(self.store, job, trial, found)
        return trial


def _document(call: Call, arn: str) -> Document:
    now = datetime.now(UTC)
    request = {name: value for name, value in call.params.items() if name != "Tags"}
    return request | {
        "HyperParameterTuningJobArn": arn,
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
        **count([]),
    }


def _config_facts(job: Document) -> Params:
    config = job["HyperParameterTuningJobConfig"]
    return {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}


def _mark_stopping(job: Document) -> str:
    if job["HyperParameterTuningJobStatus"] == "InProgress":
        job |= {"HyperParameterTuningJobStatus": "Stopping", "LastModifiedTime": datetime.now(UTC)}
    return str(job["HyperParameterTuningJobStatus"])


def _mark_stopped(job: Document, trials: list[Trial]) -> str:
    now = datetime.now(UTC)
    job |= count(trials) | {
        "HyperParameterTuningJobStatus": "Stopped",
        "HyperParameterTuningEndTime": now,
        "LastModifiedTime": now,
    }
    return "Stopped"


def _page_by_value(records: list[Document], query: Query) -> tuple[list[Document], tuple[int, str] | None]:
    """A page of the records that have a final value, in its order."""
    wanted = [record for record in records if query.status in (None, record["TrainingJobStatus"])]
    valued = [record for record in wanted if FINAL in record]
    valued.sort(key=lambda record: float(record[FINAL]["Value"]), reverse=query.descending)
    offset = int(query.start[0]) if query.start else 0
    end = offset + query.limit
    return valued[offset:end], (end, FINAL) if len(valued) > end else None
