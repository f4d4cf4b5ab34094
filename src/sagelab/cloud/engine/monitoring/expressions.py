"""When a monitoring schedule is due, and which hours of data an execution looks at.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-schedule-expression.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

NOW = "NOW"
HOUR = timedelta(hours=1)
CRON = re.compile(r"cron\(0 (?:(?P<every>\*)|(?P<first>\d{1,2})(?:/(?P<step>\d{1,2}))?) \? \* \* \*\)")
# Of ISO 8601's durations; AWS's examples have hours' T before days too.
OFFSET = re.compile(
    r"(?P<sign>-?)P(?:T?(?P<days>\d{1,3})D)?(?:T?(?P<hours>\d{1,4})H)?(?:T?(?P<minutes>\d{1,5})M)?"
)


class BadExpression(ValueError):
    """An expression that Model Monitor does not take; `str()` says which it takes."""


@dataclass(frozen=True)
class Expression:
    """first, step: the hours of a day on which executions begin. step 1: every hour; 24: once a day."""

    first: int
    step: int

    def after(self, moment: datetime) -> datetime:
        """The first time that is later than a moment. moment: aware, in UTC."""
        hour = moment.replace(minute=0, second=0, microsecond=0) + HOUR
        while not self._is_due(hour.hour):
            hour += HOUR
        return hour

    def before(self, moment: datetime) -> datetime:
        """The last time that is earlier than a time at which it is due."""
        hour = moment - HOUR
        while not self._is_due(hour.hour):
            hour -= HOUR
        return hour

    def _is_due(self, hour: int) -> bool:
        return hour >= self.first and (hour - self.first) % self.step == 0


def parse(text: str) -> Expression | None:
    """A ScheduleExpression; None stands for NOW. BadExpression: it is neither."""
    if text == NOW:
        return None
    found = CRON.fullmatch(text)
    if found is None:
        raise BadExpression(
            f"The schedule expression {text!r} is not supported. Supported are cron(0 * ? * * *) for every hour,"
            " cron(0 [00-23] ? * * *) for every day, cron(0 [00-23]/[01-24] ? * * *) for every so many hours,"
            " and NOW."
        )
    if found["every"]:
        return Expression(0, 1)
    first, step = int(found["first"]), int(found["step"] or 24)
    if first > 23 or not 1 <= step <= 24:
        raise BadExpression(f"The schedule expression {text!r} has an hour beyond 23, or a step beyond 24.")
    return Expression(first, step)


def offset(text: str) -> timedelta:
    """A duration like -PT1H or -P1D. BadExpression: it is none."""
    found = OFFSET.fullmatch(text)
    parts = {
        name: int(value)
        for name, value in (found.groupdict() if found else {}).items()
        if value and name != "sign"
    }
    if found is None or not parts:
        raise BadExpression(f"{text!r} is not a duration of ISO 8601 in days, hours and minutes, like -PT1H.")
    length = timedelta(**parts)
    return -length if found["sign"] else length


@dataclass(frozen=True)
class Window:
    """The data of an execution: from start to before end, both aware, in UTC."""

    start: datetime
    end: datetime

    def hours(self) -> Iterator[str]:
        """The folders of captured data, each an hour's: "2026/01/31/23"."""
        hour = self.start.replace(minute=0, second=0, microsecond=0)
        while hour < self.end:
            yield f"{hour:%Y/%m/%d/%H}"
            hour += HOUR


def window(scheduled: datetime, config: dict[str, Any], given: dict[str, Any]) -> Window:
    """Which data an execution looks at. BadExpression: an offset is none.

    config: ScheduleConfig; its offsets are those of a schedule that runs NOW. given: EndpointInput, whose offsets
    are for labels that come later. All count from the time of the execution; without them it is the time since the
    execution before.
    """
    expression = parse(config.get("ScheduleExpression", NOW))
    start, end = expression.before(scheduled) if expression else scheduled - HOUR, scheduled
    for source, names in (
        (config, ("DataAnalysisStartTime", "DataAnalysisEndTime")),
        (given, ("StartTimeOffset", "EndTimeOffset")),
    ):
        start = scheduled + offset(source[names[0]]) if names[0] in source else start
        end = scheduled + offset(source[names[1]]) if names[1] in source else end
    return Window(start, end)
