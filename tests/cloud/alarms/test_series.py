"""Metric maths, by the examples of CloudWatch's guide: series of a value a minute, None where there is none."""

from __future__ import annotations

import math

import pytest

from sagelab.cloud.alarms.expressions import MathError
from sagelab.cloud.alarms.frames import MOST, Frame, check
from sagelab.cloud.alarms.series import Series

Row = list[float | None]
TIMES = [60.0 * n for n in range(5)]
METRICS: dict[str, Row] = {
    "m1": [1, 2, None, 4, 8],
    "m2": [10, None, 0, 2, 4],
    "first": [30, 20, 0, 0],
    "second": [20, None, 20, None],
    "test": [1, 1, 0, 0, None],
    "yes": [30, None, 0, 0, 30],
    "no": [0, 0, 20, None, 20],
    "errors4xx": [1, 1, 1, 1, 1],
    "errors5xx": [2, 2, 2, 2, 2],
}


def series(row: Row, name: str) -> Series:
    return Series({time: float(one) for time, one in zip(TIMES, row, strict=False) if one is not None}, name, 60)


def frame(text: str, metrics: dict[str, Row] | None = None, **texts: str) -> Frame:
    known = {name: series(row, name) for name, row in (METRICS if metrics is None else metrics).items()}
    return Frame(TIMES, known, {"e": text, **texts})


def rows(text: str, metrics: dict[str, Row] | None = None, **texts: str) -> list[Row]:
    found = frame(text, metrics, **texts).result("e")
    return [[one.values.get(time) for time in TIMES] for one in found]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("m1 + m2", [11, 2, 0, 6, 12]),
        ("m1 / m2", [0.1, None, None, 2, 2]),
        ("-m1 ^ 2", [-1, -4, None, -16, -64]),
        ("2 ^ -m1 * 4", [2, 1, None, 0.25, 0.015625]),
        ("m1 - 1 - 1", [-1, 0, None, 2, 6]),
        ("(m1 + 1) * PERIOD(m1) / 60", [2, 3, None, 5, 9]),
        ("1e3 * .5 + 0 * m1", [500, 500, None, 500, 500]),
        ("m1 - AVG(m1)", [-2.75, -1.75, None, 0.25, 4.25]),
        ("m1 + MAX(m1) - MIN(m1)", [8, 9, None, 11, 15]),
        ("SUM(m1) / DATAPOINT_COUNT(m1) + 0 * m1", [3.75, 3.75, None, 3.75, 3.75]),
        ("STDDEV(errors4xx) * m1", [0, 0, None, 0, 0]),
        ("first < second", [0, 0, 1, 0, None]),
        ("first >= 30", [1, 0, 0, 0, None]),
        ("first > 15 AND second > 15", [1, 0, 0, 0, None]),
        ("first > 15 || second > 15 && 1 == 1", [1, 1, 1, 0, None]),
        ("IF(test, yes, no)", [30, 0, 20, None, None]),
        ("IF(test, 5, no)", [5, 5, 20, None, None]),
        ("IF(test, yes, 5)", [30, 0, 5, 5, None]),
        ("IF(test, yes)", [30, 0, None, None, None]),
        ("IF(1 > 2, yes, no)", [0, 0, 20, None, 20]),
        ("IF(m1 < 3, m1)", [1, 2, None, None, None]),
        ("FILL(m1, 0)", [1, 2, 0, 4, 8]),
        ("FILL(m1, m2)", [1, 2, 0, 4, 8]),
        ("FILL(m1, REPEAT)", [1, 2, 2, 4, 8]),
        ("FILL(m1, LINEAR)", [1, 2, 3, 4, 8]),
        ("DIFF(m1)", [None, 1, None, 2, 4]),
        ("DIFF_TIME(m1)", [None, 60, None, 120, 60]),
        ("RATE(m1) * 60", [None, 1, None, 1, 4]),
        ("RUNNING_SUM(m1)", [1, 3, None, 7, 15]),
        ("ABS(CEIL(m1 / -3) + FLOOR(m1 / 3))", [0, 0, None, 0, 0]),
        ("LOG10(10 ^ m1)", [1, 2, None, 4, 8]),
        ("LOG(m2 * 0)", [None] * 5),
        ("TIME_SERIES(METRIC_COUNT(METRICS()))", [9] * 5),
        ("MINUTE(m1)", [0, 1, 2, 3, 4]),
        ("DAY(m1) * 0 + YEAR(m1)", [1970] * 5),
        ("EPOCH(m2) / 60", [0, 1, 2, 3, 4]),
        ('SUM(METRICS("errors"))', [3] * 5),
        ("SUM([METRICS('4xx'), METRICS('5xx')])", [3] * 5),
        ("AVG([m1, m2])", [5.5, 1, 0, 3, 6]),
        ("MIN([m1, m2])", [1, 2, 0, 2, 4]),
        ("FIRST(SORT([errors4xx, errors5xx], AVG, DESC))", [2] * 5),
        ("LAST(SORT([errors5xx, errors4xx], SUM, ASC, 1))", [1] * 5),
        ("LAST(SLICE(SORT([errors4xx, errors5xx], MAX, ASC), 0, 1))", [1] * 5),
        ("other * 2", [4, 6, None, 10, 18]),
    ],
)
def test_expressions_as_the_guide_has_them(text: str, row: Row) -> None:
    assert rows(text, other="m1 + 1") == [[one if one is None else pytest.approx(one) for one in row]]


