"""What a load test has found, as the API tells it: metrics with costs, recommendations, steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sagelab.cloud.engine.recommender.curve import Window
from sagelab.cloud.engine.recommender.plan import VARIANT, Benchmark, Plan
from sagelab.prices import hourly, serverless_second

Facts = dict[str, Any]
RUNNING, DONE, FAILED, STOPPED = "IN_PROGRESS", "COMPLETED", "FAILED", "STOPPED"
ENDS = (DONE, FAILED, STOPPED)


@dataclass
class Outcome:
    """What has become of a test. window: the level that its numbers are of. reason: why it failed."""

    test: Benchmark
    status: str = "PENDING"
    window: Window | None = None
    reason: str = ""
    began: datetime | None = None
    ended: datetime | None = None


def instances(window: Window, wanted: int | None) -> int:
    """How many instances together reach the invocations a minute that are wanted."""
    alone = int(window.per_minute)
    return max(1, math.ceil(wanted / alone)) if wanted and alone else 1


def metrics(test: Benchmark, window: Window, wanted: int | None) -> Facts:
    """The numbers of a test, for as many instances as it takes; a cost only where the price is known.

    Serverless inference costs what the requests take, by the memory, and nothing an hour.
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RecommendationMetrics.html
    """
    count = instances(window, wanted) if test.instance_type else 1
    invocations = count * int(window.per_minute)
    found: Facts = {
        "MaxInvocations": invocations,
        "ModelLatency": max(1, round(window.latencies.percentile(0.95))),
        "CpuUtilization": round(window.cpu, 2),
        "MemoryUtilization": round(window.memory, 2),
    }
    price = hourly(test.instance_type, "hosting") if test.instance_type else None
    if price is not None:
        found["CostPerHour"] = round(count * price, 6)
        if invocations:
            found["CostPerInference"] = count * price / (60 * invocations)
    if test.memory:
        found["CostPerInference"] = serverless_second(test.memory) * window.latencies.mean / 1000
        found["ModelSetupTime"] = round(1000 * window.setup)
    return found


def of_endpoint(window: Window) -> Facts:
    """The numbers of an endpoint that was there before."""
    return {
        "MaxInvocations": int(window.per_minute),
        "ModelLatency": max(1, round(window.latencies.percentile(0.95))),
    }


def step(plan: Plan, outcome: Outcome) -> Facts:
    """A test, as ListInferenceRecommendationsJobSteps tells it."""
    benchmark: Facts = {"ModelConfiguration": _configuration(outcome.test)}
    if outcome.window and outcome.test.existing:
        benchmark["EndpointMetrics"] = of_endpoint(outcome.window)
    elif outcome.window:
        benchmark["Metrics"] = metrics(outcome.test, outcome.window, plan.limits.invocations)
    benchmark["EndpointConfiguration"] = _endpoint(plan, outcome)
    if outcome.reason:
        benchmark["FailureReason"] = outcome.reason
    return {
        "StepType": "BENCHMARK",
        "JobName": plan.job,
        "Status": outcome.status,
        "InferenceBenchmark": benchmark | _times(outcome),
    }


def recommendations(plan: Plan, outcomes: list[Outcome]) -> Facts:
    """What Describe tells: the cheapest inference first; those without a price last, the quickest first."""
    done = [each for each in outcomes if each.status == DONE]
    made = [_recommendation(plan, each) for each in done if not each.test.existing]
    made.sort(key=lambda one: (one["Metrics"].get("CostPerInference", math.inf), one["Metrics"]["ModelLatency"]))
    compared = [
        {"EndpointInfo": {"EndpointName": each.test.endpoint}, "Metrics": of_endpoint(each.window)}
        for each in done
        if each.test.existing and each.window
    ]
    found = {"InferenceRecommendations": made, "EndpointPerformances": compared}
    return {name: value for name, value in found.items() if value}


def _recommendation(plan: Plan, outcome: Outcome) -> Facts:
    assert outcome.window
    return {
        "RecommendationId": f"{plan.job}/{outcome.test.endpoint.rpartition('-')[2][:8]}",
        "Metrics": metrics(outcome.test, outcome.window, plan.limits.invocations),
        "EndpointConfiguration": _endpoint(plan, outcome),
        "ModelConfiguration": _configuration(outcome.test),
        **_times(outcome),
    }


def _endpoint(plan: Plan, outcome: Outcome) -> Facts:
    found = {"EndpointName": outcome.test.endpoint, "VariantName": VARIANT, **outcome.test.setting}
    if outcome.test.instance_type:
        window = outcome.window
        found["InitialInstanceCount"] = instances(window, plan.limits.invocations) if window else 1
    return found


def _configuration(test: Benchmark) -> Facts:
    found: Facts = {}
    if test.environment:
        found["EnvironmentParameters"] = [
            {"Key": name, "ValueType": "String", "Value": value} for name, value in test.environment
        ]
    if test.specification:
        found["InferenceSpecificationName"] = test.specification
    if test.compilation:
        found["CompilationJobName"] = test.compilation
    return found


def _times(outcome: Outcome) -> Facts:
    times = {"InvocationStartTime": outcome.began, "InvocationEndTime": outcome.ended}
    return {name: time for name, time in times.items() if time}
