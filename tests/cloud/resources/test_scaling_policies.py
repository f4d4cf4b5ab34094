"""Scaling policies through the API: their alarms, their rules, and what an alarm does by them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.scaling import Scaling
from tests.waiting import until

STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    "Cooldown": 60,
}
METRIC = {"Namespace": "Mine", "MetricName": "Load", "Statistic": "Average"}


@pytest.fixture(scope="module")
def served(scaling: Scaling) -> str:
    return scaling.endpoint()


@pytest.fixture
def endpoint(scaling: Scaling, served: str) -> Iterator[str]:
    """An endpoint of one server with a target, for one test."""
    scaling.register(served)
    yield served
    scaling.api.deregister_scalable_target(**scaling.named(served))


def put_steps(scaling: Scaling, endpoint: str, name: str = "steps", **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = scaling.api.put_scaling_policy(
        PolicyName=name,
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration=STEPS | changes,
        **scaling.named(endpoint),
    )
    return found


def described(scaling: Scaling, endpoint: str) -> list[dict[str, Any]]:
    pages = scaling.api.get_paginator("describe_scaling_policies").paginate(**scaling.named(endpoint))
    return [one for page in pages for one in page["ScalingPolicies"]]


def refused(call: Callable[..., Any], *arguments: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(*arguments, **params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])


def test_a_policy_that_tracks_a_target_makes_two_alarms(scaling: Scaling, endpoint: str) -> None:
    made = scaling.track(endpoint, 100)
    names = [alarm["AlarmName"] for alarm in made["Alarms"]]
    start = f"TargetTracking-endpoint/{endpoint}/variant/v1-Alarm"
    assert [name.startswith(start + side) for name, side in zip(names, ("High-", "Low-"), strict=True)] == [
        True,
        True,
    ]
    found = {one["AlarmName"]: one for one in scaling.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}
    high, low = (found[name] for name in names)
    assert (high["EvaluationPeriods"], high["Threshold"], high["Statistic"]) == (3, 100, "Sum")
    assert (low["EvaluationPeriods"], low["Threshold"], low["ComparisonOperator"]) == (15, 90, "LessThanThreshold")
    assert high["AlarmActions"] == low["AlarmActions"] == [made["PolicyARN"]]
    assert (
        high["AlarmDescription"] == f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {made['PolicyARN']}."
    )
    (policy,) = described(scaling, endpoint)
    assert (policy["PolicyARN"], policy["Alarms"]) == (made["PolicyARN"], made["Alarms"])
    assert f":resource/sagemaker/endpoint/{endpoint}/variant/v1:policyName/tracking" in made["PolicyARN"]


def test_a_changed_target_changes_the_alarms_and_a_deleted_policy_takes_them_with_it(
    scaling: Scaling, endpoint: str
) -> None:
    names = [alarm["AlarmName"] for alarm in scaling.track(endpoint, 100)["Alarms"]]
    again = scaling.track(endpoint, 200)
    assert [alarm["AlarmName"] for alarm in again["Alarms"]] == names
    found = scaling.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert sorted(one["Threshold"] for one in found) == [180, 200]
    scaling.api.delete_scaling_policy(PolicyName="tracking", **scaling.named(endpoint))
    assert described(scaling, endpoint) == []
    assert scaling.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"] == []
    words = refused(scaling.api.delete_scaling_policy, PolicyName="tracking", **scaling.named(endpoint))
    assert words[0] == "ObjectNotFoundException"
    assert words[1].endswith("policy name: tracking")


def test_a_policy_of_steps_lists_the_users_own_alarms(scaling: Scaling, endpoint: str) -> None:
    made = put_steps(scaling, endpoint)
    assert made["Alarms"] == []
    name = f"mine-{endpoint}"
    put_alarm(scaling, name, made["PolicyARN"])
    (policy,) = described(scaling, endpoint)
    assert [alarm["AlarmName"] for alarm in policy["Alarms"]] == [name]
    scaling.api.delete_scaling_policy(PolicyName="steps", **scaling.named(endpoint))
    assert len(scaling.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]) == 1
    scaling.cloudwatch.delete_alarms(AlarmNames=[name])


def put_alarm(scaling: Scaling, name: str, *actions: str) -> None:
    """An alarm of the user's for a load over 10, which has no data."""
    scaling.cloudwatch.put_metric_alarm(
        AlarmName=name,
        AlarmActions=list(actions),
        Period=60,
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
        **METRIC,
    )


