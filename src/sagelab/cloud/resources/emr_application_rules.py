"""What an application of EMR Serverless and its job runs may be, in its words.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import math
import re
import shlex
from typing import Any

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params
from sagelab.spark import configuration
from sagelab.spark.serverless import workers
from sagelab.spark.serverless.request import Request

FIRST, QUEUES, STREAMS, LIMITED = (6, 6), (7, 0), (7, 1), (7, 11)  # releases from which there is something
LABEL = re.compile(r"emr-(\d{1,2})\.(\d{1,2})\.(\d{1,2})(-\d{8}|-latest)?")
TYPES = ("DRIVER", "EXECUTOR")  # of workers
DAY, WEEK = 720, 10_080  # minutes
MOST_ATTEMPTS = 10
NOT_OF_APPLICATIONS = (
    *("imageConfiguration", "workerTypeSpecifications", "diskEncryptionConfiguration"),
    *("identityCenterConfiguration",),
)
NOT_OF_RUNS = ("executionIamPolicy",)
LOGS = {"SPARK_DRIVER": ("STDOUT", "STDERR"), "SPARK_EXECUTOR": ("STDOUT", "STDERR")}
DEFAULTS = "spark-defaults"

invalid = ValidationException


def absent(member: str) -> ValidationException:
    return invalid(f"{member} is not something the local cloud can do.")


def release(label: str) -> tuple[int, int]:
    """The numbers of a release. ValidationException: it is none."""
    found = LABEL.fullmatch(label)
    numbers = (int(found[1]), int(found[2])) if found else (0, 0)
    if numbers < FIRST:
        raise invalid(f"Type 'SPARK' is not supported for release label '{label}' or release label does not exist")
    return numbers


def check_engine(engine: str) -> None:
    if engine.upper() == "HIVE":
        raise invalid("type HIVE: the local cloud has no Hive; create an application of type SPARK.")
    if engine.upper() != "SPARK":
        raise invalid(f"Unsupported engine {engine}")


def check_application(asked: Params) -> None:
    """Of a new application, or of one with what is to be changed. ValidationException: it cannot be."""
    numbers = release(asked["releaseLabel"])
    for member in NOT_OF_APPLICATIONS:
        if asked.get(member):
            raise absent(member)
    for name, value in (asked.get("interactiveConfiguration") or {}).items():
        if value:
            raise absent(f"interactiveConfiguration.{name}")
    if (asked.get("jobLevelCostAllocationConfiguration") or {}).get("enabled"):
        raise absent("jobLevelCostAllocationConfiguration")
    check_monitoring(asked.get("monitoringConfiguration") or {})
    properties(asked.get("runtimeConfiguration") or [])
    _check_capacity(asked)
    _check_network(asked.get("networkConfiguration") or {})
    _check_scheduler(asked.get("schedulerConfiguration") or {}, numbers)


def _check_network(network: Params) -> None:
    if bool(network.get("subnetIds")) != bool(network.get("securityGroupIds")):
        raise invalid("networkConfiguration: subnetIds and securityGroupIds are given together.")


def _check_scheduler(scheduler: Params, numbers: tuple[int, int]) -> None:
    if scheduler and numbers < QUEUES:
        raise invalid("schedulerConfiguration is supported with release labels emr-7.0.0 and above.")
    for member, least, most in (("queueTimeoutMinutes", 15, DAY), ("maxConcurrentRuns", 1, 1000)):
        if not least <= scheduler.get(member, least) <= most:
            raise invalid(f"schedulerConfiguration.{member} must be between {least} and {most}.")


def _check_capacity(asked: Params) -> None:
    initial, most = asked.get("initialCapacity") or {}, room(asked.get("maximumCapacity"))
    total = [0.0, 0.0, 0.0]
    for kind, one in initial.items():
        if kind.upper() not in TYPES:
            raise invalid(f"initialCapacity: {kind} is no type of worker of Spark's; these are: Driver, Executor.")
        sizes = one.get("workerConfiguration") or {"cpu": "4", "memory": "16"}
        own = room({"disk": "20 GB"} | sizes)
        total = [sum_ + one["workerCount"] * size for sum_, size in zip(total, own, strict=True)]
    if any(wanted > limit for wanted, limit in zip(total, most, strict=True)):
        raise invalid("The initial capacity exceeds the maximum capacity of the application.")


def room(capacity: Params | None) -> tuple[float, float, float]:
    """vCPUs, GB of memory and GB of disk; without end where nothing is said."""
    found = capacity or {}
    sizes = [_size(found[name]) if name in found else math.inf for name in ("cpu", "memory", "disk")]
    return sizes[0], sizes[1], sizes[2]


def _size(text: str) -> float:
    return float(re.sub(r"\D", "", text))


def check_monitoring(monitoring: Params) -> None:
    """Where logs go."""
    if monitoring.get("prometheusMonitoringConfiguration"):
        raise absent("prometheusMonitoringConfiguration")
    for member, one in monitoring.items():
        if one.get("encryptionKeyArn"):
            raise absent(f"{member}.encryptionKeyArn")
    uri = (monitoring.get("s3MonitoringConfiguration") or {}).get("logUri", "s3://bucket")
    if not re.match(r"s3a?://[^/]+", uri):
        raise invalid(f"s3MonitoringConfiguration.logUri: {uri} is no URI of S3.")
    for worker, kinds in ((monitoring.get("cloudWatchLoggingConfiguration") or {}).get("logTypes") or {}).items():
        if worker not in LOGS or (wrong := [kind for kind in kinds if kind not in LOGS[worker]]):
            what = worker if worker not in LOGS else f"{worker}: {', '.join(wrong)}"
            raise invalid(f"cloudWatchLoggingConfiguration.logTypes: {what} is no log of a Spark application.")


def properties(configurations: list[Any]) -> dict[str, str]:
    """The properties of Spark's of classifications. ValidationException: others are among them."""
    given = [
        {"Classification": one["classification"], "Properties": one.get("properties") or {}}
        for one in configurations
    ]
    if other := next((one["Classification"] for one in given if one["Classification"] != DEFAULTS), None):
        raise invalid(f"Classification {other}: the local cloud reads {DEFAULTS} alone.")
    return configuration.parse(given).defaults


