"""Schedule expressions, as EventBridge's guide has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagelab.cloud.events.schedules import Schedule, text_of

# 2026-11-29 is a Sunday.
START = datetime(2026, 11, 29, 10, 0, 30, tzinfo=UTC).timestamp()


def next_times(expression: str, count: int = 3, zone: str = "UTC", start: float = START) -> list[str]:
    schedule, found, at = Schedule(expression, zone, START), list[str](), start
    while len(found) < count and (due := schedule.after(at)) is not None:
        found.append(text_of(due))
        at = due
    return found


CASES = {
    "rate(5 minutes)": ["2026-11-29T10:05:30Z", "2026-11-29T10:10:30Z", "2026-11-29T10:15:30Z"],
    "rate(1 hour)": ["2026-11-29T11:00:30Z", "2026-11-29T12:00:30Z", "2026-11-29T13:00:30Z"],
    "rate(7 days)": ["2026-12-06T10:00:30Z", "2026-12-13T10:00:30Z", "2026-12-20T10:00:30Z"],
    "cron(0 10 * * ? *)": ["2026-11-30T10:00:00Z", "2026-12-01T10:00:00Z", "2026-12-02T10:00:00Z"],
    "cron(15 12 * * ? *)": ["2026-11-29T12:15:00Z", "2026-11-30T12:15:00Z", "2026-12-01T12:15:00Z"],
    "cron(0 18 ? * MON-FRI *)": ["2026-11-30T18:00:00Z", "2026-12-01T18:00:00Z", "2026-12-02T18:00:00Z"],
    "cron(0 8 1 * ? *)": ["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z", "2027-02-01T08:00:00Z"],
    "cron(0/15 * * * ? *)": ["2026-11-29T10:15:00Z", "2026-11-29T10:30:00Z", "2026-11-29T10:45:00Z"],
    "cron(0/5 8-17 ? * SAT,2 *)": ["2026-11-30T08:00:00Z", "2026-11-30T08:05:00Z", "2026-11-30T08:10:00Z"],
    "cron(0 9 ? * 2#1 *)": ["2026-12-07T09:00:00Z", "2027-01-04T09:00:00Z", "2027-02-01T09:00:00Z"],
    "cron(0 9 ? * 6L *)": ["2026-12-25T09:00:00Z", "2027-01-29T09:00:00Z", "2027-02-26T09:00:00Z"],
    "cron(0 9 L * ? *)": ["2026-11-30T09:00:00Z", "2026-12-31T09:00:00Z", "2027-01-31T09:00:00Z"],
    "cron(0 9 LW * ? *)": ["2026-11-30T09:00:00Z", "2026-12-31T09:00:00Z", "2027-01-29T09:00:00Z"],
    "cron(0 9 15W JAN-MAR ? 2028)": ["2028-01-14T09:00:00Z", "2028-02-15T09:00:00Z", "2028-03-15T09:00:00Z"],
    "cron(0 9 29 2 ? *)": ["2028-02-29T09:00:00Z", "2032-02-29T09:00:00Z", "2036-02-29T09:00:00Z"],
    "cron(0 9 31 2 ? *)": [],
    "cron(0 0 1 1 ? 2199)": ["2199-01-01T00:00:00Z"],
    "cron(0 0 1 1 ? 2020)": [],
    "at(2026-11-29T10:00:31)": ["2026-11-29T10:00:31Z"],
    "at(2026-11-29T10:00:30)": [],
}


@pytest.mark.parametrize("expression", CASES)
def test_expression_says_when(expression: str) -> None:
    assert next_times(expression) == CASES[expression]


def test_time_zone_keeps_the_hour_when_the_clock_is_changed() -> None:
    spring = datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()
    daily = next_times("cron(30 9 * * ? *)", 3, "Europe/Berlin", spring)
    assert daily == ["2026-03-28T08:30:00Z", "2026-03-29T07:30:00Z", "2026-03-30T07:30:00Z"]
    left_out = next_times("cron(30 2 * * ? *)", 2, "Europe/Berlin", spring)
    assert left_out == ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()
    assert next_times("cron(30 2 25 * ? *)", 1, "Europe/Berlin", autumn) == ["2026-10-25T00:30:00Z"]
    assert next_times("at(2026-12-01T09:00:00)", 1, "America/New_York") == ["2026-12-01T14:00:00Z"]


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 weeks)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(0 10 * * ?)",
        "cron(60 10 * * ? *)",
        "cron(0 10 ? * MON#6 *)",
        "cron(0 10 5-1 * ? *)",
        "cron(0 10 L-3 * ? *)",
        "cron(*/0 10 * * ? *)",
        "cron(0 10 32W * ? *)",
        "cron(0 10 * * ? 1969)",
        "at(2026-13-01T00:00:00)",
        "at(2026-11-29)",
        "every day",
        "",
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="Invalid Schedule Expression"):
        Schedule(expression)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "/etc/localtime", ""])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="Invalid time zone"):
        Schedule("rate(1 day)", zone)