def set_state(scaling: Scaling, name: str, *values: float) -> None:
    """Let an alarm be in ALARM, with these datapoints, as if CloudWatch had found them."""
    data = json.dumps({"recentDatapoints": list(values)})
    scaling.cloudwatch.set_alarm_state(
        AlarmName=name, StateValue="ALARM", StateReason="because", StateReasonData=data
    )


@pytest.mark.slow
def test_alarms_scale_out_and_in_and_the_activities_say_which(scaling: Scaling, endpoint: str) -> None:
    tracking, steps = scaling.track(endpoint, 100), put_steps(scaling, endpoint)
    high, low = (alarm["AlarmName"] for alarm in tracking["Alarms"])
    set_state(scaling, high, 50, 190)
    (found,) = scaling.done(endpoint)
    assert found["Cause"] == f"monitor alarm {high} in state ALARM triggered policy tracking"
    assert scaling.count(endpoint) == 2
    mine = f"mine-{endpoint}"
    put_alarm(scaling, mine, steps["PolicyARN"])
    set_state(scaling, mine, 12)
    assert scaling.done(endpoint, 2)[0]["Cause"] == f"monitor alarm {mine} in state ALARM triggered policy steps"
    assert scaling.count(endpoint) == 3
    scaling.cloudwatch.set_alarm_state(AlarmName=high, StateValue="OK", StateReason="because")
    set_state(scaling, low, 30)
    assert scaling.done(endpoint, 3)[0]["Description"] == "Setting desired instance count to 1."
    scaling.cloudwatch.delete_alarms(AlarmNames=[mine])


def test_an_alarm_that_calls_no_policy_says_so_in_its_history(scaling: Scaling, endpoint: str) -> None:
    steps, mine = put_steps(scaling, endpoint), f"lost-{endpoint}"
    put_alarm(scaling, mine, steps["PolicyARN"])
    scaling.api.delete_scaling_policy(PolicyName="steps", **scaling.named(endpoint))
    set_state(scaling, mine, 12)
    asked = {"AlarmName": mine, "HistoryItemType": "Action"}
    until(
        lambda: scaling.cloudwatch.describe_alarm_history(**asked)["AlarmHistoryItems"],
        lambda found: any("No scaling policy found" in one["HistorySummary"] for one in found),
    )
    assert scaling.activities(endpoint) == scaling.activities(endpoint, whole=True)
    scaling.cloudwatch.delete_alarms(AlarmNames=[mine])


def test_rules_of_policies(scaling: Scaling, endpoint: str) -> None:
    scaling.track(endpoint, 100)
    words = "Only one TargetTrackingScaling policy for a given metric specification is allowed."
    assert refused(scaling.track, endpoint, 50, "other") == ("ValidationException", words)
    _, words = refused(put_steps, scaling, endpoint, "tracking")
    assert words.startswith(
        "You cannot change a TargetTrackingScaling policy to a non TargetTrackingScaling policy"
    )
    _, words = refused(put_steps, scaling, endpoint, StepAdjustments=[])
    assert words == "At least one StepAdjustment is required for StepScaling policies."
    _, words = refused(put_steps, scaling, endpoint, Cooldown=-1)
    assert words == "Cooldown must not be negative."
    metric = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    _, words = refused(scaling.track, endpoint, 5, "fine", PredefinedMetricSpecification=metric)
    assert "no metrics of ten seconds" in words


def test_predictive_scaling_and_what_is_no_target_are_refused(scaling: Scaling, endpoint: str) -> None:
    put, named = scaling.api.put_scaling_policy, scaling.named(endpoint)
    specification = {"MetricSpecifications": [{"TargetValue": 1.0}]}
    asked = {"PolicyType": "PredictiveScaling", "PredictiveScalingPolicyConfiguration": specification}
    assert "no forecasts" in refused(put, PolicyName="p", **asked, **named)[1]
    assert "and no other configuration" in refused(put, PolicyName="p", **named)[1]
    other = named | {"ResourceId": f"endpoint/{endpoint}/variant/v9"}
    assert (
        refused(put, PolicyName="p", StepScalingPolicyConfiguration=STEPS, **other)[0] == "ObjectNotFoundException"
    )


def test_a_target_takes_its_policies_with_it(scaling: Scaling, served: str) -> None:
    scaling.register(served)
    put_steps(scaling, served)
    scaling.api.deregister_scalable_target(**scaling.named(served))
    assert described(scaling, served) == []
