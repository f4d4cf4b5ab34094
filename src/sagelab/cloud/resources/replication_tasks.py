"""DMS: replication tasks: made, started, stopped, started again, and what they have done with each table.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.html
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.engine.replication.run import ReplicationRun, drop
from sagelab.cloud.resources import replication_progress as progress
from sagelab.cloud.resources import replication_records as records
from sagelab.cloud.resources import replication_settings as settings
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.replication_endpoints import ReplicationEndpoints
from sagelab.cloud.resources.replication_instances import ReplicationInstances
from sagelab.cloud.resources.replication_progress import Progress
from sagelab.cloud.resources.replication_records import OWN, TASK, combination, invalid, state
from sagelab.cloud.store import Document, Exists, Missing, Resource
from sagelab.replication import mappings

AT_WORK = ("starting", "running", "stopping")
RESTS = ("ready", "stopped", "failed")
MOST = 6  # tasks at a time: each has a process of its own
_TOO_MANY = "The local cloud runs {} replication tasks at a time; wait for one, or stop it."
_NOT_TESTED = (
    "Test connection for replication instance and endpoint should be successful for starting the replication task"
)
_FILTERS = {
    "replication-task-arn": "ReplicationTaskArn",
    "replication-task-id": "ReplicationTaskIdentifier",
    "migration-type": "MigrationType",
    "endpoint-arn": "SourceEndpointArn",
    "replication-instance-arn": "ReplicationInstanceArn",
}
_TABLE_FILTERS = {"schema-name": "SchemaName", "table-name": "TableName", "table-state": "TableState"}
_REFUSED = ("CdcStartTime", "CdcStartPosition", "CdcStopPosition", "TaskData")


class ReplicationTasks(Family):
    """The tasks of one local cloud; those that ran when it ended go on when it is there again."""

    service = "dms"
    needs = (ReplicationInstances, ReplicationEndpoints)

    def __init__(self, cloud: Cloud, instances: ReplicationInstances, endpoints: ReplicationEndpoints) -> None:
        super().__init__(cloud)
        self._instances, self._endpoints = instances, endpoints
        self._runs: dict[str, ReplicationRun] = {}
        self._lock, self._closed = threading.Lock(), False
        for arn, task in self.store.with_status(TASK, "starting", "running"):
            self._begin(arn, task)
        for arn, _ in self.store.with_status(TASK, "stopping"):
            self._report(arn, Step("stopped", facts={"StopReason": "Stop Reason NORMAL"}))
        for arn, _ in self.store.with_status(TASK, "deleting"):
            self._endpoints.later(self._drop, arn)

    @operation("CreateReplicationTask")
    def create(self, call: Call) -> Params:
        params = call.params
        name = records.check_name(params["ReplicationTaskIdentifier"], "ReplicationTaskIdentifier")
        for refused in _REFUSED:
            if params.get(refused) is not None:
                raise invalid(f"{refused} is not something the local cloud's DMS can do.")
        instance = self._instances.find(params["ReplicationInstanceArn"])
        source, target = (self._endpoints.find(params[one]) for one in ("SourceEndpointArn", "TargetEndpointArn"))
        for endpoint, kind in ((source, "source"), (target, "target")):
            if endpoint["EndpointType"] != kind:
                raise combination(f"The {kind} endpoint of a task is of the type {kind}.")
        made = self._checked(params, settings.USUAL)
        if any(one["ReplicationTaskIdentifier"] == name for one in self.store.documents(TASK, call.region)):
            raise Beside("ResourceAlreadyExistsFault", "Replication Task already exists.")
        arn = records.arn_of(call, "task", params.get("ResourceIdentifier", ""))
        document = {
            "ReplicationTaskIdentifier": name,
            "SourceEndpointArn": source["EndpointArn"],
            "TargetEndpointArn": target["EndpointArn"],
            "ReplicationInstanceArn": instance["ReplicationInstanceArn"],
            "MigrationType": params["MigrationType"],
            **made,
            "Status": "ready",
            "ReplicationTaskCreationDate": datetime.now(UTC),
            "ReplicationTaskArn": arn,
            OWN: progress.fresh() | {"Region": call.region, "Started": False},
        }
        try:
            self.store.add(Resource(arn, TASK, call.region, name, "ready", document), records.read_tags(params))
        except Exists:
            raise Beside("ResourceAlreadyExistsFault", "Replication Task already exists.") from None
        return {"ReplicationTask": self._told(document) | {"Status": "creating"}}

    def _checked(self, params: Params, before: Params) -> Params:
        """Mappings and settings, as they are kept. Beside: they cannot be."""
        found: Params = {}
        if "TableMappings" in params:
            try:
                mappings.parse(params["TableMappings"])
            except ValueError as error:
                raise invalid(str(error)) from None
            found["TableMappings"] = params["TableMappings"]
        read = settings.read(params.get("ReplicationTaskSettings"), before)
        return found | {"ReplicationTaskSettings": json.dumps(read)}

    @operation("DescribeReplicationTasks")
    def describe(self, call: Call) -> Params:
        rows = [self._told(one) for one in self.store.documents(TASK, call.region)]
        if call.params.get("WithoutSettings"):
            rows = [{name: value for name, value in row.items() if name not in _LONG} for row in rows]
        return records.described(call, "ReplicationTasks", rows, _FILTERS)

    def _told(self, task: Document) -> Params:
        found = records.told(task) | {"ReplicationTaskStats": progress.statistics(task)}
        position = task[OWN].get("Position")
        return found | ({"RecoveryCheckpoint": progress.checkpoint(position)} if position else {})

    @operation("ModifyReplicationTask")
    def modify(self, call: Call) -> Params:
        params = call.params
        arn = params["ReplicationTaskArn"]
        task = self.find(arn)
        for refused in _REFUSED:
            if params.get(refused) is not None:
                raise invalid(f"{refused} is not something the local cloud's DMS can do.")
        made = self._checked(params, json.loads(task["ReplicationTaskSettings"]))
        if params.get("MigrationType"):
            made["MigrationType"] = params["MigrationType"]
        if params.get("ReplicationTaskIdentifier"):
            name = records.check_name(params["ReplicationTaskIdentifier"], "ReplicationTaskIdentifier")
            made["ReplicationTaskIdentifier"] = name

        def edit(document: Document) -> None:
            if document["Status"] not in RESTS:
                raise state("Replication Task cannot be modified, invalid state")
            document.update(made)

        return {"ReplicationTask": self._told(self.store.change(arn, edit))}

    @operation("StartReplicationTask")
    def start(self, call: Call) -> Params:
        params = call.params
        arn, kind = params["ReplicationTaskArn"], params["StartReplicationTaskType"]
        task = self.find(arn)
        for refused in _REFUSED[:3]:
            if params.get(refused) is not None:
                raise invalid(f"{refused} is not something the local cloud's DMS can do.")
        self._check_start(task, kind)
        now = datetime.now(UTC)

        def edit(document: Document) -> str:
            if document["Status"] not in RESTS:
                raise state("Replication Task cannot be started, invalid state")
            own = document[OWN]
            if kind != "resume-processing":
                own.update(progress.fresh())
            own |= {"Started": True, "StartedAt": now, "StoppedAt": None, "Flag": kind}
            progress.retry_tables(own)
            for name in ("StopReason", "LastFailureMessage"):
                document.pop(name, None)
            document |= {"Status": "starting", "ReplicationTaskStartDate": now}
            return "starting"

        with self._lock:
            if len(self._runs) >= MOST:
                raise Beside("InsufficientResourceCapacityFault", _TOO_MANY.format(MOST))
        found = self.store.change(arn, edit)
        self._begin(arn, found)
        return {"ReplicationTask": self._told(found)}

    def _check_start(self, task: Document, kind: str) -> None:
        started, loads = task[OWN]["Started"], task["MigrationType"] != "cdc"
        if task["Status"] not in RESTS:
            raise state("Replication Task cannot be started, invalid state")
        if kind == "start-replication" and started and loads:
            raise combination("Start Type : START_REPLICATION, valid only for tasks running for the first time")
        if kind != "start-replication" and not started:
            word = kind.replace("-", "_").upper()
            raise combination(f"Start Type : {word}, not valid for tasks running for the first time")
        if kind == "reload-target" and not loads:
            raise combination("Start Type : RELOAD_TARGET, not valid for tasks of the migration type cdc")
        for endpoint in (task["SourceEndpointArn"], task["TargetEndpointArn"]):
            if not self._endpoints.is_tested(task["ReplicationInstanceArn"], endpoint):
                raise state(_NOT_TESTED)

    def _begin(self, arn: str, task: Document) -> None:
        """Run a task, from what is kept of it on."""
        kept = Progress(self.cloud, self._endpoints, arn, task[OWN]["Region"])
        run = ReplicationRun(arn, kept, partial(self._report, arn))
        with self._lock:
            self._runs[arn] = run
            if self._closed:
                run.interrupt()
        run.start()

    def _report(self, arn: str, step: Step) -> None:
        """A task has come to a state."""
        status = "failed" if step.status == "Failed" else step.status
        over, facts = status not in AT_WORK, dict(step.facts)
        if step.status == "Failed":
            facts |= progress.failed(step.message)

        def edit(task: Document) -> str:
            if task["Status"] in AT_WORK and not (task["Status"] == "stopping" and not over):
                task |= facts | {"Status": status}
                if over:
                    task[OWN]["StoppedAt"] = datetime.now(UTC)
            return str(task["Status"])

        if over:
            with self._lock:
                self._runs.pop(arn, None)
        with suppress(Missing):
            self.store.change(arn, edit)

    @operation("StopReplicationTask")
    def stop(self, call: Call) -> Params:
        arn = call.params["ReplicationTaskArn"]
        self.find(arn)

        def edit(task: Document) -> str:
            if task["Status"] not in ("starting", "running"):
                raise state(f"Replication Task is not running, it is {task['Status']}.")
            task["Status"] = "stopping"
            return "stopping"

        found = self.store.change(arn, edit)
        with self._lock:
            run = self._runs.get(arn)
        if run is not None:
            run.stop()
        return {"ReplicationTask": self._told(found)}

    @operation("DeleteReplicationTask")
    def delete(self, call: Call) -> Params:
        """Its replication slot goes, too, or the triggers that it has made."""
        arn = call.params["ReplicationTaskArn"]
        self.find(arn)

        def edit(task: Document) -> str:
            if task["Status"] not in RESTS:
                raise state("Replication Task cannot be deleted, invalid state")
            task["Status"] = "deleting"
            return "deleting"

        found = self.store.change(arn, edit)
        self._endpoints.later(self._drop, arn)
        return {"ReplicationTask": self._told(found)}

    def _drop(self, arn: str) -> None:
        with suppress(Missing):
            task = self.store.get(arn)
            drop(Progress(self.cloud, self._endpoints, arn, task[OWN]["Region"]))
            if not self._closed:
                self.store.remove(arn)

    def find(self, arn: str) -> Document:
        """Beside: there is none of that ARN."""
        return records.find(self.store, arn, "task", "Replication Task")

    # Tables

    @operation("DescribeTableStatistics")
    def tables(self, call: Call) -> Params:
        arn = call.params["ReplicationTaskArn"]
        rows = [progress.table_statistics(one) for one in self.find(arn)[OWN]["Tables"]]
        for one in call.params.get("Filters") or []:
            if one["Name"] not in _TABLE_FILTERS:
                raise invalid(f"Unsupported filter: {one['Name'][:60]}")
            rows = [row for row in rows if row[_TABLE_FILTERS[one["Name"]]] in one["Values"]]
        size = max(1, min(int(call.params.get("MaxRecords", 100)), 500))
        return {"ReplicationTaskArn": arn} | records.paged(call, "TableStatistics", rows, size)

    @operation("ReloadTables")
    def reload(self, call: Call) -> Params:
        params = call.params
        arn = params["ReplicationTaskArn"]
        task = self.find(arn)
        if params.get("ReloadOption", "data-reload") != "data-reload":
            raise invalid("Nothing is validated by the local cloud's DMS: the ReloadOption is data-reload.")
        if task["Status"] != "running" or task["MigrationType"] == "cdc":
            raise state("Tables can be reloaded of a running task alone, which loads tables.")
        wanted = [(one["SchemaName"], one["TableName"]) for one in params["TablesToReload"]]
        known = {(one["schema"], one["table"]) for one in task[OWN]["Tables"]}
        if set(wanted) - known:
            raise invalid(f"The task has no table {sorted(set(wanted) - known)[0]}.")
        with self._lock:
            run = self._runs.get(arn)
        if run is not None:
            run.reload(wanted)
        return {"ReplicationTaskArn": arn}

    def close(self) -> None:
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()


_LONG: tuple[Any, ...] = ("TableMappings", "ReplicationTaskSettings")
