"""The executions of pipelines: Start, Describe, List, Stop, Retry, Update, their steps, and answers to callbacks.

What happens in one is engine/pipelines' matter. Its document has the records of its steps, so that it goes on from
them when the local cloud is started again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import STOPPED, Step
from sagelab.cloud.engine.pipelines.kinds import metadata
from sagelab.cloud.engine.pipelines.loops import text_of
from sagelab.cloud.engine.pipelines.run import PipelineRun, reuse
from sagelab.cloud.engine.pipelines.values import Plan, Record
from sagelab.cloud.errors import ConflictException, ResourceNotFound, ServiceError, ValidationException
from sagelab.cloud.resources import checks, execution_plans, listing
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.resources.pipeline_results import Results
from sagelab.cloud.resources.pipelines import REFUSED, Pipelines, parse
from sagelab.cloud.resources.processing_jobs import ProcessingJobs
from sagelab.cloud.resources.records import OWN, told
from sagelab.cloud.resources.transform_jobs import TransformJobs
from sagelab.cloud.resources.tuning_jobs import TuningJobs
from sagelab.cloud.store import Change, Document, Exists, Resource

GIVEN = (
    "PipelineExecutionDisplayName",
    "PipelineExecutionDescription",
    "ParallelismConfiguration",
    "SelectiveExecutionConfig",
)
STEPS_OF_A_PAGE = 100  # and parameters, where nothing is said
START_REFUSED = REFUSED | {"MlflowExperimentName": "experiments of MLflow"}


class PipelineExecutions(Jobs):
    """The family of executions of one local cloud. It hears of the jobs of its steps by the store."""

    kind = catalog.of_stem("PipelineExecution")
    needs = (Pipelines, TuningJobs, ProcessingJobs, TransformJobs, Endpoints)

    def __init__(self, cloud: Cloud, pipelines: Pipelines, *_: Any) -> None:
        self.pipelines = pipelines
        self._watched: dict[str, PipelineRun] = {}  # ARN of a step's job -> the run that waits for it
        cloud.store.listen(self._on_change)
        super().__init__(cloud)

    @operation("StartPipelineExecution")
    def start_execution(self, call: Call) -> Params:
        checks.refused(call.params, START_REFUSED)
        pipeline = self.pipelines.find(self.pipelines.arn(call))
        version = self.pipelines.version(pipeline, call.params.get("PipelineVersionId"))
        arn = _arn(pipeline, call.params["ClientRequestToken"])
        if self.store.has(arn):
            return {"PipelineExecutionArn": arn}
        if "RoleArn" in call.params:
            checks.role(call.params["RoleArn"], self.cloud)
        document = self._new(call, pipeline, version, arn)
        resource = Resource(arn, self.kind.arn, call.region, arn, self.kind.running[0], document)
        run = self.make_run(document, {})
        try:
            self.store.add(resource)
        except Exists:
            return {"PipelineExecutionArn": arn}
        self.pipelines.ran(pipeline["PipelineArn"], document["CreationTime"])
        self.start(arn, run)
        return {"PipelineExecutionArn": arn}

    def _new(self, call: Call, pipeline: Document, version: Document, arn: str) -> Document:
        """The document of an execution that a request starts. ServiceError: it breaks a rule."""
        definition = parse(version["Definition"])
        values = execution_plans.parameters(definition, call.params.get("PipelineParameters", []))
        now, by = datetime.now(UTC), {"IamIdentity": {"Arn": call.caller}}
        usual = {name: pipeline[name] for name in ("ParallelismConfiguration",) if name in pipeline}
        document: Document = usual | {name: call.params[name] for name in GIVEN if name in call.params}
        document |= {
            "PipelineArn": pipeline["PipelineArn"],
            "PipelineExecutionArn": arn,
            "PipelineExecutionDisplayName": call.params.get(
                "PipelineExecutionDisplayName", f"execution-{int(now.timestamp() * 1000)}"
            ),
            "PipelineExecutionStatus": self.kind.running[0],
            "PipelineVersionId": version["PipelineVersionId"],
            "RoleArn": call.params.get("RoleArn", pipeline["RoleArn"]),
            **dict.fromkeys(("CreationTime", "LastModifiedTime"), now),
            **dict.fromkeys(("CreatedBy", "LastModifiedBy"), by),
            OWN: {"Parameters": values, "Steps": {}},
        }
        self._select(call, document)
        return document

    def _select(self, call: Call, document: Document) -> None:
        """Take over from an earlier execution what a selective one does not run itself."""
        config = call.params.get("SelectiveExecutionConfig")
        if not config:
            return
        source = config.get("SourcePipelineExecutionArn")
        plan = self._plan(document)
        before = self.find(source) if source else None
        if before and (before["PipelineArn"], before["PipelineExecutionStatus"]) not in (
            (document["PipelineArn"], "Succeeded"),
            (document["PipelineArn"], "Failed"),
        ):
            raise ValidationException(
                f"SourcePipelineExecutionArn {source}: it must be an execution of this pipeline that has"
                " Succeeded or Failed."
            )
        taken = reuse(plan, source or "", before[OWN]["Steps"] if before else {})
        execution_plans.check_selected(plan, taken)
        document[OWN]["Steps"] = taken

    def check(self, call: Call) -> None:
        """Executions are made by StartPipelineExecution alone."""

    def defaults(self, params: Params) -> Params:
        return params

    def make_run(self, job: Document, tags: dict[str, str]) -> PipelineRun:  # noqa: ARG002
        arn, role, region = job["PipelineExecutionArn"], job["RoleArn"], job["PipelineArn"].split(":")[3]
        results = Results(self.store, job, lambda watched: self._watch(watched, arn))
        run = PipelineRun(
            self._plan(job),
            dict(job[OWN]["Steps"]),
            lambda service: self.cloud.client_as(role, service, region),
            results,
            lambda step: self.report(arn, step),
        )
        results.run = run
        return run

    def _plan(self, job: Document) -> Plan:
        pipeline = {"PipelineArn": job["PipelineArn"], OWN: {"Version": 0}}
        version = self.pipelines.version(pipeline, job["PipelineVersionId"])
        selected = job.get("SelectiveExecutionConfig")
        return Plan(
            arn=job["PipelineExecutionArn"],
            pipeline=job["PipelineArn"],
            started=job["CreationTime"],
            definition=parse(version["Definition"]),
            parameters=job[OWN]["Parameters"],
            parallel=job.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps"),
            selected=frozenset(each["StepName"] for each in selected["SelectedSteps"]) if selected else None,
        )

    # What is asked of one that is there

    def describe(self, call: Call) -> Params:
        return told(super().describe(call))

    def list(self, call: Call) -> Params:
        checks.refused(call.params, REFUSED)
        pipeline = self.pipelines.find(self.pipelines.arn(call))
        query = listing.read_query(call, self.kind)
        query = replace(
            query,
            name_prefix=f"{pipeline['PipelineArn']}/",
            sort="Name" if query.sort == "PipelineExecutionArn" else query.sort,
        )
        found, more = self.store.page(query)
        return {self.kind.listed: [self.row(one) for one in found], "NextToken": listing.write_token(more)}

    def row(self, job: Document) -> Params:
        names = ("PipelineExecutionArn", "PipelineExecutionStatus", *GIVEN[:2])
        reason = {"PipelineExecutionFailureReason": job["FailureReason"]} if "FailureReason" in job else {}
        return {name: job[name] for name in names if name in job} | {"StartTime": job["CreationTime"]} | reason

    @operation("ListPipelineExecutionSteps")
    def list_steps(self, call: Call) -> Params:
        if "PipelineExecutionArn" not in call.params:
            raise checks.missing("pipelineExecutionArn")
        job = self.get(call)
        records = job[OWN]["Steps"]
        specs = self._plan(job).definition.steps
        within = {one.name: one for spec in specs.values() for one in spec.body}
        words = {name: (specs.get(name) or within[name.rpartition("-")[0]]).words for name in records}
        rows = [_row(name, words[name], one, records) for name, one in records.items()]
        if call.params.get("SortOrder", "Descending") == "Descending":
            rows.reverse()
        return listing.page(call, "PipelineExecutionSteps", rows, STEPS_OF_A_PAGE)

    @operation("ListPipelineParametersForExecution")
    def list_parameters(self, call: Call) -> Params:
        values = self.get(call)[OWN]["Parameters"]
        rows = [{"Name": name, "Value": execution_plans.write(value)} for name, value in values.items()]
        return listing.page(call, "PipelineParameters", rows, STEPS_OF_A_PAGE)

    @operation("DescribePipelineDefinitionForExecution")
    def describe_definition(self, call: Call) -> Params:
        job = self.get(call)
        pipeline = {"PipelineArn": job["PipelineArn"], OWN: {"Version": 0}}
        found = self.pipelines.version(pipeline, job["PipelineVersionId"])
        return {"PipelineDefinition": found["Definition"], "CreationTime": found["CreationTime"]}

    @operation("UpdatePipelineExecution")
    def update(self, call: Call) -> Params:
        arn = self.get(call)["PipelineExecutionArn"]
        given = {name: call.params[name] for name in GIVEN[:3] if name in call.params}
        found = self.store.change(arn, lambda job: job.update(given, LastModifiedTime=datetime.now(UTC)))
        run = self.runs.get(arn)
        if isinstance(run, PipelineRun) and "ParallelismConfiguration" in given:
            run.limit(found["ParallelismConfiguration"]["MaxParallelExecutionSteps"])
        return {"PipelineExecutionArn": arn}

    def stop(self, call: Call) -> Params:
        super().stop(call)
        return {"PipelineExecutionArn": call.params["PipelineExecutionArn"]}

    @operation("RetryPipelineExecution")
    def retry(self, call: Call) -> Params:
        arn, given = self.get(call)["PipelineExecutionArn"], call.params.get("ParallelismConfiguration")
        token = call.params["ClientRequestToken"]

        def edit(job: Document) -> str:
            execution_plans.check_retry(job)
            steps = job[OWN]["Steps"]
            job[OWN] |= {"Retry": token, "Steps": {name: steps[name] for name in steps if _good(steps[name])}}
            job |= {"PipelineExecutionStatus": "Executing", "LastModifiedTime": datetime.now(UTC)}
            job |= {"ParallelismConfiguration": given} if given else {}
            job.pop("FailureReason", None)
            return "Executing"

        if self.find(arn)[OWN].get("Retry") == token:
            return {"PipelineExecutionArn": arn}
        self.start(arn, self.make_run(self.store.change(arn, edit), {}))
        return {"PipelineExecutionArn": arn}

    @operation("SendPipelineExecutionStepSuccess")
    def succeed(self, call: Call) -> Params:
        outputs = {one["Name"]: one["Value"] for one in call.params.get("OutputParameters", [])}
        return self._answer(call.params["CallbackToken"], outputs)

    @operation("SendPipelineExecutionStepFailure")
    def fail(self, call: Call) -> Params:
        return self._answer(call.params["CallbackToken"], None, call.params.get("FailureReason", ""))

    def _answer(self, token: str, outputs: dict[str, str] | None, reason: str = "") -> Params:
        for arn, job in self.store.with_status(self.kind.arn, *self.kind.running):
            run = self.runs.get(arn)
            waiting = [one for one in job[OWN]["Steps"].values() if one.get("Token") == token]
            if isinstance(run, PipelineRun) and waiting and waiting[0]["Status"] in ("Executing", "Stopping"):
                run.answer(token, outputs, reason)
                return {"PipelineExecutionArn": arn}
        raise ResourceNotFound(f"No step of an execution waits for an answer with the token {token}.")

    # How a run's steps and end are kept

    def record(self, job: Document, step: Step, now: datetime) -> None:
        stays = step.status in self.kind.running and job["PipelineExecutionStatus"] == self.kind.running[-1]
        job["LastModifiedTime"] = now
        if not stays:
            job["PipelineExecutionStatus"] = step.status
        if step.status == "Failed":
            job["FailureReason"] = step.message

    def report(self, arn: str, step: Step) -> Document | None:
        found = super().report(arn, step)
        if step.status not in self.kind.running:
            for watched in [each for each, run in self._watched.copy().items() if run.plan.arn == arn]:
                self._watched.pop(watched, None)
        return found

    def recover(self, job: Document) -> None:
        """An execution that went on when the local cloud ended goes on: jobs that ended with it are begun anew."""
        run = self.make_run(job, {})
        if job["PipelineExecutionStatus"] == "Stopping":
            run.ending = STOPPED
        self.start(job["PipelineExecutionArn"], run)

    def unknown(self, name: str) -> ServiceError:
        return ResourceNotFound(f"Pipeline execution '{name}' does not exist.")

    def find(self, arn: str) -> Document:
        found: Document = super().find(arn)
        if OWN not in found or "PipelineExecutionStatus" not in found:
            raise self.unknown(arn)
        return found

    def _refusal(self, status: str, advice: str = "") -> ServiceError:
        words = f"Only pipeline executions that are Executing can be stopped; this one is {status}.{advice}"
        return ConflictException(words)

    def _watch(self, watched: str, execution: str) -> None:
        run = self.runs.get(execution)
        if isinstance(run, PipelineRun):
            self._watched[watched] = run

    def _on_change(self, change: Change) -> None:
        if run := self._watched.get(change.arn):
            run.on_change(change.arn)


def _arn(pipeline: Document, token: str) -> str:
    """The ARN of the execution that a request starts: the same request, sent again, names the same one."""
    made = f"{pipeline['PipelineArn']} {pipeline['CreationTime'].timestamp()} {token}"
    number, letters = int(hashlib.sha256(made.encode()).hexdigest(), 16), "0123456789abcdefghijklmnopqrstuvwxyz"
    name = "".join(letters[number // 36**place % 36] for place in range(12))
    return f"{pipeline['PipelineArn']}/execution/{name}"


def _good(record: Record) -> bool:
    return bool(record["Status"] == "Succeeded")


def _row(name: str, words: dict[str, str], record: Record, records: dict[str, Record]) -> Params:
    """A step as it is listed."""
    kind = record["Type"]
    facts = {one: record[one] for one in ("StartTime", "EndTime", "FailureReason") if one in record}
    row = {"StepName": name, "StepStatus": record["Status"], "Metadata": metadata(kind, record)} | words | facts
    if record.get("Attempts"):
        row["AttemptCount"] = record["Attempts"]
    if "Loop" in record:
        loop, number = record["Loop"]
        item = text_of(records[loop]["Items"][number]) if "Items" in records.get(loop, {}) else None
        row["IterationContext"] = {"ParentStepName": loop, "Index": number, "Item": item}
    for member, key in (("CacheHitResult", "CacheHit"), ("SelectiveExecutionResult", "Selected")):
        if key in record:
            row[member] = {"SourcePipelineExecutionArn": record[key]}
    return row
