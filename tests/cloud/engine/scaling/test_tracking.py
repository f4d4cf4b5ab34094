"""Target tracking: its alarms and its formula."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.scaling import tracking
from sagelab.cloud.engine.scaling.records import CONCURRENCY, INSTANCES

INVOCATIONS = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
SINGLE = {"MetricName": "Backlog", "Namespace": "Mine", "Statistic": "Average"}
LENGTH = {"Metric": {"Namespace": "Mine", "MetricName": "Backlog"}, "Stat": "Sum"}
MATHS = [
    {"Id": "a", "MetricStat": LENGTH, "ReturnData": False},
    {"Id": "b", "Expression": "a/2"},
]


def policy(configuration: dict[str, Any]) -> dict[str, Any]:
    return {
        "PolicyARN": "arn:aws:autoscaling:us-east-1:1:scalingPolicy:x",
        "ResourceId": "endpoint/e/variant/v",
        "TargetTrackingScalingPolicyConfiguration": configuration,
        "Alarms": [{"AlarmName": "high"}, {"AlarmName": "low"}],
    }


def test_a_policy_has_an_alarm_for_too_much_and_one_for_well_below() -> None:
    high, low = tracking.alarms(policy(INVOCATIONS | {"TargetValue": 70.0}))
    named = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}]
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "InvocationsPerInstance", "Statistic": "Sum"}
    for alarm in (high, low):
        assert alarm | metric | {"Dimensions": named, "Period": 60} == alarm
        assert alarm["AlarmActions"] == [policy({})["PolicyARN"]]
        assert alarm["AlarmDescription"].startswith("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy arn:")
    sides = [
        (one["AlarmName"], one["ComparisonOperator"], one["Threshold"], one["EvaluationPeriods"])
        for one in (high, low)
    ]
    assert sides == [("high", "GreaterThanThreshold", 70, 3), ("low", "LessThanThreshold", 63, 15)]


def test_a_customized_metric_is_watched_as_it_is_given() -> None:
    (alarm, _) = tracking.alarms(policy({"CustomizedMetricSpecification": SINGLE, "TargetValue": 2}))
    assert alarm | SINGLE | {"Period": 60} == alarm
    found = tracking.alarms(policy({"CustomizedMetricSpecification": {"Metrics": MATHS}, "TargetValue": 2}))[0]
    stat = {"Id": "a", "MetricStat": LENGTH | {"Period": 60}, "ReturnData": False}
    assert found["Metrics"] == [stat, {"Id": "b", "Expression": "a/2", "ReturnData": True}]


@pytest.mark.parametrize(
    ("capacity", "value", "target", "desired"),
    [
        (1, 71, 70, 2),
        (1, 210, 70, 3),
        (2, 35, 70, 1),
        (4, 0, 70, 0),
        (3, 0.7, 0.7, 3),
        (3, 0.1 + 0.2, 0.3, 3),
        (2, 1e300, 1e-300, 10**9),
    ],
)
def test_capacity_grows_in_proportion_and_is_rounded_up(
    capacity: int, value: float, target: float, desired: int
) -> None:
    assert tracking.desired(capacity, value, target) == desired


@pytest.mark.parametrize(
    ("configuration", "dimension", "words"),
    [
        ({}, INSTANCES, "Exactly one of"),
        (INVOCATIONS | {"CustomizedMetricSpecification": SINGLE}, INSTANCES, "Exactly one of"),
        (INVOCATIONS, CONCURRENCY, "not supported for scalable dimension"),
        (INVOCATIONS | {"TargetValue": 0}, INSTANCES, "greater than 0"),
        (INVOCATIONS | {"TargetValue": 2.0**361}, INSTANCES, "range of"),
        ({"CustomizedMetricSpecification": {"MetricName": "M"}}, INSTANCES, "needs a MetricName"),
        ({"CustomizedMetricSpecification": SINGLE | {"Metrics": MATHS}}, INSTANCES, "not both"),
        ({"CustomizedMetricSpecification": {"Metrics": MATHS[:1]}}, INSTANCES, "ReturnData true"),
        ({"CustomizedMetricSpecification": {"Metrics": [{"Id": "a"}]}}, INSTANCES, "either an Expression"),
    ],
)
def test_a_configuration_that_is_none_is_refused(
    configuration: dict[str, Any], dimension: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        tracking.check({"TargetValue": 1} | configuration, dimension)


@pytest.mark.parametrize("kind", [*tracking.ABSENT, "ECSServiceAverageCPUUtilization"])
def test_a_metric_that_nobody_measures_here_is_refused(kind: str) -> None:
    found = {"PredefinedMetricSpecification": {"PredefinedMetricType": kind}}
    with pytest.raises(ValueError, match=kind):
        tracking.check({"TargetValue": 1} | found, INSTANCES)
