"""What an alarm's datapoints say of its state, and in which words: CloudWatch's rules, and no clock.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
STATES = (OK, ALARM, INSUFFICIENT)
MISSING, IGNORE, BREACHING, NOT_BREACHING = "missing", "ignore", "breaching", "notBreaching"
MORE = 2  # datapoints that are fetched beside those of the evaluation periods, in case some are missing

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Point:
    """One period. start: epoch seconds. value: None where there are no data. count: of samples."""

    start: float
    value: float | None
    count: float = 0.0


@dataclass(frozen=True)
class Rule:
    """Of `periods` datapoints (N), `wanted` (M) are to be over the threshold. given: whether M was said.

    missing: what stands for a datapoint that is not there. few: samples under which nothing is decided.
    """

    comparison: str
    threshold: float
    periods: int
    wanted: int
    given: bool = False
    missing: str = MISSING
    few: float = 0.0

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Finding:
    """state: None where it stays as it was. used: the datapoints that decided, oldest first. filled: how many
    were missing beside them. newest: the last datapoints, as many as there are evaluation periods."""

    state: str | None
    used: tuple[Point, ...]
    filled: int
    newest: tuple[Point, ...]


def judge(rule: Rule, points: Sequence[Point]) -> Finding:
    """What the datapoints of an evaluation range say. points: oldest first, one a period."""
    real = tuple(point for point in points if point.value is not None)[-rule.periods :]
    filled, newest = rule.periods - len(real), tuple(points[-rule.periods :])
    state = _state(rule, real, filled, points)
    if real and sum(point.count for point in real) < rule.few:
        state = None
    return Finding(state, real, filled, newest)


def _state(rule: Rule, real: Sequence[Point], filled: int, points: Sequence[Point]) -> str | None:
    over = [point for point in real if point.value is not None and rule.breaches(point.value)]
    if not filled or rule.missing == NOT_BREACHING:
        return ALARM if len(over) >= rule.wanted else OK
    if rule.missing == BREACHING:
        return ALARM if len(over) + filled >= rule.wanted else OK
    if not real:
        return INSUFFICIENT if rule.missing == MISSING else None
    if len(over) >= rule.wanted:
        return ALARM
    if len(over) < len(real):
        return OK
    # All that is there is over the threshold: it is too early for an alarm while the next one may not be.
    age = len(points) - list(points).index(over[0])
    return ALARM if rule.missing == MISSING and age >= rule.wanted else None


def reason(rule: Rule, found: Finding) -> str:
    """StateReason, as CloudWatch words it."""
    periods = _many(rule.periods, "period")
    if found.state == INSUFFICIENT:
        return f"Insufficient Data: {_many(rule.periods, 'datapoint')} {_was(rule.periods)} unknown."
    if found.filled and (rule.missing in (BREACHING, NOT_BREACHING)):
        count = _many(len(found.used), "datapoint") if found.used else "no datapoints"
        was = "were" if not found.used else _was(len(found.used))
        kind = "Breaching" if rule.missing == BREACHING else "NonBreaching"
        missing = f"{_many(found.filled, 'missing datapoint')} {_was(found.filled)} treated as [{kind}]."
        return f"Threshold Crossed: {count} {was} received for {periods} and {missing}"
    over = found.state == ALARM
    chosen = [one for one in reversed(found.used) if one.value is not None and rule.breaches(one.value) == over]
    listed = ", ".join(f"{one.value!r} ({_day(one.start)})" for one in chosen)
    words = COMPARISONS[rule.comparison][1]
    compared = f"{'' if over else 'not '}{words} the threshold ({float(rule.threshold)!r})"
    if not rule.given:
        many = _many(len(chosen), "datapoint")
        return f"Threshold Crossed: {many} [{listed}] {_was(len(chosen))} {compared}."
    needed = rule.wanted if over else rule.periods - rule.wanted + 1
    change = "OK -> ALARM" if over else "ALARM -> OK"
    some = f"{len(chosen)} out of the last {rule.periods} datapoints"
    least = f"(minimum {_many(needed, 'datapoint')} for {change} transition)"
    return f"Threshold Crossed: {some} [{listed}] {_was(len(chosen))} {compared} {least}."


def facts(rule: Rule, found: Finding, now: float, about: dict[str, Any]) -> dict[str, Any]:
    """StateReasonData. now: when it was looked at. about: "unit" and "statistic" where there are, and "period"."""
    told: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now)}
    if found.used:
        told["startDate"] = stamp(found.used[0].start)
    told |= about | {"recentDatapoints": [one.value for one in found.used], "threshold": float(rule.threshold)}
    return told | {"evaluatedDatapoints": [_told(one) for one in reversed(found.used or found.newest)]}


def stamp(time: float) -> str:
    """A time as CloudWatch's messages have it."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _told(point: Point) -> dict[str, Any]:
    told: dict[str, Any] = {"timestamp": stamp(point.start)}
    return told if point.value is None else told | {"sampleCount": point.count, "value": point.value}


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%d/%m/%y %H:%M:%S")
