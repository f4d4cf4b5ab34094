"""CloudWatch's own tables: what an alarm becomes when data are missing, and how it says so."""

from __future__ import annotations

import itertools

import pytest

from sagelab.cloud.alarms.evaluate import ALARM, INSUFFICIENT, OK, Point, Rule, facts, judge, reason

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
STAYS = None
# Datapoints (the newest last; 0 is good, X is over the threshold, - is missing) -> the state by each treatment.
THREE_OF_THREE = {
    "0-X-X": (OK, OK, OK, OK),
    "0----": (OK, OK, OK, OK),
    "-----": (INSUFFICIENT, STAYS, ALARM, OK),
    "0XX-X": (ALARM, ALARM, ALARM, ALARM),
    "--X--": (ALARM, STAYS, ALARM, OK),
}
TWO_OF_THREE = {
    "0-X-X": (ALARM, ALARM, ALARM, ALARM),
    "00X0X": (ALARM, ALARM, ALARM, ALARM),
    "0-X--": (OK, OK, ALARM, OK),
    "----0": (OK, OK, ALARM, OK),
    "---X-": (ALARM, STAYS, ALARM, OK),
}
TABLES = [
    (wanted, row, treatment, states[TREATMENTS.index(treatment)])
    for wanted, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for (row, states), treatment in itertools.product(table.items(), TREATMENTS)
]
AT = 1796000400.0  # 2026-11-30 01:00:00 UTC


def points(row: str) -> list[Point]:
    values = {"0": 0.0, "X": 5.0, "-": None}
    return [Point(AT + 60 * n, values[one], 0.0 if one == "-" else 1.0) for n, one in enumerate(row)]


def rule(
    wanted: int = 3,
    missing: str = "missing",
    periods: int = 3,
    comparison: str = "GreaterThanThreshold",
    given: bool = False,
    few: float = 0.0,
) -> Rule:
    return Rule(comparison, 1.0, periods, wanted, given, missing, few)


@pytest.mark.parametrize(("wanted", "row", "treatment", "state"), TABLES)
def test_missing_data_as_the_guide_has_it(wanted: int, row: str, treatment: str, state: str | None) -> None:
    assert judge(rule(wanted, treatment), points(row)).state == state


@pytest.mark.parametrize("row", ["----X", "---X-"])
@pytest.mark.parametrize("treatment", ["missing", "ignore"])
def test_a_lone_point_over_the_threshold_is_no_alarm_yet(row: str, treatment: str) -> None:
    assert judge(rule(3, treatment), points(row)).state is STAYS


@pytest.mark.parametrize(
    ("comparison", "states"),
    [
        ("GreaterThanOrEqualToThreshold", (OK, ALARM, ALARM)),
        ("GreaterThanThreshold", (OK, OK, ALARM)),
        ("LessThanThreshold", (ALARM, OK, OK)),
        ("LessThanOrEqualToThreshold", (ALARM, ALARM, OK)),
    ],
)
def test_comparisons(comparison: str, states: tuple[str, ...]) -> None:
    asked = rule(1, periods=1, comparison=comparison)
    assert tuple(judge(asked, [Point(AT, value, 1)]).state for value in (0.5, 1.0, 1.5)) == states


def test_too_few_samples_for_a_percentile_decide_nothing() -> None:
    lone, many = [Point(AT, 5.0, 99)], [Point(AT, 5.0, 100)]
    assert judge(rule(1, periods=1, few=100), lone).state is STAYS
    assert judge(rule(1, periods=1, few=100), many).state == ALARM


@pytest.mark.parametrize(
    ("asked", "row", "words"),
    [
        (rule(1, periods=1), "X", "1 datapoint [5.0 (30/11/26 01:00:00)] was greater than the threshold (1.0)."),
        (
            rule(1, periods=1),
            "0",
            "1 datapoint [0.0 (30/11/26 01:00:00)] was not greater than the threshold (1.0).",
        ),
        (
            rule(2, periods=2),
            "XX",
            "2 datapoints [5.0 (30/11/26 01:01:00), 5.0 (30/11/26 01:00:00)] were greater than the threshold"
            " (1.0).",
        ),
        (
            rule(1, periods=1, given=True, comparison="GreaterThanOrEqualToThreshold"),
            "X",
            "1 out of the last 1 datapoints [5.0 (30/11/26 01:00:00)] was greater than or equal to the threshold"
            " (1.0) (minimum 1 datapoint for OK -> ALARM transition).",
        ),
        (
            rule(2, given=True),
            "0X0",
            "2 out of the last 3 datapoints [0.0 (30/11/26 01:02:00), 0.0 (30/11/26 01:00:00)] were not greater"
            " than the threshold (1.0) (minimum 2 datapoints for ALARM -> OK transition).",
        ),
        (
            rule(missing="breaching"),
            "---",
            "no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching].",
        ),
        (
            rule(1, periods=1, missing="notBreaching"),
            "-",
            "no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].",
        ),
        (
            rule(missing="breaching"),
            "--X",
            "1 datapoint was received for 3 periods and 2 missing datapoints were treated as [Breaching].",
        ),
    ],
)
def test_the_reason_is_in_cloudwatchs_words(asked: Rule, row: str, words: str) -> None:
    assert reason(asked, judge(asked, points(row))) == f"Threshold Crossed: {words}"


def test_the_reason_of_too_little_data() -> None:
    assert reason(rule(), judge(rule(), points("---"))) == "Insufficient Data: 3 datapoints were unknown."
    alone = rule(1, periods=1)
    assert reason(alone, judge(alone, points("-"))) == "Insufficient Data: 1 datapoint was unknown."


def test_the_reason_as_data() -> None:
    asked = rule(2, periods=2)
    told = facts(asked, judge(asked, points("X0")), AT + 125.5, {"statistic": "Sum", "period": 60})
    assert told == {
        "version": "1.0",
        "queryDate": "2026-11-30T01:02:05.500+0000",
        "startDate": "2026-11-30T01:00:00.000+0000",
        "statistic": "Sum",
        "period": 60,
        "recentDatapoints": [5.0, 0.0],
        "threshold": 1.0,
        "evaluatedDatapoints": [
            {"timestamp": "2026-11-30T01:01:00.000+0000", "sampleCount": 1.0, "value": 0.0},
            {"timestamp": "2026-11-30T01:00:00.000+0000", "sampleCount": 1.0, "value": 5.0},
        ],
    }
    empty = facts(asked, judge(asked, points("--")), AT, {})
    assert "startDate" not in empty
    assert (empty["recentDatapoints"], len(empty["evaluatedDatapoints"])) == ([], 2)
