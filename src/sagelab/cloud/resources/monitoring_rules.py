"""What a monitoring job and its schedule must satisfy beyond the service model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.monitoring import expressions
from sagelab.cloud.engine.monitoring.expressions import BadExpression
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.processing_rules import INPUTS, check_image

USUAL = "DataQuality"
LONGEST = timedelta(days=1)  # of a window that a schedule's own offsets make
FARTHEST = timedelta(days=31)  # of one that an endpoint's make


def check_job(job: Params, cloud: Cloud) -> None:
    """ValidationException: a definition in the form of MonitoringJobDefinition breaks a rule."""
    application = job["MonitoringAppSpecification"]
    without = "AppSpecification: the image has no entry point of its own; give ContainerEntrypoint."
    check_image(application, cloud, without)
    _check_input(job["MonitoringInputs"][0])
    output = job["MonitoringOutputConfig"]["MonitoringOutputs"][0]["S3Output"]
    _check_path("MonitoringOutputs", output["LocalPath"])
    checks.location("MonitoringOutputs: S3Uri", output["S3Uri"])
    for name in ("ConstraintsResource", "StatisticsResource"):
        if uri := job.get("BaselineConfig", {}).get(name, {}).get("S3Uri"):
            checks.location(name, uri)
    for name in ("RecordPreprocessorSourceUri", "PostAnalyticsProcessorSourceUri"):
        if name in application:
            checks.location(name, application[name])
    checks.role(job["RoleArn"], cloud)


def check_schedule(config: Params) -> None:
    """ValidationException: a MonitoringScheduleConfig breaks a rule."""
    kind = config.get("MonitoringType", USUAL)
    if ("MonitoringJobDefinition" in config) == ("MonitoringJobDefinitionName" in config):
        raise ValidationException("Give either a MonitoringJobDefinition or a MonitoringJobDefinitionName.")
    if kind != USUAL and "MonitoringJobDefinition" in config:
        raise ValidationException(f"MonitoringType {kind} needs a MonitoringJobDefinitionName.")
    schedule = config.get("ScheduleConfig")
    if schedule:
        _check_expression(schedule)


def check_window(schedule: Params, given: Params) -> None:
    """ValidationException: the offsets of a schedule or of its endpoint's data make no window."""
    try:
        found = expressions.window(datetime(2000, 1, 1, 12, tzinfo=UTC), _runnable(schedule), given)
    except BadExpression as error:
        raise ValidationException(str(error)) from None
    longest = LONGEST if "DataAnalysisStartTime" in schedule else FARTHEST
    if not timedelta() < found.end - found.start <= longest:
        raise ValidationException(
            "The start time of the analysis must precede its end time, by not more than"
            f" {longest.days * 24} hours: they are {found.start - found.end} apart."
        )


def _runnable(schedule: Params) -> Params:
    """A schedule's config with an expression that is due at noon: its own may not be."""
    return {name: value for name, value in schedule.items() if name != "ScheduleExpression"}


def _check_expression(schedule: Params) -> None:
    try:
        expression = expressions.parse(schedule["ScheduleExpression"])
    except BadExpression as error:
        raise ValidationException(str(error)) from None
    for name in ("DataAnalysisStartTime", "DataAnalysisEndTime"):
        if expression is None and name not in schedule:
            raise ValidationException(f"ScheduleConfig: {name} is required where ScheduleExpression is NOW.")


def _check_input(source: Params) -> None:
    if "BatchTransformInput" in source:
        raise ValidationException(
            "BatchTransformInput: the local cloud captures the data of endpoints, not of batch transforms."
        )
    given = source.get("EndpointInput")
    if not given:
        raise ValidationException("EndpointInput is needed.")
    if given.get("S3InputMode", "File") != "File":
        raise ValidationException("EndpointInput: the local cloud has S3InputMode File, not Pipe.")
    _check_path("EndpointInput", given["LocalPath"])
    check_window({}, given)


def _check_path(where: str, path: str) -> None:
    if not path.startswith(INPUTS) or ".." in path.split("/"):
        raise ValidationException(f"{where}: LocalPath {path} must be an absolute path that begins with {INPUTS}")
