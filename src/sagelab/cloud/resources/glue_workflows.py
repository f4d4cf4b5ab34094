"""Glue's workflows: triggers, jobs and crawlers as one thing, its runs, and what they tell each other.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-workflow.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.lake.crawls import GROUP
from sagelab.cloud.resources import listing, workflow_graphs, workflow_runs
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.firings import OWN, PENDING
from sagelab.cloud.resources.glue_conductor import OPEN, arn_of, run_arn
from sagelab.cloud.resources.glue_rules import MOST_ARGUMENTS, invalid
from sagelab.cloud.resources.glue_triggers import GlueTriggers
from sagelab.cloud.resources.trigger_rules import JOB
from sagelab.cloud.resources.workflow_graphs import Key
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND = "glue-workflow"
RUNS = 100  # on a page
_KEPT = ("Description", "DefaultRunProperties", "MaxConcurrentRuns")
_NO_STATE = "Workflow run {} is in state {}."


class GlueWorkflows(Family):
    """The workflows of one local cloud. Their tags are where all tags of Glue's are."""

    service = "glue"
    needs = (GlueTriggers,)

    def __init__(self, cloud: Cloud, triggers: GlueTriggers) -> None:
        super().__init__(cloud)
        self._triggers, self._conductor = triggers, triggers.conductor

    @operation("CreateWorkflow")
    def create(self, call: Call) -> Params:
        params, now = call.params, datetime.now(UTC)
        made = {name: params[name] for name in _KEPT if name in params}
        _check(made)
        made |= {"Name": params["Name"], "CreatedOn": now, "LastModifiedOn": now}
        arn = _arn(call)
        try:
            self.store.add(Resource(arn, KIND, call.region, params["Name"], "there", made))
        except Exists:
            raise Beside("AlreadyExistsException", f"Workflow with name {params['Name']} already exists") from None
        if params.get("Tags"):
            self.cloud.client("glue", call.region).tag_resource(ResourceArn=arn, TagsToAdd=params["Tags"])
        return {"Name": params["Name"]}

    @operation("UpdateWorkflow")
    def update(self, call: Call) -> Params:
        self._find(call)
        changed = {name: call.params[name] for name in _KEPT if name in call.params}
        _check(changed)
        self.store.change(_arn(call), lambda one: one.update(changed | {"LastModifiedOn": datetime.now(UTC)}))
        return {"Name": call.params["Name"]}

    @operation("DeleteWorkflow")
    def delete(self, call: Call) -> Params:
        """With its triggers and what is known of its runs; jobs and crawlers stay. One that is not there, too."""
        name, glue = call.params["Name"], self.cloud.client("glue", call.region)
        if self.store.has(_arn(call)):
            for trigger in self._conductor.triggers_of(_where(call), name):
                self._triggers.remove(_where(call), trigger["Name"])
            for run in self._runs(call):
                self.store.remove(run_arn(_where(call), name, run["WorkflowRunId"]))
            if tags := glue.get_tags(ResourceArn=_arn(call))["Tags"]:
                glue.untag_resource(ResourceArn=_arn(call), TagsToRemove=list(tags))
            self.store.remove(_arn(call))
        return {"Name": name}

    @operation("GetWorkflow")
    def get(self, call: Call) -> Params:
        return {"Workflow": self._told(call, self._find(call))}

    @operation("ListWorkflows")
    def list_names(self, call: Call) -> Params:
        names = sorted(str(one["Name"]) for one in self.store.documents(KIND, call.region))
        return listing.page(call, "Workflows", names, 25)  # type: ignore[arg-type]

    @operation("BatchGetWorkflows")
    def get_many(self, call: Call) -> Params:
        names = call.params["Names"]
        there = {str(one["Name"]): one for one in self.store.documents(KIND, call.region)}
        missing = [name for name in names if name not in there]
        found = [self._told(call, there[name]) for name in names if name in there]
        return {"Workflows": found} | ({"MissingWorkflows": missing} if missing else {})

    def _told(self, call: Call, workflow: Document) -> Params:
        found: Params = dict(workflow)
        if last := next(iter(self._runs(call, workflow["Name"])), None):
            found["LastRun"] = self._run_told(call, last)
        if call.params.get("IncludeGraph"):
            triggers = self._conductor.triggers_of(_where(call), workflow["Name"])
            found["Graph"] = workflow_graphs.graph(workflow["Name"], triggers, workflow_graphs.design)
        return found

    # Runs

    @operation("StartWorkflowRun")
    def start(self, call: Call) -> Params:
        given = call.params.get("RunProperties") or {}
        _check({"DefaultRunProperties": given})
        return {"RunId": self._conductor.begin(_where(call), call.params["Name"], given, {})}

    @operation("GetWorkflowRun")
    def get_run(self, call: Call) -> Params:
        return {"Run": self._run_told(call, self._find_run(call))}

    @operation("GetWorkflowRuns")
    def get_runs(self, call: Call) -> Params:
        self._find(call)
        found = [self._run_told(call, one) for one in self._runs(call)]
        return listing.page(call, "Runs", found, RUNS)

    def _runs(self, call: Call, name: str = "") -> list[Document]:
        """Newest first."""
        rows = self.store.documents(workflow_runs.KIND, call.region)
        name = name or call.params["Name"]
        return sorted((one for one in rows if one["Name"] == name), key=lambda one: one["StartedOn"], reverse=True)

    def _run_told(self, call: Call, run: Document) -> Params:
        found = {name: value for name, value in run.items() if name != OWN}
        found["Statistics"] = workflow_runs.statistics(run)
        if call.params.get("IncludeGraph"):
            found["Graph"] = workflow_graphs.graph(
                run["Name"], run[OWN]["Triggers"], lambda key: self._details(call, run, key)
            )
        return found

    def _details(self, call: Call, run: Document, key: Key) -> Document:
        """What has become of a job or a crawler in a run."""
        actions = [
            one for one in run[OWN]["Actions"] if (one["Kind"], one["Name"]) == key and one["State"] != PENDING
        ]
        if key[0] == JOB:
            return {
                "JobDetails": {"JobRuns": [self._triggers.conductor.job_run(_where(call), one) for one in actions]}
            }
        crawls = [self._conductor.crawl(_where(call), one) for one in actions]
        return {"CrawlerDetails": {"Crawls": [one | {"LogGroup": GROUP, "LogStream": key[1]} for one in crawls]}}

    @operation("StopWorkflowRun")
    def stop(self, call: Call) -> Params:
        run = self._find_run(call)

        def edit(one: Document) -> str:
            if one["Status"] != workflow_runs.RUNNING:
                words = _NO_STATE.format(one["WorkflowRunId"], one["Status"])
                raise Beside("IllegalWorkflowStateException", words)
            one["Status"] = workflow_runs.STOPPING
            return workflow_runs.STOPPING

        arn = run_arn(_where(call), run["Name"], run["WorkflowRunId"])
        self.store.change(arn, edit)
        self._conductor.attend(arn)
        return {}

    @operation("ResumeWorkflowRun")
    def resume(self, call: Call) -> Params:
        """https://docs.aws.amazon.com/glue/latest/dg/resuming-workflow.html"""
        before, nodes = self._find_run(call), call.params["NodeIds"]
        if before["Status"] in OPEN:
            raise Beside(
                "IllegalWorkflowStateException", _NO_STATE.format(before["WorkflowRunId"], before["Status"])
            )
        try:
            run = workflow_runs.resumed(before, nodes)
        except KeyError as error:
            raise invalid(f"Node {error.args[0]} has no run in workflow run {before['WorkflowRunId']}.") from None
        most = self._find(call).get("MaxConcurrentRuns")
        return {"RunId": self._conductor.keep(_where(call), run, most), "NodeIds": nodes}

    @operation("GetWorkflowRunProperties")
    def properties(self, call: Call) -> Params:
        return {"RunProperties": self._find_run(call)["WorkflowRunProperties"]}

    @operation("PutWorkflowRunProperties")
    def put_properties(self, call: Call) -> Params:
        run = self._find_run(call)

        def edit(one: Document) -> None:
            one["WorkflowRunProperties"] |= call.params["RunProperties"]
            _check({"DefaultRunProperties": one["WorkflowRunProperties"]})

        self.store.change(run_arn(_where(call), run["Name"], run["WorkflowRunId"]), edit)
        return {}

    def _find(self, call: Call) -> Document:
        try:
            return self.store.get(_arn(call))
        except Missing:
            raise Beside("EntityNotFoundException", "Entity not found") from None

    def _find_run(self, call: Call) -> Document:
        self._find(call)
        name = call.params["Name"]
        try:
            found = self.store.get(run_arn(_where(call), name, call.params["RunId"]))
        except Missing:
            found = {}
        if found.get("Name") != name:  # a name may have slashes
            raise Beside("EntityNotFoundException", "Entity not found")
        return found


def _check(asked: Params) -> None:
    """Beside: it is no workflow."""
    properties = asked.get("DefaultRunProperties") or {}
    if sum(len(part) for pair in properties.items() for part in pair) > MOST_ARGUMENTS:
        raise invalid("Request size limit exceeded")
    if asked.get("MaxConcurrentRuns", 1) < 1:
        raise invalid("MaxConcurrentRuns is at least 1.")


def _where(call: Call) -> str:
    return f"{call.region}:{call.account}"


def _arn(call: Call) -> str:
    return arn_of(_where(call), "workflow", call.params["Name"])
