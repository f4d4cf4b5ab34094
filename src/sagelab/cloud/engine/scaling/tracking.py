"""Target tracking: the two alarms of a policy, and the capacity that brings its metric to the target.

AWS publishes neither the formula nor the numbers of its alarms; docs/differences.md says what is done here.
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

from __future__ import annotations

import math
from typing import Any

from sagelab.cloud.engine.scaling.records import CONCURRENCY, INSTANCES, Variant
from sagelab.cloud.store import Document

PERIOD = 60  # seconds
HIGH, LOW = 3, 15  # periods over the target, or well below it
WELL_BELOW = 0.9  # of the target
LARGEST = 2.0**360
MOST = 1e9  # a capacity that no bound allows
ROUGH = 1e-9  # of a capacity, which is none: what binary fractions leave over

# Metric type -> (dimension, metric, statistic).
PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": (INSTANCES, "InvocationsPerInstance", "Sum"),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        CONCURRENCY,
        "ServerlessProvisionedConcurrencyUtilization",
        "Average",
    ),
}
# Alarms of these metrics would never have data here.
ABSENT = {
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "the local cloud has no metrics of ten seconds; SageMakerVariantInvocationsPerInstance is there"
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": "the local cloud has no inference components",
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (
        "the local cloud has no inference components"
    ),
}


def check(configuration: Document, dimension: str) -> None:
    """ValueError: a TargetTrackingScalingPolicyConfiguration is none, or of what is not measured here."""
    if not -LARGEST <= configuration["TargetValue"] <= LARGEST:
        raise ValueError("TargetValue must be in the range of -2^360 to 2^360.")
    if configuration["TargetValue"] <= 0:
        raise ValueError("TargetValue must be greater than 0.")
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise ValueError(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified."
        )
    if predefined is not None:
        _check_predefined(predefined, dimension)
    if customized is not None:
        _check_customized(customized)


def _check_predefined(predefined: Document, dimension: str) -> None:
    kind = predefined["PredefinedMetricType"]
    if why := ABSENT.get(kind):
        raise ValueError(f"PredefinedMetricType {kind}: {why}.")
    if kind not in PREDEFINED or PREDEFINED[kind][0] != dimension:
        raise ValueError(f"PredefinedMetricType {kind} is not supported for scalable dimension {dimension}.")
    if "ResourceLabel" in predefined:
        raise ValueError(f"ResourceLabel is not supported for PredefinedMetricType {kind}.")


def _check_customized(customized: Document) -> None:
    single = [name for name in ("MetricName", "Namespace", "Statistic") if customized.get(name)]
    if customized.get("Metrics"):
        if single or customized.get("Dimensions"):
            raise ValueError("CustomizedMetricSpecification has either Metrics or a MetricName, not both.")
        if sum(query.get("ReturnData", True) for query in customized["Metrics"]) != 1:
            raise ValueError("Exactly one of the Metrics must have ReturnData true.")
        if any(("Expression" in query) == ("MetricStat" in query) for query in customized["Metrics"]):
            raise ValueError("Each of the Metrics has either an Expression or a MetricStat.")
    elif len(single) < 3:
        raise ValueError("CustomizedMetricSpecification needs a MetricName, a Namespace and a Statistic.")


def alarms(policy: Document) -> list[dict[str, Any]]:
    """The PutMetricAlarm requests of a policy's two alarms; their names are in its Alarms: high, low."""
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    common = {
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
        "ActionsEnabled": True,
        "AlarmActions": [policy["PolicyARN"]],
        **metric(configuration, policy["ResourceId"]),
    }
    target = configuration["TargetValue"]
    sides = (("GreaterThanThreshold", HIGH, target), ("LessThanThreshold", LOW, target * WELL_BELOW))
    return [
        common
        | {"AlarmName": alarm["AlarmName"], "ComparisonOperator": operator}
        | {"EvaluationPeriods": periods, "DatapointsToAlarm": periods, "Threshold": threshold}
        for alarm, (operator, periods, threshold) in zip(policy["Alarms"], sides, strict=True)
    ]


def metric(configuration: Document, resource_id: str) -> dict[str, Any]:
    """What of a PutMetricAlarm request says what is measured."""
    if "PredefinedMetricSpecification" in configuration:
        _, name, statistic = PREDEFINED[configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]]
        variant = Variant.of(resource_id)
        named = {"EndpointName": variant.endpoint, "VariantName": variant.name}
        dimensions = [{"Name": key, "Value": value} for key, value in named.items()]
        where = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions}
        return where | {"Statistic": statistic, "Period": PERIOD}
    customized: dict[str, Any] = configuration["CustomizedMetricSpecification"]
    if not customized.get("Metrics"):
        return customized | {"Period": PERIOD}
    queries = [
        query | ({"MetricStat": query["MetricStat"] | {"Period": PERIOD}} if "MetricStat" in query else {})
        for query in customized["Metrics"]
    ]
    return {"Metrics": [{"ReturnData": True} | query for query in queries]}


def measured(configuration: Document) -> Document:
    """What tells whether two policies track the same metric."""
    found = configuration.get("PredefinedMetricSpecification") or configuration["CustomizedMetricSpecification"]
    return dict(found)


def desired(capacity: int, value: float, target: float) -> int:
    """The capacity at which a metric that falls as capacity grows would be at its target: rounded up."""
    return max(0, math.ceil(min(capacity * value / target, MOST) - ROUGH))
