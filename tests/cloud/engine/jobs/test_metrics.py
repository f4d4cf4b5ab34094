"""Metrics of a log: what is a value, and what a stranger's expression may cost."""

from __future__ import annotations

import pytest

from sagelab.cloud.engine.jobs import metrics
from sagelab.cloud.engine.jobs.metrics import Metrics, compile_expression


def read(expression: str, *lines: str) -> list[float]:
    """The values that an expression finds in lines."""
    found: list[float] = []
    made = Metrics([{"Name": "loss", "Regex": expression}])
    made.listener = lambda point: found.append(point.value)
    for line in lines:
        made.read(line, 0)
    return found


@pytest.mark.parametrize("text", ["nan", "NaN", "-inf", "Infinity", "1e400", "-1e110", "", "none"])
def test_what_cloudwatch_does_not_take_is_no_value(text: str) -> None:
    assert read("loss: (.*)", f"loss: {text}") == []


def test_the_last_value_is_the_last_that_is_a_number() -> None:
    made = Metrics([{"Name": "loss", "Regex": "loss: (.*)"}])
    for text in ("0.5", "0.25", "nan"):
        made.read(f"loss: {text}", 0)
    assert [item["Value"] for item in made.final()] == [0.25]


def test_value_is_the_first_group_or_the_whole_match() -> None:
    assert read(r"loss: ([0-9.]+) (\w+)", "loss: 0.5 now") == [0.5]
    assert read(r"[0-9.]+", "loss: 0.5 now") == [0.5]
    assert read(r"loss: (?:([0-9.]+)|none)", "loss: none") == []


def test_an_expression_that_takes_too_long_is_given_up_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "PATIENCE", 0.01)
    definitions = [{"Name": "slow", "Regex": "(a+)+$"}, {"Name": "loss", "Regex": "loss: (.*)"}]
    made = Metrics(definitions)
    said = [made.read("a" * 5000 + " loss: 0.5", 0), made.read("loss: 0.25", 0)]
    assert said == [["the metric slow is read no longer: its Regex takes too long on these lines"], []]
    assert [(item["MetricName"], item["Value"]) for item in made.final()] == [("loss", 0.25)]


@pytest.mark.parametrize("text", ["a{100000000}", "(a){100000000}", "((a{999}){999}){999}"])
def test_an_expression_that_would_not_fit_into_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its repetitions come to more than 20,000 parts"):
        compile_expression(text)


@pytest.mark.parametrize("text", [r"\d{4}-\d{2} (?:\d{1,3}\.){3}\d+ loss=(.*)", r"\{(\d+)\}", "a{0,9}"])
def test_an_expression_in_reason_is_taken(text: str) -> None:
    compile_expression(text)