def check_run(params: Params, label: str) -> None:
    """Of StartJobRun, to an application of a release. ValidationException: it cannot be."""
    driver, numbers = params.get("jobDriver") or {}, release(label)
    for member in NOT_OF_RUNS:
        if params.get(member):
            raise absent(member)
    overrides = params.get("configurationOverrides") or {}
    if overrides.get("diskEncryptionConfiguration"):
        raise absent("diskEncryptionConfiguration")
    check_monitoring(overrides.get("monitoringConfiguration") or {})
    if "hive" in driver or "sparkSubmit" not in driver:
        raise invalid("jobDriver: an application of type SPARK runs sparkSubmit.")
    _check_words(driver["sparkSubmit"])
    _check_mode(params, numbers)
    minutes = params.get("executionTimeoutMinutes", DAY)
    batch = params.get("mode", "BATCH") == "BATCH"
    if 0 < minutes < 5:
        raise invalid("RunTimeout must be at least 5 minutes.")
    if batch and numbers >= LIMITED and not 0 < minutes <= WEEK:
        raise invalid(f"RunTimeout must be between 5 and {WEEK} minutes.")


def _check_words(submit: Params) -> None:
    words = [submit["entryPoint"], submit.get("sparkSubmitParameters", ""), *submit.get("entryPointArguments", ())]
    if any("hdfs://" in word for word in words):
        raise invalid("jobDriver.sparkSubmit: the local cloud has no HDFS; give an s3:// URI.")


def _check_mode(params: Params, numbers: tuple[int, int]) -> None:
    streaming, policy = params.get("mode") == "STREAMING", params.get("retryPolicy") or {}
    if streaming and numbers < STREAMS:
        raise invalid("Job runs of mode STREAMING are supported with release labels emr-7.1.0 and above.")
    wrong = "maxAttempts" if streaming else "maxFailedAttemptsPerHour"
    if wrong in policy:
        raise invalid(f"retryPolicy.{wrong} is not supported for job runs of mode {params.get('mode', 'BATCH')}.")
    if policy.get("maxAttempts", 1) > MOST_ATTEMPTS:
        raise invalid(f"retryPolicy.maxAttempts must be between 1 and {MOST_ATTEMPTS}.")


def request(application: Params, params: Params) -> Request:
    """What a run's hosts are told, but for where its logs go. ValidationException: it makes no sense."""
    submit = params["jobDriver"]["sparkSubmit"]
    overrides = (params.get("configurationOverrides") or {}).get("applicationConfiguration") or []
    try:
        parameters = shlex.split(submit.get("sparkSubmitParameters") or "")
        found = Request(
            name=params.get("name") or submit["entryPoint"].rpartition("/")[2],
            entry=submit["entryPoint"],
            arguments=submit.get("entryPointArguments") or [],
            parameters=parameters,
            defaults=properties(application.get("runtimeConfiguration") or []) | properties(overrides),
            logs="",
            executors=False,
        )
        if found.submission.application:
            raise ValueError(f"{found.submission.application[0]} is no option of spark-submit.")
        workers.asked(found.properties)
    except ValueError as error:
        raise invalid(f"sparkSubmitParameters: {error}") from None
    return found
