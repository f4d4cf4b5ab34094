"""What the platform knows of built-in algorithms fits what their programs take and print."""

from __future__ import annotations

import importlib
import re

import pytest

from sagelab.algorithms.definition import Range
from sagelab.algorithms.definitions import definitions
from sagelab.algorithms.hyperparameters import read
from sagelab.algorithms.tabular.numeric_definitions import NUMERIC


@pytest.mark.parametrize("module", NUMERIC)
def test_what_may_be_searched_is_taken(module: str) -> None:
    known = importlib.import_module(module).HYPERPARAMETERS
    for name, allowed in NUMERIC[module].tunable.items():
        for value in (allowed.low, allowed.high) if isinstance(allowed, Range) else allowed:
            text = str(int(value)) if isinstance(allowed, Range) and allowed.whole else str(value)
            optional = {each: one for each, one in known.items() if each == name}
            assert read({name: text}, optional)[name] is not None


@pytest.mark.parametrize("module", NUMERIC)
def test_objectives_are_metrics_that_a_line_can_have(module: str) -> None:
    found = {each["Name"]: re.compile(each["Regex"]) for each in definitions(module)}
    assert set(NUMERIC[module].objectives) <= set(found)
    assert all(expression.groups == 1 for expression in found.values())
