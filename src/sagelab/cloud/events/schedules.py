"""Schedule expressions: rate(5 minutes), cron(0 9 ? * MON-FRI *) and at(2026-11-29T10:00:00), in a time zone.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FORM = re.compile(r"(rate|cron|at)\((.*)\)", re.ASCII)
_RATE = re.compile(r"([1-9]\d{0,8}) (minute|hour|day)(s?)", re.ASCII)
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): at for at, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: at for at, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d{1,4}))?", re.ASCII)


class Schedule:
    """When something is due. ValueError: the expression, or the time zone, is none.

    begins: epoch seconds from which a rate counts.
    """

    def __init__(self, expression: str, zone: str = "UTC", begins: float = 0.0) -> None:
        found = _FORM.fullmatch(expression)
        if not found:
            raise ValueError(f"Invalid Schedule Expression {expression}.")
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"Invalid time zone {zone}.") from None
        self._begins, self.once = begins, found[1] == "at"
        self._rate = self._cron = self._at = None
        try:
            if found[1] == "rate":
                self._rate = _rate(found[2])
            elif found[1] == "cron":
                self._cron = _Cron.read(found[2])
            else:
                self._at = self._utc(datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%S"))
        except (ValueError, OverflowError):
            raise ValueError(f"Invalid Schedule Expression {expression}.") from None

    def after(self, time: float) -> float | None:
        """The first time that it is due after another, in epoch seconds; None: never again."""
        if self._rate:
            return self._begins + self._rate * max(1, int((time - self._begins) // self._rate) + 1)
        if self._at is not None:
            return self._at if self._at > time else None
        assert self._cron
        for local in self._cron.after(datetime.fromtimestamp(time, self._zone).replace(tzinfo=None)):
            due = self._utc(local)
            if due > time and datetime.fromtimestamp(due, self._zone).replace(tzinfo=None) == local:
                return due  # not one of an hour that the clock leaves out in spring
        return None

    @property
    def at(self) -> float | None:
        """The one time that it is due."""
        return self._at

    def _utc(self, local: datetime) -> float:
        return local.replace(tzinfo=self._zone).timestamp()


def _rate(text: str) -> int:
    found = _RATE.fullmatch(text)
    if not found or (found[1] == "1") == bool(found[3]):  # 1 minute, 2 minutes
        raise ValueError(text)
    return int(found[1]) * _SECONDS[found[2]]


@dataclass(frozen=True)
class _Cron:
    """The six fields of EventBridge's cron. days, weekdays: their text; one of them is ?."""

    minutes: list[int]
    hours: list[int]
    days: str
    months: list[int]
    weekdays: str
    years: list[int]

    @classmethod
    def read(cls, text: str) -> _Cron:
        minutes, hours, days, months, weekdays, years = text.upper().split()
        if (days == "?") == (weekdays == "?"):
            raise ValueError(text)
        made = cls(
            _numbers(minutes, 0, 59),
            _numbers(hours, 0, 23),
            days,
            _numbers(months, 1, 12, _MONTHS),
            weekdays,
            _numbers(years, 1970, 2199),
        )
        made.days_of(2028, 2)
        return made

    def after(self, start: datetime) -> Iterator[datetime]:
        """The local times from a minute on, in order."""
        first = start.replace(second=0, microsecond=0)
        for year, month in ((year, month) for year in self.years for month in self.months):
            if (year, month) < (first.year, first.month):
                continue
            for day in self.days_of(year, month):
                if date(year, month, day) < first.date():
                    continue
                for hour, minute in ((hour, minute) for hour in self.hours for minute in self.minutes):
                    if (found := datetime(year, month, day, hour, minute)) >= first:
                        yield found

    def days_of(self, year: int, month: int) -> list[int]:
        last = calendar.monthrange(year, month)[1]
        if self.weekdays == "?":
            found = {day for part in self.days.split(",") for day in _days(part, year, month, last)}
        else:
            found = {day for part in self.weekdays.split(",") for day in _weekdays(part, year, month, last)}
        return sorted(day for day in found if day <= last)


def _days(part: str, year: int, month: int, last: int) -> list[int]:
    if part in ("L", "LW"):
        return [last if part == "L" else _near(last, year, month, last)]
    if part.endswith("W"):
        (day,) = _numbers(part[:-1], 1, 31)
        return [_near(day, year, month, last)] if day <= last else []
    return _numbers(part, 1, 31)


def _near(day: int, year: int, month: int, last: int) -> int:
    """The weekday of a month that is nearest to a day of it."""
    weekday = date(year, month, day).weekday()
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < last else day - 2
    return day


def _weekdays(part: str, year: int, month: int, last: int) -> list[int]:
    if part == "L":
        part = "7"
    elif part.endswith("L"):
        (day,) = _numbers(part[:-1], 1, 7, _DAYS)
        return _of_week([day], year, month, last)[-1:]
    elif "#" in part:
        name, _, count = part.partition("#")
        (day,), (at,) = _numbers(name, 1, 7, _DAYS), _numbers(count, 1, 5)
        return _of_week([day], year, month, last)[at - 1 : at]
    return _of_week(_numbers(part, 1, 7, _DAYS), year, month, last)


def _of_week(wanted: list[int], year: int, month: int, last: int) -> list[int]:
    """The days of a month that are one of these weekdays; 1 is Sunday."""
    return [day for day in range(1, last + 1) if (date(year, month, day).weekday() + 1) % 7 + 1 in wanted]


def _numbers(text: str, least: int, most: int, names: dict[str, int] | None = None) -> list[int]:
    """The values of a field: 5  1,2  1-5  MON-FRI  *  */15  1/10. ValueError: it is none."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(text)
        begin, end, step = match.groups()
        start = least if begin == "*" else (names or {}).get(begin) or int(begin)
        stop = (names or {}).get(end) or int(end) if end else most if begin == "*" or step else start
        if not least <= start <= stop <= most or step == "0":
            raise ValueError(text)
        found.update(range(start, stop + 1, int(step or 1)))
    return sorted(found)


def text_of(time: float) -> str:
    """A time as events have it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time)).strftime("%Y-%m-%dT%H:%M:%SZ")
