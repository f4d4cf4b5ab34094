"""Metric maths on time series, arrays of them and numbers: its operators and functions.

What is missing counts as 0 in arithmetic; where a value cannot be had (a division by zero), there is none.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import itertools
import math
import operator
import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sagelab.cloud.alarms.expressions import MathError


@dataclass(frozen=True)
class Series:
    """Values by the epoch second at which their period begins. label: of its metric. period: 0 of a result."""

    values: dict[float, float]
    label: str = ""
    period: float = 0.0


Array = list[Series]
Value = float | str | Series | Array
Times = Sequence[float]  # when all periods begin, in order


def array(value: Value) -> Array:
    if isinstance(value, Series):
        return [value]
    if isinstance(value, list):
        return value
    raise MathError("An array has time series in it")


def mapped(value: Value, act: Callable[[Series], Series]) -> Value:
    """A series, or each of an array."""
    if isinstance(value, Series):
        return act(value)
    if isinstance(value, list):
        return [act(one) for one in value]
    raise MathError("A time series is needed")


def finite(act: Callable[..., float], *values: float | list[float]) -> float:
    """A number; not a number where there is none."""
    try:
        found = float(act(*values))
    except (ArithmeticError, ValueError, TypeError):  # TypeError: a power that is a complex number
        return math.nan
    return found if math.isfinite(found) else math.nan


def _kept(values: dict[float, float]) -> dict[float, float]:
    return {time: value for time, value in values.items() if math.isfinite(value)}


def valued(series: Series, act: Callable[[float], float]) -> Series:
    return Series(_kept({time: finite(act, value) for time, value in series.values.items()}), series.label)


def spread(act: Callable[[float, float], float], one: Value, other: Value) -> Value:
    """An operator on numbers, series and arrays."""
    if isinstance(one, float) and isinstance(other, float):
        return finite(act, one, other)
    if isinstance(one, list) and isinstance(other, list):
        raise MathError("An operator does not take two arrays of time series")
    if isinstance(one, list):
        return [_paired(act, each, other) for each in one]
    if isinstance(other, list):
        return [_paired(act, one, each) for each in other]
    return _paired(act, one, other)


def _paired(act: Callable[[float, float], float], one: Value, other: Value) -> Series:
    series = [each for each in (one, other) if isinstance(each, Series)]
    if not series or any(not isinstance(each, Series | float) for each in (one, other)):
        raise MathError("An operator takes numbers and time series")
    times = sorted({time for each in series for time in each.values})
    made = {time: finite(act, _at(one, time), _at(other, time)) for time in times}
    return Series(_kept(made), series[0].label)


def _at(value: Value, time: float, missing: float = 0.0) -> float:
    if isinstance(value, Series):
        return value.values.get(time, missing)
    if isinstance(value, float):
        return value
    raise MathError("A number or a time series is needed")


def _reduced(act: Callable[[list[float]], float], missing: bool = False) -> Callable[[Times, Value], Value]:
    """A function that makes a number of a series, and a series of an array.

    missing: whether a value that is not there counts as 0 among those of an array.
    """

    def reduce(_times: Times, value: Value) -> Value:
        if isinstance(value, Series):
            return finite(act, list(value.values.values()))
        found = {}
        for time in sorted({time for one in array(value) for time in one.values}):
            there = [one.values[time] for one in array(value) if time in one.values]
            lacking = [0.0] * (len(array(value)) - len(there)) if missing else []
            found[time] = finite(act, there + lacking)
        return Series(_kept(found))

    return reduce


def _stepped(act: Callable[[float, float, float, float], float]) -> Callable[[Times, Value], Value]:
    """A function of each value and the one before. act: of (value, before, time, time before)."""

    def step(series: Series) -> Series:
        pairs = sorted(series.values.items())
        made = {
            time: finite(act, value, before, time, earlier)
            for (earlier, before), (time, value) in itertools.pairwise(pairs)
        }
        return Series(_kept(made), series.label)

    return lambda _times, value: mapped(value, step)


def _running_sum(_times: Times, value: Value) -> Value:
    def run(series: Series) -> Series:
        total, made = 0.0, {}
        for time, one in sorted(series.values.items()):
            total += one
            made[time] = total
        return Series(_kept(made), series.label)

    return mapped(value, run)


def _fill(times: Times, value: Value, filler: Value) -> Value:
    if isinstance(filler, list) or (isinstance(filler, str) and filler not in ("REPEAT", "LINEAR")):
        raise MathError("FILL takes a number, a time series, REPEAT or LINEAR to fill with")

    def fill(series: Series) -> Series:
        known = sorted(series.values)
        made = dict(series.values)
        for time in times:
            if time not in made:
                made[time] = _filled(series.values, known, time, filler)
        return Series(_kept(dict(sorted(made.items()))), series.label)

    return mapped(value, fill)


def _filled(values: dict[float, float], known: list[float], time: float, filler: Value) -> float:
    """What stands for a value that is missing at a time; not a number where nothing does."""
    if not isinstance(filler, str):
        return _at(filler, time, math.nan)
    place = bisect_left(known, time)
    before = known[place - 1] if place else None
    after = known[place] if place < len(known) else None
    if before is None or (filler == "LINEAR" and after is None):
        return math.nan
    if filler == "REPEAT" or after is None:
        return values[before]
    return values[before] + (values[after] - values[before]) * (time - before) / (after - before)


def _if(_times: Times, test: Value, yes: Value, no: Value | None = None) -> Value:
    for one in (test, yes, no):
        if one is not None and not isinstance(one, Series | float):
            raise MathError("IF takes numbers and time series")
    if isinstance(test, Series):
        made = {}
        for time, truth in test.values.items():
            if truth:
                made[time] = _at(yes, time)
            elif no is not None:
                made[time] = _at(no, time, math.nan)
        return Series(_kept(made), test.label)
    chosen = yes if test else no
    if chosen is None:
        return Series({})
    return chosen


def _time_series(times: Times, value: Value) -> Value:
    if not isinstance(value, float):
        raise MathError("TIME_SERIES takes a number")
    return Series(_kept(dict.fromkeys(times, value)))


def _of_time(act: Callable[[datetime], float]) -> Callable[[Times, Value], Value]:
    def make(times: Times, value: Value) -> Value:
        if not isinstance(value, Series):
            raise MathError("A time series is needed")
        every = sorted({*times, *value.values})
        return Series({time: float(act(datetime.fromtimestamp(time, UTC))) for time in every}, value.label)

    return make


def _sort(times: Times, value: Value, by: Value, order: Value, limit: Value = math.inf) -> Value:
    if by not in ("AVG", "MIN", "MAX", "SUM") or order not in ("ASC", "DESC") or not isinstance(limit, float):
        raise MathError("SORT takes an array, one of AVG, MIN, MAX and SUM, one of ASC and DESC, and a limit")
    reduce = FUNCTIONS[str(by)][0]
    ranked = [(float(reduce(times, one)), one) for one in array(value)]  # type: ignore[arg-type]
    known = [pair for pair in ranked if math.isfinite(pair[0])]
    known.sort(key=lambda pair: pair[0], reverse=order == "DESC")
    found = [one for _, one in known] + [one for rank, one in ranked if not math.isfinite(rank)]
    return found[: len(found) if math.isinf(limit) else max(0, int(limit))]


def _slice(_times: Times, value: Value, start: Value, end: Value = math.inf) -> Value:
    if not (isinstance(start, float) and isinstance(end, float)) or math.isnan(start) or math.isnan(end):
        raise MathError("SLICE takes an array and one or two numbers")
    found = array(value)
    return found[max(0, int(min(start, len(found)))) : max(0, int(min(end, len(found))))]


def _end(place: int) -> Callable[[Times, Value], Value]:
    def take(_times: Times, value: Value) -> Value:
        if not (found := array(value)):
            return Series({})
        return found[place]

    return take


def _truth(value: object) -> float:
    return 1.0 if value else 0.0


OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "==": lambda one, other: _truth(one == other),
    "!=": lambda one, other: _truth(one != other),
    "<=": lambda one, other: _truth(one <= other),
    ">=": lambda one, other: _truth(one >= other),
    "<": lambda one, other: _truth(one < other),
    ">": lambda one, other: _truth(one > other),
    "AND": lambda one, other: _truth(one and other),
    "OR": lambda one, other: _truth(one or other),
}
EACH: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
# Function -> what it does, and how many arguments it takes at the least and at the most.
FUNCTIONS: dict[str, tuple[Callable[..., Value], int, int]] = {
    "AVG": (_reduced(statistics.fmean, missing=True), 1, 1),
    "DATAPOINT_COUNT": (_reduced(len), 1, 1),
    "MAX": (_reduced(max), 1, 1),
    "MIN": (_reduced(min), 1, 1),
    "STDDEV": (_reduced(statistics.pstdev), 1, 1),
    "SUM": (_reduced(math.fsum), 1, 1),
    "DIFF": (_stepped(lambda value, before, _time, _earlier: value - before), 1, 1),
    "DIFF_TIME": (_stepped(lambda _value, _before, time, earlier: time - earlier), 1, 1),
    "RATE": (_stepped(lambda value, before, time, earlier: (value - before) / (time - earlier)), 1, 1),
    "RUNNING_SUM": (_running_sum, 1, 1),
    "FILL": (_fill, 2, 2),
    "IF": (_if, 2, 3),
    "TIME_SERIES": (_time_series, 1, 1),
    "MINUTE": (_of_time(lambda time: time.minute), 1, 1),
    "HOUR": (_of_time(lambda time: time.hour), 1, 1),
    "DAY": (_of_time(lambda time: time.isoweekday()), 1, 1),
    "DATE": (_of_time(lambda time: time.day), 1, 1),
    "MONTH": (_of_time(lambda time: time.month), 1, 1),
    "YEAR": (_of_time(lambda time: time.year), 1, 1),
    "EPOCH": (_of_time(lambda time: time.timestamp()), 1, 1),
    "METRIC_COUNT": (lambda _times, value: float(len(array(value))), 1, 1),
    "REMOVE_EMPTY": (lambda _times, value: [one for one in array(value) if one.values], 1, 1),
    "FIRST": (_end(0), 1, 1),
    "LAST": (_end(-1), 1, 1),
    "SORT": (_sort, 3, 4),
    "SLICE": (_slice, 2, 3),
}
