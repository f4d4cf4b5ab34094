"""The executions of monitoring schedules: what ListMonitoringExecutions tells.

What happens in one is engine/monitoring's matter: real processing jobs, whose changes the store tells of.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from sagelab.catalog import Kind
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.images import registry
from sagelab.cloud.engine.monitoring import expressions
from sagelab.cloud.engine.monitoring.execution import ExecutionRun
from sagelab.cloud.engine.monitoring.jobs import Plan
from sagelab.cloud.errors import ServiceError, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.jobs import Jobs
from sagelab.cloud.resources.monitoring_definitions import (
    DataQualityJobDefinitions,
    ModelBiasJobDefinitions,
    ModelExplainabilityJobDefinitions,
    ModelQualityJobDefinitions,
    MonitoringDefinitions,
)
from sagelab.cloud.resources.processing_jobs import ProcessingJobs
from sagelab.cloud.resources.records import OWN
from sagelab.cloud.store import Change, Document, Query

CODE = 12  # bytes at the end of the names of an execution's jobs
HIDDEN = (OWN, "MonitoringExecutionName", "MonitoringExecutionArn", "EndTime")


class MonitoringExecutions(Jobs):
    """The executions of one local cloud. They have no Describe and no name of their own: no row of the catalog."""

    kind = Kind(
        "monitoring-execution",
        "MonitoringExecution",
        "monitoring execution",
        verbs=(),
        running=("Pending", "InProgress", "Stopping"),
        ended=("Completed", "CompletedWithViolations", "Failed", "Stopped"),
        ends_member="EndTime",
    )
    needs = (
        ProcessingJobs,
        Endpoints,
        DataQualityJobDefinitions,
        ModelQualityJobDefinitions,
        ModelBiasJobDefinitions,
        ModelExplainabilityJobDefinitions,
    )

    def __init__(
        self, cloud: Cloud, processing: ProcessingJobs, endpoints: Endpoints, *definitions: MonitoringDefinitions
    ) -> None:
        self.processing, self.endpoints = processing, endpoints
        self.definitions = {family.word: family for family in definitions}
        cloud.store.listen(self._on_change)
        super().__init__(cloud)

    def definition(self, config: Params, where: str) -> Params:
        """What a MonitoringScheduleConfig runs, as MonitoringJobDefinition has it. ServiceError: it is not there.

        where: "REGION:ACCOUNT".
        """
        if "MonitoringJobDefinition" in config:
            found: Params = config["MonitoringJobDefinition"]
            return found
        family = self.definitions[config["MonitoringType"]]
        return family.job(family.find(family.kind.arn_of(config["MonitoringJobDefinitionName"], where)))

    def begin(self, schedule: Document, scheduled: datetime) -> None:
        """Start an execution of a schedule, of which this is the document."""
        arn, config = schedule["MonitoringScheduleArn"], schedule["MonitoringScheduleConfig"]
        code, now = secrets.token_hex(CODE), datetime.now(UTC)
        document = {
            "MonitoringExecutionName": f"{schedule['MonitoringScheduleName']}/{code}",
            "MonitoringExecutionArn": arn.replace(":monitoring-schedule/", f":{self.kind.arn}/") + f"/{code}",
            "MonitoringScheduleName": schedule["MonitoringScheduleName"],
            "ScheduledTime": scheduled,
            **dict.fromkeys(("CreationTime", "LastModifiedTime"), now),
            "MonitoringExecutionStatus": "Pending",
            "EndpointName": schedule["EndpointName"],
            "MonitoringType": config["MonitoringType"],
            OWN: {"Config": config},
        }
        if "MonitoringJobDefinitionName" in config:
            document["MonitoringJobDefinitionName"] = config["MonitoringJobDefinitionName"]
        self.launch(document, self.make_run(document, {}), {})

    def make_run(self, job: Document, tags: dict[str, str]) -> ExecutionRun:  # noqa: ARG002
        arn = job["MonitoringExecutionArn"]
        return ExecutionRun(
            arn,
            lambda: self._plan(job),
            lambda role: self.cloud.client_as(role, "s3", arn.split(":")[3]),
            lambda request: self._create(arn, request),
            self.processing.find,
            lambda step: self.report(arn, step),
        )

    def _plan(self, execution: Document) -> Plan:
        arn, scheduled = execution["MonitoringExecutionArn"], execution["ScheduledTime"]
        where, config = ":".join(arn.split(":")[3:5]), execution[OWN]["Config"]
        job = self.definition(config, where)
        baselining = job.get("BaselineConfig", {}).get("BaseliningJobName")
        return Plan(
            execution["MonitoringScheduleName"],
            execution["MonitoringType"],
            job,
            self._captured(execution["EndpointName"], where),
            scheduled,
            expressions.window(
                scheduled, config.get("ScheduleConfig", {}), job["MonitoringInputs"][0]["EndpointInput"]
            ),
            arn.rpartition("/")[2],
            registry.address(registry.MERGER, arn.split(":")[3]),
            self.processing.kind.arn_of(baselining, where) if baselining else "",
        )

    def _captured(self, endpoint: str, where: str) -> channels.Location:
        """Where the data of an endpoint goes. ValidationException: it is not there, or captures none."""
        config = self.endpoints.find(self.endpoints.kind.arn_of(endpoint, where)).get("DataCaptureConfig")
        if config is None or not config.get("EnableCapture"):
            raise ValidationException(f'Data capture is not enabled for endpoint "{endpoint}".')
        return channels.locate(config["DestinationS3Uri"])

    def _create(self, arn: str, request: dict[str, Any]) -> str:
        region, account = arn.split(":")[3:5]
        call = Call("CreateProcessingJob", request, region, account, f"arn:aws:iam::{account}:root")
        return str(self.processing.create(call)["ProcessingJobArn"])

    def _on_change(self, change: Change) -> None:
        for run in [*self.runs.values()]:
            if isinstance(run, ExecutionRun) and run.awaited == change.arn:
                run.changed.set()

    @operation("ListMonitoringExecutions")
    def list_executions(self, call: Call) -> Params:
        found = self.store.documents(self.kind.arn, call.region)
        rows = [self.row(each) for each in found]
        return listing.filtered(call, "MonitoringExecutionSummaries", rows, "MonitoringScheduleName")

    def row(self, job: Document) -> Params:
        return {name: value for name, value in job.items() if name not in HIDDEN}

    def last(self, region: str, schedule: str) -> Params | None:
        """The newest execution of a schedule by its name, as a List shows it."""
        found, _ = self.store.page(Query(self.kind.arn, region, name_prefix=f"{schedule}/", limit=1))
        return self.row(found[0]) if found else None

    def check(self, call: Call) -> None:
        """Executions are made by schedules alone."""

    def defaults(self, params: Params) -> Params:
        return params

    def unknown(self, name: str) -> ServiceError:
        return ValidationException(f'Could not find monitoring execution "{name}".')
