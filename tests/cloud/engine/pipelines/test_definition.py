"""Definitions are read, and what is wrong with one is said before anything runs."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from sagelab.cloud.engine.pipelines.definition import MAX_STEPS, BadDefinition, Definition, read


def step(name: str, kind: str = "Training", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": {}} | more


def written(*steps: Any, **more: Any) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps)} | more)


def condition(name: str, left: Any, *then: Any, other: tuple[Any, ...] = ()) -> dict[str, Any]:
    test = {"Type": "Equals", "LeftValue": left, "RightValue": 1}
    return step(
        name, "Condition", Arguments={"Conditions": [test], "IfSteps": list(then), "ElseSteps": list(other)}
    )


def needs(found: Definition) -> dict[str, set[str]]:
    return {name: set(spec.needs) for name, spec in found.steps.items()}


def test_steps_need_what_they_name_and_what_they_read() -> None:
    reading = step("B", Arguments={"X": [{"Y": {"Std:Join": {"On": "", "Values": [{"Get": "Steps.A.Name"}]}}}]})
    found = read(written(step("A"), reading, step("C", DependsOn=["B"])))
    assert needs(found) == {"A": set(), "B": {"A"}, "C": {"B"}}
    assert found.steps["B"].reads == {"A"}
    assert found.steps["C"].reads == set()


def test_branches_stand_beside_the_other_steps() -> None:
    inner = condition("Inner", {"Get": "Steps.A.Status"}, step("Deep"))
    found = read(written(step("A"), condition("Outer", 1, inner, other=(step("Else"),))))
    assert found.steps["Deep"].branches == (("Outer", True), ("Inner", True))
    assert found.steps["Else"].branches == (("Outer", False),)
    assert needs(found)["Inner"] == {"A", "Outer"}


def test_parameters_have_types() -> None:
    kinds = {"Integer": "3", "Float": "0.5", "Boolean": "True", "String": "x"}
    given = [{"Name": kind, "Type": kind} for kind in kinds]
    found = read(written(step("A"), Parameters=given)).parameters
    assert [found[kind].read(text) for kind, text in kinds.items()] == [3, 0.5, True, "x"]
    for kind in ("Integer", "Float", "Boolean"):
        with pytest.raises(BadDefinition, match="is not of type"):
            found[kind].read("many")


def loop(items: Any = ("a",), most: Any = 2, body: Any = None, **more: Any) -> dict[str, Any]:
    within = [step("Body")] if body is None else body
    given = list(items) if isinstance(items, tuple) else items
    return step(
        "L", "ForEach", Arguments={"IterableItems": given, "MaxConcurrency": most, "ForEachBody": within} | more
    )


BAD = {
    "no JSON": ("{", "not valid JSON"),
    "too deep": ("[" * 5000 + "]" * 5000, "not valid JSON|nested"),
    "deep": (written(step("A", Arguments={"X": json.loads("[" * 70 + "]" * 70)})), "nested"),
    "too large": (written(step("A", DisplayName="x" * (1 << 20))), "bytes"),
    "version": (json.dumps({"Version": "2019", "Steps": []}), "Version must be"),
    "no steps": (written(), "1 to 50 steps"),
    "many steps": (written(*(step(f"S{number}") for number in range(MAX_STEPS + 1))), "1 to 50 steps"),
    "twice": (written(step("A"), step("A")), "two steps"),
    "name": (written(step("a b")), "not a name"),
    "type": (written(step("A", "Dance")), "no step of type"),
    "later": (written(step("A", "AutoML")), "does not run steps of type AutoML"),
    "no function": (written(step("A", "Lambda")), "FunctionArn must name a function"),
    "bad output": (
        written(
            step("A", "Lambda", FunctionArn="f", OutputParameters=[{"OutputName": "x", "OutputType": "List"}])
        ),
        "OutputType of String, Integer, Float, Boolean",
    ),
    "missing": (written(step("A", DependsOn=["B"])), "no step of the pipeline"),
    "unknown reference": (written(step("A", Arguments={"X": {"Get": "Steps.B.Name"}})), "no step of the pipeline"),
    "unknown parameter": (written(step("A", Arguments={"X": {"Get": "Parameters.P"}})), "does not have"),
    "unknown root": (written(step("A", Arguments={"X": {"Get": "Secrets.P"}})), "not a reference"),
    "not text": (written(step("A", Arguments={"X": {"Get": {"a": 1}}})), "not a reference"),
    "function": (written(step("A", Arguments={"X": {"Std:Shell": {}}})), "Std:Shell is not a function"),
    "circle": (written(step("A", DependsOn=["B"]), step("B", DependsOn=["A"])), "in a circle"),
    "itself": (written(step("A", DependsOn=["A"])), "in a circle"),
    "after Fail": (written(step("A", "Fail"), step("B", DependsOn=["A"])), "nothing comes after"),
    "triggers": (written(step("A", DependsOn=[{"Name": "B", "Trigger": "Failed"}])), "triggers"),
    "property file": (
        written(step("A"), step("B", Arguments={"X": {"Get": "Steps.A.PropertyFiles.F"}})),
        "no property file",
    ),
    "condition": (written(step("A", "Condition", Arguments={"Conditions": [{"Type": "Maybe"}]})), "no condition"),
    "condition's type": (
        written(step("A", "Condition", Arguments={"Conditions": [{"Type": [1]}]})),
        "no condition",
    ),
    "parameter's type": (written(step("A"), Parameters=[{"Name": "P", "Type": []}]), "has the type"),
    "no value": (written(step("A", "Condition", Arguments={"Conditions": [{"Type": "Equals"}]})), "LeftValue"),
    "no list": (written(step("A", "Condition", Arguments={"Conditions": 1})), "must be a list"),
    "branch": (
        written(
            step("A", "Condition", Arguments={"Conditions": [{"Type": "Or", "Conditions": []}], "IfSteps": 3})
        ),
        "must be a list",
    ),
    "parameter": (written(step("A"), Parameters=[{"Name": "P", "Type": "Date"}]), "has the type"),
    "default": (
        written(step("A"), Parameters=[{"Name": "P", "Type": "Integer", "DefaultValue": "x"}]),
        "is not of type Integer",
    ),
    "enum": (
        written(step("A"), Parameters=[{"Name": "P", "Type": "String", "DefaultValue": "x", "EnumValues": ["y"]}]),
        "must be one of",
    ),
    "no items": (written(loop(())), "1 to 100 items, not 0"),
    "many items": (written(loop(tuple(range(101)))), "1 to 100 items, not 101"),
    "items": (written(loop("a")), "must be a list, or stand for"),
    "concurrency": (written(loop(most=51)), "a number from 1 to 50"),
    "concurrency's type": (written(loop(most=True)), "a number from 1 to 50"),
    "empty body": (written(loop(body=[])), "has no step"),
    "body": (written(loop(body=3)), "must be a list"),
    "loop in a loop": (written(loop(body=[loop()])), "cannot stand in a ForEachBody"),
    "condition in a loop": (written(loop(body=[condition("C", 1)])), "cannot stand in a ForEachBody"),
    "names of a loop": (written(step("Body-0"), loop()), "is made of Body"),
    "body twice": (written(step("Body"), loop()), "two steps"),
    "circle in a body": (written(loop(body=[step("Body", DependsOn=["Body"])])), "in a circle"),
    "body outside": (written(loop(), step("A", DependsOn=["Body"])), "no step of the pipeline"),
    "body after": (written(loop(body=[step("Body", DependsOn=["A"])]), step("A", DependsOn=["L"])), "in a circle"),
    "item outside": (
        written(step("A", Arguments={"X": {"Get": "ForEach.CurrentItem"}})),
        "in a ForEachBody alone",
    ),
    "selector": (written(loop(Selector={"Pick": "Any"})), "a Selector has Pick"),
    "selector's field": (
        written(loop(Selector={"Pick": "MaxBy", "Field": {"Get": "IterationOutput.A.X"}})),
        "no step of its ForEachBody",
    ),
    "selector's path": (
        written(loop(Selector={"Pick": "MaxBy", "Field": {"Get": "IterationOutput.Body"}})),
        "names no property",
    ),
    "cache": (written(step("A", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})), "not a duration"),
    "retry": (written(step("A", RetryPolicies=[{"ExceptionType": ["Any"]}])), "ExceptionType is a list"),
    "retry limits": (
        written(
            step(
                "A", RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2, "ExpireAfterMin": 3}]
            )
        ),
        "either MaxAttempts or",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said(case: str) -> None:
    text, words = BAD[case]
    with pytest.raises(BadDefinition, match=words):
        read(text)


@pytest.mark.parametrize("given", [None, 1, "x", [], {}, [1], {"a": "b"}])
@pytest.mark.parametrize(
    "member", ["Name", "Type", "Arguments", "DependsOn", "PropertyFiles", "CacheConfig", "RetryPolicies"]
)
def test_members_of_any_form_are_read_or_refused(member: str, given: Any) -> None:
    for one in (step("A"), condition("A", 1)):
        with contextlib.suppress(BadDefinition):
            assert read(written(one | {member: given})).steps
