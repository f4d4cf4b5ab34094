from __future__ import annotations

import pytest

from sagelab.cloud.alarms.composites import RuleError, children, holds, parse

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA", "with blanks": "ALARM"}


@pytest.mark.parametrize(
    ("rule", "truth"),
    [
        ("TRUE", True),
        ("false", False),
        ("ALARM(a)", True),
        ('ALARM("a") AND OK("b")', True),
        ("ALARM(a) AND NOT OK(b)", False),
        ("NOT NOT ALARM(a)", True),
        ("(ALARM(b) OR INSUFFICIENT_DATA(c)) AND ALARM(a)", True),
        ("ALARM(a) OR ALARM(b) AND FALSE", True),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:a)", True),
        ('ALARM("with blanks") AND ALARM( with blanks )', True),
        ("ALARM(gone)", False),
    ],
)
def test_rules(rule: str, truth: bool) -> None:
    assert holds(parse(rule), STATES.get) is truth


def test_a_rule_tells_its_children_once() -> None:
    assert children(parse("ALARM(a) OR (NOT OK(b) AND ALARM(a)) OR TRUE")) == ["a", "b"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "not complete"),
        ("ALARM(a", "not complete"),
        ("ALARM()", "name of an alarm is missing"),
        ("ALARM(a) OK(b)", "OK is not expected"),
        ("BAD(a)", "BAD is none of"),
        ("AT_LEAST(1, ALARM, (a))", "AT_LEAST is none of"),
        ("ALARM((a))", "not expected"),
        ("NOT " * 150 + "TRUE", "nested too deeply"),
        ("(" * 150 + "TRUE" + ")" * 150, "nested too deeply"),
        (" OR ".join(["TRUE"] * 501), "at most 500 elements"),
        (" OR ".join(f"OK(a{n})" for n in range(101)), "at most 100 alarms"),
    ],
)
def test_what_is_no_rule_says_why(rule: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse(rule)
