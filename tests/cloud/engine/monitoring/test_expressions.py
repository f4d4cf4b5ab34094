from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sagelab.cloud.engine.monitoring.expressions import BadExpression, offset, parse, window

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "due"),
    [
        ("cron(0 * ? * * *)", NOON, "31 13"),
        ("cron(0 * ? * * *)", NOON.replace(hour=23, minute=59), "01 00"),
        ("cron(0 17 ? * * *)", NOON, "31 17"),
        ("cron(0 0 ? * * *)", NOON, "01 00"),
        ("cron(0 0/2 ? * * *)", NOON + timedelta(seconds=1), "31 14"),
        ("cron(0 17/12 ? * * *)", NOON.replace(hour=18), "01 17"),
        ("cron(0 0/10 ? * * *)", NOON.replace(hour=21), "01 00"),
    ],
)
def test_it_is_due_on_the_hours_that_it_says(text: str, moment: datetime, due: str) -> None:
    expression = parse(text)
    assert expression is not None
    assert f"{expression.after(moment):%d %H}" == due
    assert expression.after(moment) > moment
    assert expression.before(expression.after(moment)) <= moment


@pytest.mark.parametrize(
    "text",
    [
        "cron(0 24 ? * * *)",
        "cron(0 0/25 ? * * *)",
        "cron(0 0/0 ? * * *)",
        "cron(5 * ? * * *)",
        "cron(0 * * * ? *)",
        "rate(1 hour)",
        "now",
        "",
    ],
)
def test_what_model_monitor_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(BadExpression):
        parse(text)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("-PT1H", -1), ("-P1D", -24), ("PT0H", 0), ("-PT2D", -48), ("-P1DT2H", -26), ("-PT30M", -0.5)],
)
def test_an_offset_is_a_duration(text: str, hours: float) -> None:
    assert offset(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["P", "-PT", "1H", "-PT1W", "-PT1H30"])
def test_another_text_is_no_offset(text: str) -> None:
    with pytest.raises(BadExpression):
        offset(text)


def test_the_window_is_the_time_since_the_execution_before() -> None:
    hourly = window(NOON, {"ScheduleExpression": "cron(0 * ? * * *)"}, {})
    assert list(hourly.hours()) == ["2026/01/31/11"]
    daily = window(NOON, {"ScheduleExpression": "cron(0 12 ? * * *)"}, {})
    assert (len(list(daily.hours())), next(daily.hours())) == (24, "2026/01/30/12")
    short = window(NOON.replace(hour=0), {"ScheduleExpression": "cron(0 0/10 ? * * *)"}, {})
    assert list(short.hours()) == [f"2026/01/30/{hour}" for hour in (20, 21, 22, 23)]


def test_offsets_count_from_the_execution() -> None:
    late = window(
        NOON, {"ScheduleExpression": "cron(0 * ? * * *)"}, {"StartTimeOffset": "-PT3H", "EndTimeOffset": "-PT1H"}
    )
    assert list(late.hours()) == ["2026/01/31/09", "2026/01/31/10"]
    once = window(
        NOON.replace(minute=40),
        {"ScheduleExpression": "NOW", "DataAnalysisStartTime": "-PT1H", "DataAnalysisEndTime": "-PT0H"},
        {},
    )
    assert list(once.hours()) == ["2026/01/31/11", "2026/01/31/12"]
