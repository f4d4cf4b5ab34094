from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.recommender import advice, plan
from sagelab.cloud.engine.recommender.advice import DONE, Outcome
from sagelab.cloud.engine.recommender.curve import Limits, Window
from sagelab.cloud.engine.recommender.latencies import Latencies
from sagelab.cloud.engine.recommender.plan import Benchmark, Plan
from sagelab.cloud.engine.recommender.samples import Payload


def window(per_minute: int, milliseconds: float = 20.0) -> Window:
    times = Latencies()
    times.add(milliseconds)
    return Window(2, 60.0, per_minute, model=times, cpu=50.0, memory=1.5)


def outcome(instance_type: str, per_minute: int, **test: Any) -> Outcome:
    setting = {"InstanceType": instance_type}
    return Outcome(Benchmark(plan.new_endpoint(), setting, **test), DONE, window(per_minute))


def job(**limits: Any) -> Plan:
    payload = Payload("s3://b/p.tar.gz", "text/csv", "*/*")
    return Plan("job", "role", {}, (), plan.DEFAULT_PATTERN, Limits(**limits), payload, 7200)


def test_an_inference_costs_its_share_of_an_hour() -> None:
    found = advice.metrics(outcome("ml.c5.xlarge", 600).test, window(600), None)
    assert found == {
        "MaxInvocations": 600,
        "ModelLatency": 20,
        "CpuUtilization": 50.0,
        "MemoryUtilization": 1.5,
        "CostPerHour": 0.204,
        "CostPerInference": pytest.approx(0.204 / 600 / 60),
    }


def test_so_many_instances_are_advised_as_reach_what_is_wanted() -> None:
    """AWS's own example: 1,000 a minute are wanted, an instance does 371, so three of them do 1,113."""
    found = advice.metrics(outcome("ml.c5.large", 371).test, window(371), 1000)
    assert (advice.instances(window(371), 1000), found["MaxInvocations"]) == (3, 1113)
    assert found["CostPerHour"] == pytest.approx(3 * 0.102)
    assert found["CostPerInference"] == pytest.approx(3 * 0.102 / 1113 / 60)
    assert advice.instances(window(371), None) == 1


def test_without_a_price_there_is_no_cost_and_it_comes_last() -> None:
    outcomes = [outcome("ml.r5.large", 9000), outcome("ml.m5.large", 600), outcome("ml.c5.large", 600)]
    found = advice.recommendations(job(), outcomes)["InferenceRecommendations"]
    types = [each["EndpointConfiguration"]["InstanceType"] for each in found]
    assert types == ["ml.c5.large", "ml.m5.large", "ml.r5.large"]
    assert "CostPerHour" not in found[-1]["Metrics"]


def test_what_answers_nothing_costs_nothing_an_inference() -> None:
    assert "CostPerInference" not in advice.metrics(outcome("ml.c5.large", 0).test, window(0), 100)


def test_an_endpoint_that_was_there_is_compared_not_recommended() -> None:
    mine = Outcome(Benchmark("mine", {"InstanceType": "ml.c5.large"}, existing=True), DONE, window(300))
    found = advice.recommendations(job(), [mine])
    assert found == {
        "EndpointPerformances": [
            {"EndpointInfo": {"EndpointName": "mine"}, "Metrics": {"MaxInvocations": 300, "ModelLatency": 20}}
        ]
    }
    benchmark = advice.step(job(), mine)["InferenceBenchmark"]
    assert benchmark["EndpointMetrics"] == {"MaxInvocations": 300, "ModelLatency": 20}
    assert "Metrics" not in benchmark


def test_a_step_says_how_the_model_was_changed_and_why_it_failed() -> None:
    test = Benchmark("e-1", {"InstanceType": "ml.c5.large"}, (("THREADS", "2"),), "fast", compilation="compiled")
    found = advice.step(job(), Outcome(test, advice.FAILED, reason="no room"))
    assert (found["Status"], found["StepType"], found["JobName"]) == ("FAILED", "BENCHMARK", "job")
    assert found["InferenceBenchmark"]["FailureReason"] == "no room"
    assert found["InferenceBenchmark"]["ModelConfiguration"] == {
        "EnvironmentParameters": [{"Key": "THREADS", "ValueType": "String", "Value": "2"}],
        "InferenceSpecificationName": "fast",
        "CompilationJobName": "compiled",
    }
    assert str(test) == "ml.c5.large, compiled for ml_c5, THREADS=2"


def test_every_choice_of_an_environment_is_tried() -> None:
    ranges = [{"Name": "A", "Value": ["1", "2"]}, {"Name": "B", "Value": ["x"]}]
    assert list(plan.combinations(ranges)) == [(("A", "1"), ("B", "x")), (("A", "2"), ("B", "x"))]
    assert list(plan.combinations([])) == [()]


def test_conditions_are_read_with_their_defaults() -> None:
    assert plan.limits_of({}) == Limits(None, 0.95, None, True)
    given = {
        "MaxInvocations": 600,
        "ModelLatencyThresholds": [{"Percentile": "P99", "ValueInMilliseconds": 50}],
        "FlatInvocations": "Continue",
    }
    assert plan.limits_of(given) == Limits(600, 0.99, 50, False)


def test_a_serverless_inference_costs_the_memory_for_its_time() -> None:
    setting = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
    slow = window(600, 500.0)
    slow.setup = 0.25
    found = advice.metrics(Benchmark("e", setting), slow, 1000)
    assert found["CostPerInference"] == pytest.approx(2 * 0.00002 * 0.5)
    assert (found["ModelSetupTime"], found["MaxInvocations"]) == (250, 600)
    assert "CostPerHour" not in found
