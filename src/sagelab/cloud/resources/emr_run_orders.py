"""A job run of EMR Serverless as it is kept when it is submitted, and what its attempt is to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.emr_serverless.hosts import Wanted
from sagelab.cloud.engine.emr_serverless.places import Place, Places
from sagelab.cloud.engine.emr_serverless.run import Order
from sagelab.cloud.resources import emr_application_rules as rules
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.emr_applications import vpc_of
from sagelab.cloud.resources.records import OWN
from sagelab.cloud.store import Document
from sagelab.spark.plan import Machine
from sagelab.spark.serverless.workers import Workers

GROUP = "/aws/emr-serverless"  # of CloudWatch Logs, where no other is named
MANAGED = "/sagelab/emr-serverless"  # what stands for AWS's own storage of logs
QUEUE, CONCURRENT = 360, 15  # minutes and runs, of an application with a scheduler that does not say
BOTH = {"SPARK_DRIVER": ["STDERR", "STDOUT"]}
KEPT = ("name", "jobDriver", "configurationOverrides", "retryPolicy", "flexExecution")
EXCEEDED = (
    "ApplicationMaxCapacityExceededException: Worker could not be allocated as the application has exceeded"
    " maximum allowed capacity: [cpu: {} vCPU, memory: {} GB, disk: {} GB]"
)


def document(call: Call, application: Document, key: str) -> Document:
    """A run that is submitted."""
    params, now, mode = call.params, datetime.now(UTC), call.params.get("mode", "BATCH")
    usual = rules.DAY if mode == "BATCH" else 0
    network = {name: application[name] for name in ("networkConfiguration",) if name in application}
    return {name: params[name] for name in KEPT if params.get(name) is not None} | {
        "applicationId": application["applicationId"],
        "jobRunId": key,
        "arn": f"{application['arn']}/jobruns/{key}",
        "createdBy": call.caller,
        "createdAt": now,
        "updatedAt": now,
        "executionRole": params["executionRoleArn"],
        "state": "SUBMITTED",
        "stateDetails": "",
        "releaseLabel": application["releaseLabel"],
        "executionTimeoutMinutes": params.get("executionTimeoutMinutes", usual),
        "mode": mode,
        "attempt": 1,
        "attemptCreatedAt": now,
        "attemptUpdatedAt": now,
        **network,
        OWN: {"Attempts": []},
    }


def order(
    found: Document, application: Document, context: EngineContext, places: Places, takes: Callable[[], bool]
) -> Order:
    """Of the attempt that is next. takes: whether the application runs it. ClientError: its network is gone."""
    asked = {"configurationOverrides": found.get("configurationOverrides") or {}, "jobDriver": found["jobDriver"]}
    request = rules.request(application, asked | {"name": found.get("name")})
    workers, machine = request.workers, Machine.here()
    room = rules.room(application.get("maximumCapacity"))
    hosts = _fitting(workers, workers.hosts(machine), room)
    total, minutes = workers.total(max(1, hosts)), found["executionTimeoutMinutes"]
    wanted, logs = _logs(found, application)
    request = replace(request, logs=logs, executors="SPARK_EXECUTOR" in wanted.types)
    scheduler = application.get("schedulerConfiguration")
    place = Place(
        application["arn"],
        scheduler.get("maxConcurrentRuns", CONCURRENT) if scheduler else math.inf,
        room,
        total,
        takes,
        scheduler.get("queueTimeoutMinutes", QUEUE) * 60 if scheduler else math.inf,
    )
    return Order(
        run=found,
        request=asdict(request),
        hosts=max(1, hosts),
        workers=_words(workers),
        total=total,
        minutes=minutes,
        role=found["executionRole"],
        wanted=wanted,
        place=place,
        places=places,
        context=context.inside(vpc_of(found)),
        refusal="" if hosts else EXCEEDED.format(*total),
    )


def _fitting(workers: Workers, hosts: int, room: tuple[float, float, float]) -> int:
    """As many executors as the application has room for; 0: not a single one beside the driver."""
    while hosts and any(need > most for need, most in zip(workers.total(hosts), room, strict=True)):
        hosts -= 1
    return hosts


def _words(workers: Workers) -> str:
    several = f"{workers.count} executor{'s' if workers.count > 1 else ''}"
    return f"a driver of {workers.driver} and {'executors' if workers.dynamic else several} of {workers.executor}"


def _logs(found: Document, application: Document) -> tuple[Wanted, str]:
    """Where the logs of an attempt go: in CloudWatch, and below which prefix of S3."""
    own = (found.get("configurationOverrides") or {}).get("monitoringConfiguration") or {}
    monitoring: Params = (application.get("monitoringConfiguration") or {}) | own
    where = f"applications/{found['applicationId']}/jobs/{found['jobRunId']}/"
    if found["attempt"] > 1:
        where += f"attempts/{found['attempt']}/"
    uri = (monitoring.get("s3MonitoringConfiguration") or {}).get("logUri", "")
    prefix = f"{uri.rstrip('/')}/{where}".rstrip("/") if uri else ""
    watch = monitoring.get("cloudWatchLoggingConfiguration") or {}
    if watch.get("enabled"):
        start = f"{watch['logStreamNamePrefix']}/" if watch.get("logStreamNamePrefix") else "/"
        group, types = watch.get("logGroupName", GROUP), watch.get("logTypes") or BOTH
        return Wanted(group, f"{start}{where}", types, found["executionRole"]), prefix
    managed = (monitoring.get("managedPersistenceMonitoringConfiguration") or {}).get("enabled", True)
    types = {name: list(kinds) for name, kinds in rules.LOGS.items()}
    return Wanted(MANAGED if managed else "", f"/{where}", types if managed else {}, ""), prefix