def test_arrays_stay_arrays() -> None:
    assert rows("REMOVE_EMPTY(METRICS()) / 2", {"m1": [2], "m2": [], "m3": [4]}) == [
        [1, None, None, None, None],
        [2, None, None, None, None],
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not complete"),
        ("m1 +", "not complete"),
        ("m1 m2", "Invalid syntax at m2"),
        ("m1 @ 2", "Invalid syntax at character 3"),
        ("(m1", "complete"),
        ("[m1, 2]", "time series in it"),
        ("NOPE(m1)", "Unknown function NOPE"),
        ("SEARCH('x', 'Sum', 300)", "no search expressions"),
        ("ANOMALY_DETECTION_BAND(m1, 2)", "no anomaly detection"),
        ("AVG(m1)", "must be a time series"),
        ("m9 + 1", "m9 is not the Id"),
        ("FILL(m1)", "FILL does not take 1"),
        ("FILL(m1, ASC)", "REPEAT or LINEAR"),
        ("m1 + 'text'", "numbers and time series"),
        ("[m1] + [m2]", "two arrays"),
        ("PERIOD(m1 + 1) * m1", "PERIOD takes a metric"),
        ("loop", "itself"),
        ("(" * 60 + "m1" + ")" * 60, "nested too deeply"),
        ("-" * 60 + "m1", "nested too deeply"),
        ("+".join(["m1"] * 450), "at most 400 operations"),
        ("m1+" * 700 + "m1", "at most 2048 characters"),
    ],
)
def test_what_is_no_expression_says_why(text: str, words: str) -> None:
    with pytest.raises(MathError, match=words):
        frame(text, loop="e + 1").result("e")


def test_an_expression_is_checked_without_data() -> None:
    check("m1 + AVG(m2) ^ 2", {"m1", "m2"})
    for text in ("m1 + m3", "GUESS(m1)", "m1 +"):
        with pytest.raises(MathError):
            check(text, {"m1", "m2"})


def test_numbers_without_end_are_no_values() -> None:
    assert rows("m1 * 10 ^ 308 * 10") == [[None] * 5]
    assert rows("(0 - m1) ^ 0.5") == [[None] * 5]
    assert not math.isnan(sum(one or 0 for one in rows("m1 + MAX(LOG(m2 * 0))")[0]))


def test_a_request_goes_over_a_bounded_number_of_values() -> None:
    long = {float(n): 1.0 for n in range(MOST // 10)}
    asked = Frame(list(long), {"m1": Series(long, "m1", 1)}, {"e": "+".join(["m1"] * 12)})
    with pytest.raises(MathError, match="too many data points"):
        asked.result("e")


def test_a_chain_of_expressions_is_bounded() -> None:
    texts = {f"e{n}": f"e{n + 1} + 1" for n in range(60)} | {"e60": "m1"}
    with pytest.raises(MathError, match="too many others"):
        frame("e0", None, **texts).result("e")
