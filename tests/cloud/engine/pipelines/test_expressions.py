"""Expressions have the values that they name, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.pipelines import caching, conditions, retries
from sagelab.cloud.engine.pipelines.expressions import BadExpression, evaluate, look, parts, references


class World:
    """A Scope."""

    def parameter(self, name: str) -> Any:
        return {"Count": 3, "Name": "x"}[name]

    def variable(self, name: str) -> Any:
        return f"the {name}"

    def properties(self, step: str) -> Any:
        outputs = [{"OutputName": "train", "S3Output": {"S3Uri": f"s3://b/{step}"}}]
        return {"Outputs": outputs, "Map": {"a b": 1}, "Texts": ["a"]}

    def file(self, step: str, name: str) -> Any:  # noqa: ARG002
        return {"metrics": [{"mse": 0.5}]}

    def read(self, uri: str) -> Any:
        return {"Result": uri}


def test_values_take_the_places_of_expressions() -> None:
    given = {
        "a": {"Get": "Parameters.Count"},
        "b": {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Execution.PipelineName"}, 1, True]}},
        "c": [{"Get": "Steps.One.Outputs[0].S3Output.S3Uri"}, {"Get": "Steps.One.Map['a b']"}],
        "d": {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.One.PropertyFiles.F"}, "Path": "$.metrics[0].mse"}},
        "e": {"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": "Result"}},
    }
    assert evaluate(given, World()) == {
        "a": 3,
        "b": "s3://the PipelineName/1/true",
        "c": ["s3://b/One", 1],
        "d": 0.5,
        "e": "s3://b/k",
    }
    assert evaluate({"Get": "Steps.One.Outputs['train'].S3Output.S3Uri"}, World()) == "s3://b/One"
    assert set(references(given)) == {
        "Parameters.Count",
        "Execution.PipelineName",
        "Steps.One.Outputs[0].S3Output.S3Uri",
        "Steps.One.Map['a b']",
        "Steps.One.PropertyFiles.F",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"Get": "Steps.One.Nothing"},
        {"Get": "Steps.One.Outputs[7]"},
        {"Get": "Steps.One.Outputs['test']"},
        {"Get": "Steps.One.Texts['a']"},
        {"Std:Join": {"On": "", "Values": 1}},
        {"Std:Join": 1},
        {"Std:JsonGet": {"Path": "a"}},
        {"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": "a..b"}},
        {"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": "[?(@.a)]"}},
        {"Std:Join": {"On": "x" * 1000, "Values": [1] * 2000}},
    ],
)
def test_what_stands_for_nothing_is_told(given: Any) -> None:
    with pytest.raises(BadExpression):
        evaluate(given, World())


def test_paths_have_a_grammar() -> None:
    assert parts("a.b['c d'][\"e\"][0].f-g") == ["a", "b", "c d", "e", 0, "f-g"]
    assert look({"a": {"0": [1]}}, parts("a[0][0]"), "") == 1
    for bad in ("", ".a", "a..b", "a[", "a[-1]", "a[*]", "a b", "__class__()", "a" * 3000):
        with pytest.raises(BadExpression):
            parts(bad)


def test_conditions_hold_or_do_not() -> None:
    def holds(kind: str, left: Any, right: Any) -> bool:
        return conditions.hold([{"Type": kind, "LeftValue": left, "RightValue": right}], World())

    assert holds("Equals", {"Get": "Parameters.Name"}, "x")
    assert holds("GreaterThan", 2, 1.5)
    assert not holds("GreaterThan", 2, 2)
    assert holds("GreaterThanOrEqualTo", 2, 2)
    assert holds("LessThan", "a", "b")
    assert holds("LessThanOrEqualTo", {"Get": "Parameters.Count"}, 3)
    within = {"Type": "In", "QueryValue": 3, "Values": [{"Get": "Parameters.Count"}]}
    assert conditions.hold([within], World())
    assert not conditions.hold([within, {"Type": "Not", "Condition": within}], World())
    assert conditions.hold([{"Type": "Or", "Conditions": [{"Type": "Not", "Condition": within}, within]}], World())
    with pytest.raises(BadExpression, match="cannot be compared"):
        holds("LessThan", "a", 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P30d", 2592000), ("30d", 2592000), ("T16m", 960), ("PT1H", 3600), ("P1DT2H", 93600), ("P5d", 432000)],
)
def test_cache_expires_after_a_duration(text: str, seconds: int) -> None:
    assert caching.read_cache("A", {"Enabled": True, "ExpireAfter": text}) == caching.Cache(seconds)
    assert caching.read_cache("A", {"Enabled": False, "ExpireAfter": text}) is None


def test_instances_and_outputs_do_not_change_what_a_step_is() -> None:
    one = {
        "InputDataConfig": [1],
        "ResourceConfig": {"InstanceType": "a"},
        "OutputDataConfig": {"S3OutputPath": "x"},
    }
    other = one | {"ResourceConfig": {"InstanceType": "b"}, "OutputDataConfig": {}}
    assert caching.key_of("Training", one) == caching.key_of("Training", other)
    assert caching.key_of("Training", one) != caching.key_of("Training", one | {"InputDataConfig": [2]})
    assert caching.key_of("Model", one) is None


def test_pauses_grow_until_the_attempts_are_used_up() -> None:
    given = {
        "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"],
        "IntervalSeconds": 2,
        "BackoffRate": 3,
        "MaxAttempts": 2,
    }
    policies = retries.read_policies("A", [given])
    policy = retries.policy_for(policies, retries.INTERNAL)
    assert policy is not None
    assert [policy.wait(tried, 0) for tried in (1, 2, 3)] == [2, 6, None]
    assert retries.policy_for(policies, retries.FAULT) is retries.USUAL
    assert retries.policy_for(policies, retries.LIMIT) is None
    (timed, _) = retries.read_policies("A", [given | {"MaxAttempts": None, "ExpireAfterMin": 1}])
    assert timed.wait(1, 0) is not None
    assert timed.wait(1, 59) is None
