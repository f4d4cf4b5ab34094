from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.jobs.jsonpath import Expression, NotFound

RECORD = {"id": 7, "features": [1, 2, 3, 4, 5, 6], "deep": {"x": {"y": "z"}}}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ("$.deep.x.y", "z"),
        ("$.deep['x'].y", "z"),
        ("$['id','deep']", {"id": 7, "deep": {"x": {"y": "z"}}}),
        ("$.deep.['x']", {"y": "z"}),
        ("$.features[1]", 2),
        ("$.features[-1]", 6),
        ("$.features[1:]", [2, 3, 4, 5, 6]),
        ("$.features[:2]", [1, 2]),
        ("$.features[-2:]", [5, 6]),
        ("$.features[0,4:]", [1, 5, 6]),
        ("$.features[ 0 , 2 ]", [1, 3]),
        ("$.deep.*", [{"y": "z"}]),
        ("$.features[*]", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_operators_of_the_documentation(text: str, found: Any) -> None:
    assert Expression(text).select(RECORD) == found


@pytest.mark.parametrize("text", ["", "id", "$..id", "$[?(@.a)]", "$.a()", "$['a", "$[1", "$ .a", "$.a b"])
def test_any_other_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSONPath"):
        Expression(text)


@pytest.mark.parametrize("text", ["$.none", "$.features[9]", "$.id[0]", "$.deep[0]", "$['id','none']"])
def test_what_a_record_lacks_is_said(text: str) -> None:
    with pytest.raises(NotFound, match="is not in the record"):
        Expression(text).select(RECORD)


@pytest.mark.parametrize("text", ["$.features[0,0]", "$.features[:,-1]", "$.features" + "[:,:]" * 10])
def test_an_element_is_chosen_once(text: str) -> None:
    with pytest.raises(NotFound, match="twice"):
        Expression(text).select(RECORD)


def test_only_the_root_is_the_whole() -> None:
    assert Expression("$").whole
    assert not Expression("$.id").whole
