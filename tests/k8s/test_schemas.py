from __future__ import annotations

import json
from typing import Any

import pytest

from sagelab.k8s import schemas
from tests.k8s.conftest import SPEC, WIDGETS, Api, definition, widget

# What Kubernetes says of each.
WORDS = [
    ({"size": "big"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
    ({"size": 1.5}, 'spec.size: Invalid value: "number": spec.size in body must be of type integer: "number"'),
    ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
    ({}, "spec.size: Required value"),
    ({"size": 1, "color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue"'),
    (
        {"size": 1, "tags": ["A"]},
        "spec.tags[0]: Invalid value: \"A\": spec.tags[0] in body should match '^[a-z]+$'",
    ),
    (
        {"size": 1, "tags": {}},
        'spec.tags: Invalid value: "object": spec.tags in body must be of type array: "object"',
    ),
    ({"size": None}, 'spec.size: Invalid value: "null": spec.size in body must be of type integer: "null"'),
]


@pytest.mark.parametrize(("spec", "words"), WORDS)
def test_a_fault_is_told_in_kubernetes_words(spec: Any, words: str) -> None:
    assert [cause.said() for cause in schemas.faults(SPEC, spec, "spec")] == [words]


def test_an_invalid_object_is_told_with_its_causes(api: Api) -> None:
    code, said = api.ask("POST", WIDGETS, widget(size="big"))
    assert (code, said["reason"], said["details"]["group"]) == (422, "Invalid", "example.com")
    assert said["message"].startswith('Widget.example.com "a" is invalid: spec.size: Invalid value: "string"')
    cause = said["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldValueTypeInvalid", "spec.size")


def test_unknown_fields_are_dropped_told_of_or_refused(api: Api) -> None:
    body = widget("a")
    body["spec"]["speed"] = 1
    answer = api.send("POST", WIDGETS, json.dumps(body).encode())
    assert answer.json()["spec"] == {"size": 3, "color": "red"}
    assert answer.headers["warning"] == '299 - "unknown field \\"spec.speed\\""'
    code, said = api.ask("POST", WIDGETS, body, fieldValidation="Strict")
    assert code == 400
    assert said["message"].endswith('strict decoding error: unknown field "spec.speed"')


def test_a_pattern_that_takes_too_long_is_no_match() -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    assert [one.field for one in schemas.faults(schema, "a" * 60 + "!", "x")] == ["x"]


ODD = [
    {"type": "object", "properties": {"spec": {"type": "thing"}}},
    {"type": "object", "properties": {"spec": {"type": "string", "minLength": "a"}}},
    {"type": "object", "properties": {"spec": {"type": "string", "pattern": "("}}},
    {"type": "object", "properties": {"spec": {"type": "array"}}},
    {"type": "object", "x-kubernetes-validations": [{"rule": "true"}]},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object", "properties": {"spec": 1}},
]


@pytest.mark.parametrize("schema", ODD)
def test_a_definition_whose_schema_is_not_held_is_refused(api: Api, schema: Any) -> None:
    body = definition(schema={"openAPIV3Schema": schema})
    code, said = api.ask(
        "PUT", DEFINED, body | {"metadata": {"name": "widgets.example.com", "resourceVersion": ""}}
    )
    assert (code, said["reason"]) == (422, "Invalid")


DEFINED = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
