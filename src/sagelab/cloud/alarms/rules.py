"""What an alarm may be: CloudWatch's rules beside its model, in its words, and what the local cloud does not do.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
"""

from __future__ import annotations

import re
from typing import Any

from sagelab.cloud.alarms import composites, queries
from sagelab.cloud.alarms.actions import CALLED, FUNCTION, SCALING, TOPIC
from sagelab.cloud.alarms.alarms import COMPOSITE, Alarms
from sagelab.cloud.alarms.composites import DEEPEST, PARENTS, RuleError
from sagelab.cloud.alarms.evaluate import BREACHING, COMPARISONS, IGNORE, MISSING, NOT_BREACHING
from sagelab.cloud.alarms.expressions import MathError
from sagelab.cloud.alarms.frames import Frame
from sagelab.cloud.alarms.messages import SUPPRESSION
from sagelab.cloud.alarms.samples import read_percentile
from sagelab.cloud.alarms.series import Series
from sagelab.cloud.alarms.suppression import EXTENSION, WAIT, suppressor_of
from sagelab.cloud.errors import (
    InvalidParameterCombination,
    InvalidParameterValue,
    NotImplementedHere,
    ValidationError,
)
from sagelab.cloud.store import Document

Params = dict[str, Any]

DAY, WEEK = 86_400, 604_800
METRICS = 10  # of an alarm on an expression
ONE_METRIC = ("Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
_OTHER_KINDS = {
    "ActionConfiguration": "Leave it out: messages have the form that they have.",
    "EvaluationCriteria": "Name a metric (MetricName), or metrics and an expression (Metrics).",
    "EvaluationInterval": "An alarm is evaluated each minute, or every ten seconds where its period is shorter.",
    "EvaluationWindow": "Leave it out: the window slides.",
    "ThresholdMetricId": "Compare with a Threshold: there is no anomaly detection.",
    "WarmUpConfiguration": "Leave it out, and use TreatMissingData.",
}
_BANDS = "Compare with a Threshold (GreaterThanThreshold and its like): there is no anomaly detection."
_PERIODS = "Period must be 10, 20, 30 or a multiple of 60"
_TREATMENTS = (BREACHING, NOT_BREACHING, IGNORE, MISSING)
_ARN = re.compile(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:[a-z0-9]*:.+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def metric_alarm(params: Params, region: str) -> Document:
    """The configuration that PutMetricAlarm asks for. ServiceError: it is none, or not one for the local cloud."""
    for name, instead in _OTHER_KINDS.items():
        if name in params:
            raise NotImplementedHere(f"{name} is not something the local cloud can do. {instead}")
    if (comparison := params["ComparisonOperator"]) not in COMPARISONS:
        raise NotImplementedHere(f"{comparison} is not something the local cloud can do. {_BANDS}")
    _check_common(params, region)
    if "Threshold" not in params:
        raise ValidationError("The parameter Threshold is required for alarms based on static thresholds.")
    if "MetricName" in params and "Metrics" in params:
        raise InvalidParameterCombination("The parameters MetricName and Metrics exclude each other.")
    period = _check_expression(params) if "Metrics" in params else _check_metric(params)
    _check_periods(params, period)
    _check_treatment(params)
    return {name: value for name, value in params.items() if name != "Tags"}


def composite_alarm(params: Params, region: str, alarms: Alarms) -> Document:
    """The configuration that PutCompositeAlarm asks for. ServiceError: it is none, or not one for here."""
    if "ActionConfiguration" in params:
        raise NotImplementedHere(
            f"ActionConfiguration is not something the local cloud can do. {_OTHER_KINDS['ActionConfiguration']}"
        )
    _check_common(params, region)
    if any(arn.startswith(SCALING) for member in CALLED.values() for arn in params.get(member, [])):
        raise ValidationError("A composite alarm has no Auto Scaling actions.")
    try:
        named = composites.children(composites.parse(params["AlarmRule"]))
    except RuleError as error:
        raise ValidationError(f"AlarmRule is invalid: {error}.") from None
    if missing := [name for name in named if alarms.find(region, name) is None]:
        listed = ", ".join(missing)
        raise ValidationError(
            f"Could not save the composite alarm as alarms [{listed}] in the alarm rule do not exist"
        )
    _check_family(params["AlarmName"], named, region, alarms)
    _check_suppressor(params, region, alarms)
    return {name: value for name, value in params.items() if name != "Tags"}


def children(document: Document) -> list[str]:
    """The names of a composite alarm's children; none of another."""
    return composites.children(composites.parse(document["AlarmRule"])) if document["Type"] == COMPOSITE else []


def parents(name: str, region: str, alarms: Alarms) -> list[str]:
    """The names of the composite alarms whose rule is about an alarm."""
    return [str(one["AlarmName"]) for one in alarms.all(region) if name in children(one)]


def _check_common(params: Params, region: str) -> None:
    if _CONTROL.search(params["AlarmName"]):
        raise ValidationError("AlarmName can't contain ASCII control characters.")
    for member in CALLED.values():
        for arn in params.get(member, []):
            _check_action(arn, region)


def _check_action(arn: str, region: str) -> None:
    if not _ARN.fullmatch(arn):
        raise ValidationError(f"Invalid arn syntax: {arn}")
    if arn.startswith(SCALING) and ":autoScalingGroupName/" in arn:
        raise NotImplementedHere(f"{arn} is not something an alarm of the local cloud can do: no group is scaled.")
    if not arn.startswith((TOPIC, FUNCTION, SCALING)):
        raise NotImplementedHere(
            f"{arn} is not something an alarm of the local cloud can do: it notifies topics of SNS, and calls"
            " functions of Lambda and policies of Application Auto Scaling."
        )
    if arn.startswith(TOPIC) and (named := arn.split(":")[3]) != region:
        raise ValidationError(f"Invalid region {named} specified. Only {region} is supported.")


def _check_metric(params: Params) -> int:
    """The period of an alarm on one metric."""
    for name in ("MetricName", "Namespace", "Period"):
        if name not in params:
            raise ValidationError(f"The parameter {name} is required for alarms based on one metric.")
    if ("Statistic" in params) == ("ExtendedStatistic" in params):
        raise InvalidParameterCombination("Must specify either Statistic or ExtendedStatistic, but not both")
    extended = params.get("ExtendedStatistic")
    if extended is not None and read_percentile(extended) is None:
        raise InvalidParameterValue(
            f"The value {extended} for parameter ExtendedStatistic is not supported: the local cloud computes"
            " percentiles, p0 to p100."
        )
    return int(params["Period"])


def _check_expression(params: Params) -> int:
    """The period of an alarm on metrics and an expression, which all have the same."""
    if named := [name for name in ONE_METRIC if name in params]:
        raise InvalidParameterCombination(f"The parameters Metrics and {named[0]} exclude each other.")
    asked = params["Metrics"]
    metrics = [one for one in asked if "MetricStat" in one]
    if not asked or len(metrics) > METRICS:
        raise ValidationError(f"Metrics has between 1 and {METRICS} metrics.")
    queries.check(asked, "Metrics")
    if any("AccountId" in one for one in asked):
        raise NotImplementedHere("An alarm on another account's metrics is not something the local cloud can do.")
    watched = [one for one in asked if one.get("ReturnData", True)]
    if len(watched) != 1:
        raise ValidationError("Exactly one element of the metrics list should return data.")
    periods = {one["MetricStat"]["Period"] for one in metrics} | {
        one["Period"] for one in asked if "Period" in one
    }
    if not metrics or len(periods) != 1:
        raise ValidationError("Period must be the same for all metrics of an alarm.")
    _check_result(watched[0], asked)
    return int(periods.pop())


def _check_result(watched: Params, asked: list[Params]) -> None:
    """ValidationError: what an alarm watches does not come out as one time series."""
    metrics = {one["Id"]: Series({}, one["Id"], 60) for one in asked if "MetricStat" in one}
    texts = {one["Id"]: one["Expression"] for one in asked if "Expression" in one}
    try:
        found = Frame((), metrics, texts).result(watched["Id"])
    except MathError as error:
        raise ValidationError(f"Error in expression '{watched['Id']}': {error}") from None
    if len(found) != 1:
        raise ValidationError(f"Error in expression '{watched['Id']}': an alarm watches a single time series.")


def _check_periods(params: Params, period: int) -> None:
    if period not in (10, 20, 30) and period % 60:
        raise ValidationError(_PERIODS)
    number = params["EvaluationPeriods"]
    longest, words = (DAY, "day") if period < 3600 else (WEEK, "week")
    if number * period > longest:
        raise ValidationError(
            f"Metrics cannot be checked across more than a {words}"
            f" (EvaluationPeriods * Period must be <= {longest})."
        )
    if params.get("DatapointsToAlarm", 1) > number:
        raise ValidationError("DatapointsToAlarm must be less than or equal to EvaluationPeriods")


def _check_treatment(params: Params) -> None:
    treatment = params.get("TreatMissingData", MISSING)
    if treatment not in _TREATMENTS:
        raise ValidationError(
            f"The value {treatment} is not supported for TreatMissingData parameter."
            f" Supported values are [{', '.join(_TREATMENTS)}]."
        )
    option = params.get("EvaluateLowSampleCountPercentile", "evaluate")
    if option not in ("evaluate", "ignore"):
        raise ValidationError(
            f"Option {option} is not supported. Supported options for parameter"
            " EvaluateLowSampleCountPercentile are evaluate and ignore."
        )


def _check_suppressor(params: Params, region: str, alarms: Alarms) -> None:
    given = [name for name in SUPPRESSION if name in params]
    if given and len(given) < len(SUPPRESSION):
        raise ValidationError(f"{', '.join(SUPPRESSION)} must be specified together.")
    name = suppressor_of(params)
    if name and (name == params["AlarmName"] or alarms.find(region, name) is None):
        raise ValidationError(f"ActionsSuppressor must be another existing alarm: {name}")
    if given and min(params[WAIT], params[EXTENSION]) < 0:
        raise ValidationError("The periods of ActionsSuppressor must not be negative.")


def _check_family(name: str, named: list[str], region: str, alarms: Alarms) -> None:
    """No alarm depends on itself, by however many others; nor are there too many that depend on one."""
    level, depth = list(named), 0
    while level:
        if name in level:
            raise ValidationError(f"AlarmRule is invalid: {name} would depend on itself.")
        depth += 1
        if depth > DEEPEST:
            raise ValidationError(f"AlarmRule is invalid: alarms depend on each other at most {DEEPEST} deep.")
        found = [alarms.find(region, one) for one in level]
        level = sorted({child for one in found if one for child in children(one)})
    for one in named:
        if len(set(parents(one, region, alarms)) | {name}) > PARENTS:
            raise ValidationError(f"An alarm can be in the rules of at most {PARENTS} composite alarms: {one}.")
