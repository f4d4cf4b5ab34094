"""Hyperparameter tuning jobs: Create, Describe, List, Stop, Delete, and the list of a job's training jobs.

The search itself is engine/tuning's; its training jobs are TrainingJobs' (training_jobs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.market import Market
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.tuning.plan import definitions_of, objective_of, read_plan
from sagelab.cloud.engine.tuning.run import TuningRun, take_end
from sagelab.cloud.engine.tuning.trials import Trial
from sagelab.cloud.errors import ResourceNotFound, ServiceError
from sagelab.cloud.resources import listing, training_rules, tuning_parents, tuning_rules, vpc_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.jobs import Jobs
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
from sagelab.cloud.store import Document, Missing, Query

GONE = "The local cloud ended before the training job had begun; it was not run."


class TuningJobs(Jobs):
    """The family of tuning jobs of one local cloud."""

    kind = catalog.of_stem("HyperParameterTuningJob")
    needs = (TrainingJobs,)
    taken = (
        "Hyperparameter tuning job names must be unique within an AWS account and region, and a tuning job"
        " with this name already exists"
    )
    noun = "hyperparameter tuning job"
    summary = ("TrainingJobStatusCounters", "ObjectiveStatusCounters")

    def __init__(self, cloud: Cloud, training_jobs: TrainingJobs) -> None:
        self.training_jobs = training_jobs
        super().__init__(cloud)

    def check(self, call: Call) -> None:
        where = f"{call.region}:{call.account}"
        names = tuning_parents.names_of_parents(call.params)
        parents = [self.find(self.kind.arn_of(name, where)) for name in names]
        tuning_rules.check(call.params, parents, self.cloud)
        for definition in definitions_of(call.params):
            encrypted = training_rules.encrypts({"ResourceConfig": {"InstanceCount": 1}} | definition)
            vpc_rules.check(definition.get("VpcConfig"), self.cloud, call.region, encrypted)
        # Its jobs get its tags.
        training_rules.read_market(read_tags(call.params.get("Tags", [])), Market())

    def defaults(self, params: Params) -> Params:  # noqa: ARG002
        return count([])

    def make_run(self, job: Document, tags: dict[str, str], trials: Sequence[Trial] = ()) -> TuningRun:
        plan = read_plan(job, tuning_parents.inherit(self.store, job))
        arn = job["HyperParameterTuningJobArn"]
        return TuningRun(
            plan,
            lambda own: Children(self.training_jobs, job, tags, own),
            lambda step: self.report(arn, step),
            trials,
        )

    def describe(self, call: Call) -> Params:
        job = self.get(call)
        overall = tuning_parents.find_overall_best(self.store, job)
        return job | ({"OverallBestTrainingJob": overall} if overall else {})

    def row(self, job: Document) -> Params:
        config = job["HyperParameterTuningJobConfig"]
        return super().row(job) | {name: config[name] for name in ("Strategy", "ResourceLimits")}

    @operation("ListTrainingJobsForHyperParameterTuningJob")
    def list_children(self, call: Call) -> Params:
        job = self.get(call)
        query = replace(listing.read_query(call, self.kind), kind=kind_of(job["HyperParameterTuningJobName"]))
        if query.sort == "FinalObjectiveMetricValue":
            found, more = _page_by_value(read_records(self.store, job), query)
        else:
            found, more = self.store.page(query)
        return {
            "TrainingJobSummaries": [summarise(record) for record in found],
            "NextToken": listing.write_token(more),
        }

    def delete(self, call: Call) -> Params:
        try:
            return super().delete(call)
        except ResourceNotFound:
            return {}  # as AWS has it: the operation names no error

    def forget(self, job: Document) -> None:
        for record in read_records(self.store, job):
            self.store.remove(record_arn(job["HyperParameterTuningJobArn"], record["TrainingJobName"]))
        super().forget(job)

    def unknown(self, name: str) -> ServiceError:
        return ResourceNotFound(
            f"Amazon SageMaker can't find a tuning job with name {name}. Please verify the name of the tuning"
            " job and try again."
        )

    def record(self, job: Document, step: Step, now: datetime) -> None:
        super().record(job, step, now)
        job["ConsumedResources"] = {"RuntimeInSeconds": round((now - job["CreationTime"]).total_seconds())}

    def recover(self, job: Document) -> None:
        """A search that went on when the local cloud ended goes on; its jobs of then ended with it."""
        arn = job["HyperParameterTuningJobArn"]
        trials = [self._recover_trial(job, record) for record in read_records(self.store, job)]
        if job["HyperParameterTuningJobStatus"] == "InProgress":
            self.start(arn, self.make_run(job, self.store.tags(arn), trials))
        else:
            self.report(arn, Step("Stopped", facts=count(trials)))

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


def _page_by_value(records: list[Document], query: Query) -> tuple[list[Document], tuple[int, str] | None]:
    """A page of the records that have a final value, in its order."""
    wanted = [record for record in records if query.status in (None, record["TrainingJobStatus"])]
    valued = [record for record in wanted if FINAL in record]
    valued.sort(key=lambda record: float(record[FINAL]["Value"]), reverse=query.descending)
    offset = int(query.start[0]) if query.start else 0
    end = offset + query.limit
    return valued[offset:end], (end, FINAL) if len(valued) > end else None
