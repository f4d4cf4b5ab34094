"""Monitoring schedules: Create, Describe, List, Update, Start, Stop, Delete.

One thread waits for what is due. A schedule that was there when the local cloud ended is due again at its next
time; a time that passed meanwhile is not made up for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.monitoring import expressions
from sagelab.cloud.engine.monitoring.expressions import Expression
from sagelab.cloud.engine.monitoring.timer import Timer
from sagelab.cloud.errors import ResourceInUse, ResourceNotFound, ServiceError, ValidationException
from sagelab.cloud.resources import listing, monitoring_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.monitoring_executions import MonitoringExecutions
from sagelab.cloud.resources.records import Records, told
from sagelab.cloud.store import Document, Missing


class MonitoringSchedules(Records):
    """The family of monitoring schedules of one local cloud. clock: the time, aware, in UTC."""

    kind = catalog.of_stem("MonitoringSchedule")
    needs = (MonitoringExecutions, Endpoints)
    summary = (
        "MonitoringScheduleName",
        "MonitoringScheduleArn",
        "CreationTime",
        "LastModifiedTime",
        "MonitoringScheduleStatus",
        "EndpointName",
        "MonitoringType",
    )

    def __init__(
        self,
        cloud: Cloud,
        executions: MonitoringExecutions,
        endpoints: Endpoints,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(cloud)
        self.executions, self.endpoints = executions, endpoints
        self.timer = Timer(self._fire, clock)
        for arn, schedule in self.store.with_status(self.kind.arn, "Scheduled"):
            self._set(arn, schedule)

    @operation("CreateMonitoringSchedule")
    def create(self, call: Call) -> Params:
        config = self._config(call)
        document = {
            "MonitoringScheduleName": call.params["MonitoringScheduleName"],
            "MonitoringScheduleStatus": "Scheduled",
            **config,
        }
        try:
            arn = self.add(call, document, "Scheduled")
        except ValidationException as error:
            raise ResourceInUse(error.message) from None
        self._begin(arn)
        return {"MonitoringScheduleArn": arn}

    @operation("UpdateMonitoringSchedule")
    def update(self, call: Call) -> Params:
        arn = self.find(self.arn(call))["MonitoringScheduleArn"]
        config = self._config(call)

        def edit(schedule: Document) -> None:
            schedule.update(config, LastModifiedTime=datetime.now(UTC))

        if self._change(arn, edit)["MonitoringScheduleStatus"] == "Scheduled":
            self._begin(arn)
        return {"MonitoringScheduleArn": arn}

    @operation("StartMonitoringSchedule")
    def start(self, call: Call) -> Params:
        if self._move(call, "Scheduled"):
            self._begin(self.arn(call))
        return {}

    @operation("StopMonitoringSchedule")
    def stop(self, call: Call) -> Params:
        self._move(call, "Stopped")
        self.timer.set(self.arn(call), None)
        return {}

    def describe(self, call: Call) -> Params:
        found = told(self.find(self.arn(call)))
        last = self.executions.last(call.region, found["MonitoringScheduleName"])
        return found | ({"LastMonitoringExecutionSummary": last} if last else {})

    def page(self, call: Call) -> Params:
        rows = [self.row(each) for each in self.store.documents(self.kind.arn, call.region)]
        return listing.filtered(call, self.kind.listed, rows, "MonitoringScheduleName")

    def row(self, document: Document) -> Params:
        name = document["MonitoringScheduleConfig"].get("MonitoringJobDefinitionName")
        return super().row(document) | ({"MonitoringJobDefinitionName": name} if name else {})

    def delete(self, call: Call) -> Params:
        """An execution that is under way goes on, and the list of executions stays, as on AWS."""
        self.timer.set(self.arn(call), None)
        return super().delete(call)

    def close(self) -> None:
        self.timer.close()

    # What is due

    def _begin(self, arn: str) -> None:
        """A schedule has become active: run it, where it says NOW, or wait for its time."""
        schedule = self.find(arn)
        if _expression(schedule) is None:
            self.executions.begin(schedule, datetime.now(UTC))
        self._set(arn, schedule)

    def _set(self, arn: str, schedule: Document) -> None:
        expression = _expression(schedule)
        self.timer.set(arn, expression.after(self.timer.clock()) if expression else None)

    def _fire(self, arn: str, due: datetime) -> None:
        try:
            schedule = self.store.get(arn)
        except Missing:
            return
        if schedule["MonitoringScheduleStatus"] == "Scheduled":
            self._set(arn, schedule)
            self.executions.begin(schedule, due)

    # What is asked for

    def _config(self, call: Call) -> Params:
        """What a schedule's document has of a request. ServiceError: it breaks a rule, or something is missing."""
        config = {"MonitoringType": "DataQuality", **call.params["MonitoringScheduleConfig"]}
        monitoring_rules.check_schedule(config)
        if "MonitoringJobDefinition" in config:
            monitoring_rules.check_job(config["MonitoringJobDefinition"], self.cloud)
        job = self.executions.definition(config, f"{call.region}:{call.account}")
        given = job["MonitoringInputs"][0]["EndpointInput"]
        monitoring_rules.check_window(config.get("ScheduleConfig", {}), given)
        self.endpoints.named(call, given["EndpointName"])
        return {
            "MonitoringScheduleConfig": config,
            "MonitoringType": config["MonitoringType"],
            "EndpointName": given["EndpointName"],
        }

    def _move(self, call: Call, status: str) -> bool:
        """Whether a schedule has come to a status that it was not in."""
        moved = []

        def edit(schedule: Document) -> str:
            if schedule["MonitoringScheduleStatus"] != status:
                schedule |= {"MonitoringScheduleStatus": status, "LastModifiedTime": datetime.now(UTC)}
                moved.append(status)
            return status

        self._change(self.arn(call), edit)
        return bool(moved)

    def _change(self, arn: str, edit: Callable[[Document], str | None]) -> Document:
        try:
            return self.store.change(arn, edit)
        except Missing:
            raise self.unknown(arn) from None

    def unknown(self, arn: str) -> ServiceError:
        return ResourceNotFound(f'Could not find {self.kind.noun} "{arn}".')


def _expression(schedule: Document) -> Expression | None:
    """When a schedule is due; without an expression once a day, at the hour in which it was made."""
    config = schedule["MonitoringScheduleConfig"].get("ScheduleConfig")
    return (
        expressions.parse(config["ScheduleExpression"])
        if config
        else Expression(schedule["CreationTime"].hour, 24)
    )
