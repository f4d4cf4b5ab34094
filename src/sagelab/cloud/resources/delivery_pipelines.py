"""CodePipeline: pipelines and their executions.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import botocore.exceptions

from sagelab.cloud.context import DELIVERY, Cloud
from sagelab.cloud.engine.delivery.run import RUNNING, DeliveryRun, Surroundings
from sagelab.cloud.engine.delivery.stages import Stages
from sagelab.cloud.resources import delivery_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.repositories import Repositories
from sagelab.cloud.store import Change, Document, Exists, Missing, Resource

PIPELINE, EXECUTION = "codepipeline-pipeline", "codepipeline-execution"
WATCHED = frozenset({"codebuild-build", "endpoint", "notebook-instance"})  # kinds that an action may wait for

log = logging.getLogger("sagelab")


class DeliveryPipelines(Family):
    """The family of CodePipeline."""

    service = "codepipeline"
    needs = (Repositories,)

    def __init__(self, cloud: Cloud, repositories: Repositories) -> None:
        super().__init__(cloud)
        self._repositories = repositories
        self._runs: dict[str, DeliveryRun] = {}
        self._stages: dict[str, Stages] = defaultdict(Stages)
        self._lock, self._closed = threading.Lock(), False
        repositories.listeners.append(self._on_push)
        self.store.listen(self._on_change)
        for _, execution in self.store.with_status(EXECUTION, RUNNING, "Stopping"):
            threading.Timer(0, self._go_on, [execution]).start()

    # Pipelines

    @operation("CreatePipeline")
    def create(self, call: Call) -> Params:
        declaration = call.params["pipeline"] | {"version": 1}
        self._check(declaration)
        now, arn = datetime.now(UTC), _arn(call, declaration["name"])
        document = {"pipeline": declaration, "metadata": {"pipelineArn": arn, "created": now, "updated": now}}
        tags = {tag["key"]: tag["value"] for tag in call.params.get("tags", [])}
        try:
            self.store.add(Resource(arn, PIPELINE, call.region, declaration["name"], "", document), tags)
        except Exists:
            raise Beside("PipelineNameInUseException", f"A pipeline named {declaration['name']} exists.") from None
        self._start(arn, declaration, "CreatePipeline", call.caller)
        return {"pipeline": declaration, "tags": call.params.get("tags", [])}

    @operation("GetPipeline")
    def get(self, call: Call) -> Params:
        found = self._find(call, call.params["name"])
        return {name: found[name] for name in ("pipeline", "metadata")}

    @operation("UpdatePipeline")
    def update(self, call: Call) -> Params:
        declaration = call.params["pipeline"]
        before = self._find(call, declaration["name"])["pipeline"]
        declaration = declaration | {"version": before["version"] + 1}
        self._check(declaration)

        def edit(document: Document) -> None:
            document["pipeline"] = declaration
            document["metadata"]["updated"] = datetime.now(UTC)

        self.store.change(_arn(call, declaration["name"]), edit)
        return {"pipeline": declaration}

    @operation("DeletePipeline")
    def delete(self, call: Call) -> Params:
        arn = _arn(call, call.params["name"])
        for execution in self._executions(arn):
            self._stop(execution)
        try:
            self.store.remove(arn)
        except Missing:
            log.info("there is no pipeline %s to delete", arn)
        return {}

    @operation("ListPipelines")
    def list_pipelines(self, call: Call) -> Params:
        found = []
        for each in self.store.documents(PIPELINE, call.region):
            facts = {name: each["pipeline"][name] for name in ("name", "version")}
            found.append(facts | {name: each["metadata"][name] for name in ("created", "updated")})
        return {"pipelines": sorted(found, key=lambda each: str(each["name"]))}

    # Executions

    @operation("StartPipelineExecution")
    def start(self, call: Call) -> Params:
        if call.params.get("sourceRevisions"):
            raise Beside("ValidationException", "sourceRevisions is not something the local cloud can do.")
        found = self._find(call, call.params["name"])
        given = {each["name"]: each["value"] for each in call.params.get("variables", [])}
        arn = found["metadata"]["pipelineArn"]
        by_event = call.caller.rpartition("/")[2] in ("events", "EventBridge")
        why = "CloudWatchEvent" if by_event else "StartPipelineExecution"
        key = self._start(arn, found["pipeline"], why, call.caller, given)
        return {"pipelineExecutionId": key}

    @operation("StopPipelineExecution")
    def stop(self, call: Call) -> Params:
        execution = self._execution(call)
        if execution["status"] != RUNNING:
            reason = f"The execution is {execution['status']}."
            raise Beside("PipelineExecutionNotStoppableException", reason)
        self._stop(execution)
        return {"pipelineExecutionId": execution["pipelineExecutionId"]}

    @operation("GetPipelineExecution")
    def execution(self, call: Call) -> Params:
        found = self._execution(call)
        members = ("pipelineName", "pipelineVersion", "pipelineExecutionId", "status", "trigger")
        revisions = [
            {"name": each["actionName"], **_without_name(each)} for each in found.get("sourceRevisions", [])
        ]
        return {"pipelineExecution": {name: found[name] for name in members} | {"artifactRevisions": revisions}}

    @operation("ListPipelineExecutions")
    def list_executions(self, call: Call) -> Params:
        self._find(call, call.params["pipelineName"])
        members = ("pipelineExecutionId", "status", "startTime", "lastUpdateTime", "sourceRevisions", "trigger")
        found = self._executions(_arn(call, call.params["pipelineName"]))
        rows = [{name: each[name] for name in members if name in each} for each in found]
        return {"pipelineExecutionSummaries": rows[: call.params.get("maxResults") or 100]}

    @operation("GetPipelineState")
    def state(self, call: Call) -> Params:
        found = self._find(call, call.params["name"])
        executions = self._executions(_arn(call, call.params["name"]))
        stages = [_stage_state(stage, executions) for stage in found["pipeline"]["stages"]]
        facts = {"pipelineName": found["pipeline"]["name"], "pipelineVersion": found["pipeline"]["version"]}
        return facts | {"stageStates": stages} | {name: found["metadata"][name] for name in ("created", "updated")}

    @operation("ListActionExecutions")
    def list_actions(self, call: Call) -> Params:
        self._find(call, call.params["pipelineName"])
        wanted = call.params.get("filter", {}).get("pipelineExecutionId")
        rows = [
            _action_row(execution, record)
            for execution in self._executions(_arn(call, call.params["pipelineName"]))
            if wanted in (None, execution["pipelineExecutionId"])
            for record in reversed(execution["actions"])
        ]
        return {"actionExecutionDetails": rows[: call.params.get("maxResults") or 100]}

    @operation("PutApprovalResult")
    def approve(self, call: Call) -> Params:
        asked, now = call.params, datetime.now(UTC)
        found = self._find(call, asked["pipelineName"])["pipeline"]
        stage = next((each for each in found["stages"] if each["name"] == asked["stageName"]), None)
        if stage is None:
            raise Beside("StageNotFoundException", f"There is no stage {asked['stageName']}.")
        if asked["actionName"] not in {each["name"] for each in stage["actions"]}:
            raise Beside("ActionNotFoundException", f"There is no action {asked['actionName']}.")
        for execution in self._executions(_arn(call, asked["pipelineName"])):
            if self._take(execution, asked):
                return {"approvedAt": now}
        raise Beside("InvalidApprovalTokenException", "The approval token is not that of an action that waits.")

    def _take(self, execution: Document, asked: Params) -> bool:
        """Whether an action of an execution waits for this result, which it has from now on."""
        taken: list[bool] = []

        def edit(document: Document) -> None:
            for record in document["actions"]:
                place = (record["stageName"], record["actionName"], record.get("token"))
                if place == (asked["stageName"], asked["actionName"], asked["token"]) and "result" not in record:
                    record["result"] = asked["result"]
                    taken.append(True)

        try:
            self.store.change(execution["arn"], edit)
        except Missing:
            return False
        if taken and (run := self._runs.get(execution["arn"])):
            run.look()
        return bool(taken)

    # Their lives

    def _start(
        self, arn: str, declaration: Document, why: str, who: str, given: dict[str, str] | None = None
    ) -> str:
        key, now = str(uuid.uuid4()), datetime.now(UTC)
        defaults = {each["name"]: each.get("defaultValue", "") for each in declaration.get("variables", [])}
        execution: Document = {
            "arn": f"{arn}/{key}",
            "pipelineName": declaration["name"],
            "pipelineVersion": declaration["version"],
            "pipelineExecutionId": key,
            "status": RUNNING,
            "startTime": now,
            "lastUpdateTime": now,
            "trigger": {"triggerType": why, "triggerDetail": who},
            "declaration": declaration,
            "variables": defaults | (given or {}),
            "actions": [],
        }
        region = arn.split(":")[3]
        self.store.add(Resource(execution["arn"], EXECUTION, region, key, RUNNING, execution))
        self._go_on(execution)
        return key

    def _go_on(self, execution: Document) -> None:
        arn, region = execution["arn"], execution["arn"].split(":")[3]
        around = Surroundings(
            client=lambda role, service: self.cloud.client_as(role, service, region, DELIVERY),
            archive=partial(self._archive, region),
            keep=partial(self._keep, arn),
            look=partial(self._look, arn),
            stages=self._stages[arn.rpartition("/")[0]],
        )
        run = DeliveryRun(execution, around)
        with self._lock:
            if self._closed:
                return
            self._runs[arn] = run
        run.start()

    def _archive(self, region: str, name: str, commit: str, file: IO[bytes]) -> None:
        """A commit of a repository as a zip. LookupError: it is gone."""
        record = self._repositories.lookup(region, self.cloud.account, name)
        if record is None:
            raise LookupError(f"The repository {name} is gone.")
        with tempfile.TemporaryDirectory(dir=self.cloud.home.repositories, prefix="archive-") as folder:
            packed = Path(folder, "it.zip")
            self._repositories.of(record).archive(commit, packed)
            with packed.open("rb") as made:
                shutil.copyfileobj(made, file)

    def _keep(self, arn: str, edit: Any) -> Document | None:
        def change(document: Document) -> str:
            edit(document)
            return str(document["status"])

        try:
            found = self.store.change(arn, change)
        except Missing:
            return None
        if found["status"] != RUNNING:
            with self._lock:
                self._runs.pop(arn, None)
        return found

    def _look(self, arn: str) -> Document | None:
        try:
            return self.store.get(arn)
        except Missing:
            return None

    def _stop(self, execution: Document) -> None:
        with self._lock:
            run = self._runs.get(execution["arn"])
        if run:
            run.stop()

    def _on_change(self, change: Change) -> None:
        """Whoever waits looks again."""
        if change.kind in WATCHED:
            with self._lock:
                runs = list(self._runs.values())
            for run in runs:
                run.look()

    def _on_push(self, region: str, repository: str, branch: str) -> None:
        """Pipelines that look for changes themselves find one at once."""
        for found in list(self.store.documents(PIPELINE, region)):
            declaration = found["pipeline"]
            if delivery_rules.polls(declaration, repository, branch):
                self._start(found["metadata"]["pipelineArn"], declaration, "PollForSourceChanges", branch)

    def close(self) -> None:
        """The local cloud ends; what waits goes on after the next start."""
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()

    # Looking up

    def _check(self, declaration: Document) -> None:
        delivery_rules.check(declaration)
        role = declaration["roleArn"]
        try:
            self.cloud.assuming(DELIVERY).assume_role(RoleArn=role, RoleSessionName="CodePipeline")
        except botocore.exceptions.ClientError:
            reason = f"CodePipeline is not authorized to perform AssumeRole on role {role}"
            raise Beside("InvalidStructureException", reason) from None

    def _find(self, call: Call, name: str) -> Document:
        found = self._look(_arn(call, name))
        if found is None:
            reason = f"Account '{call.account}' does not have a pipeline with name '{name}'"
            raise Beside("PipelineNotFoundException", reason)
        return found

    def _executions(self, arn: str) -> list[Document]:
        """Those of a pipeline, newest first."""
        region = arn.split(":")[3]
        found = [each for each in self.store.documents(EXECUTION, region) if each["arn"].startswith(f"{arn}/")]
        return sorted(found, key=lambda each: each["startTime"], reverse=True)

    def _execution(self, call: Call) -> Document:
        self._find(call, call.params["pipelineName"])
        key = call.params["pipelineExecutionId"]
        found = self._look(f"{_arn(call, call.params['pipelineName'])}/{key}")
        if found is None:
            raise Beside("PipelineExecutionNotFoundException", f"There is no execution {key}.")
        return found


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:codepipeline:{call.region}:{call.account}:{name}"


def _without_name(revision: Document) -> Params:
    return {name: value for name, value in revision.items() if name != "actionName"}


def _stage_state(stage: Document, executions: list[Document]) -> Params:
    """What became of a stage in the newest execution that has come to it."""
    state: Params = {"stageName": stage["name"], "inboundTransitionState": {"enabled": True}, "actionStates": []}
    newest = next((each for each in executions if _records(each, stage["name"])), None)
    records = {each["actionName"]: each for each in _records(newest, stage["name"])} if newest else {}
    if newest:
        statuses = {record["status"] for record in records.values()}
        whole = len(records) == len(stage["actions"]) and statuses == {"Succeeded"}
        ended = "Failed" if "Failed" in statuses else "Stopped" if "Abandoned" in statuses else RUNNING
        status = "Succeeded" if whole else ended
        state["latestExecution"] = {"pipelineExecutionId": newest["pipelineExecutionId"], "status": status}
    for action in stage["actions"]:
        record = records.get(action["name"])
        row: Params = {"actionName": action["name"]}
        if record:
            row["latestExecution"] = _latest(record)
        if record and record.get("revision"):
            row["currentRevision"] = {"revisionId": record["revision"], "created": record["startTime"]}
            row["currentRevision"]["revisionChangeId"] = record["revision"]
        state["actionStates"].append(row)
    return state


def _records(execution: Document, stage: str) -> list[Document]:
    return [each for each in execution["actions"] if each["stageName"] == stage]


def _latest(record: Document) -> Params:
    found = {
        "actionExecutionId": record["actionExecutionId"],
        "status": record["status"],
        "summary": record.get("summary"),
        "lastStatusChange": record["lastUpdateTime"],
        "token": record.get("token"),
        "externalExecutionId": record.get("external"),
        "errorDetails": record.get("error"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _action_row(execution: Document, record: Document) -> Params:
    members = ("actionExecutionId", "stageName", "actionName", "startTime", "lastUpdateTime", "status")
    facts = {name: execution[name] for name in ("pipelineExecutionId", "pipelineVersion")}
    result = {"externalExecutionId": record.get("external"), "errorDetails": record.get("error")}
    kept = {name: value for name, value in result.items() if value is not None}
    output = {"executionResult": kept, "outputVariables": record.get("variables", {})}
    return facts | {name: record[name] for name in members} | {"output": output}
