"""Step scaling: how much an alarm's breach changes.

https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from sagelab.cloud.store import Document

MOST = 20  # adjustments of a policy
CHANGE, PERCENT, EXACT = "ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"
LOWER, UPPER = "MetricIntervalLowerBound", "MetricIntervalUpperBound"


def check(configuration: Document) -> None:
    """ValueError, in AWS's words: the steps of a StepScalingPolicyConfiguration are none."""
    steps, kind = configuration.get("StepAdjustments") or [], configuration.get("AdjustmentType")
    if kind is None:
        raise ValueError("AdjustmentType is required for StepScaling policies.")
    if not steps:
        raise ValueError("At least one StepAdjustment is required for StepScaling policies.")
    if len(steps) > MOST:
        raise ValueError(f"There can be at most {MOST} step adjustments per scaling policy.")
    if kind != PERCENT and configuration.get("MinAdjustmentMagnitude") is not None:
        raise ValueError("MinAdjustmentMagnitude is not supported by the specified adjustment type.")
    if kind == EXACT and any(step["ScalingAdjustment"] < 0 for step in steps):
        raise ValueError("ScalingAdjustment must be non-negative for the ExactCapacity adjustment type.")
    _check_bounds(steps)


def _check_bounds(steps: list[Document]) -> None:
    """The intervals: one after the other, open where they end away from the threshold."""
    for end, word in ((LOWER, "lower"), (UPPER, "upper")):
        if sum(step.get(end) is None for step in steps) > 1:
            raise ValueError(f"At most one StepAdjustment may have an unspecified {word} bound.")
    ordered = sorted(steps, key=_low)
    if any(_low(step) >= _high(step) for step in ordered):
        raise ValueError("The upper bound of a StepAdjustment must be greater than its lower bound.")
    if len(steps) == 1 and steps[0].get(LOWER) is None and steps[0].get(UPPER) is None:
        raise ValueError("At least one of the bounds of a StepAdjustment must be specified.")
    for one, following in pairwise(ordered):
        if _high(one) > _low(following):
            raise ValueError("StepAdjustment intervals can't overlap.")
        if _high(one) < _low(following):
            raise ValueError("StepAdjustment intervals can't have gaps between them.")
    _check_open(ordered)


def _check_open(ordered: list[Document]) -> None:
    if _low(ordered[0]) < 0 and ordered[0].get(LOWER) is not None:
        raise ValueError(
            "There must be a StepAdjustment with an unspecified lower bound (i.e., lower bound is null) when one"
            " StepAdjustment has a negative lower bound"
        )
    if _high(ordered[-1]) > 0 and ordered[-1].get(UPPER) is not None:
        raise ValueError(
            "There must be a StepAdjustment with an unspecified upper bound (i.e., upper bound is null) when one"
            " StepAdjustment has a positive upper bound"
        )


def _low(step: Document) -> float:
    bound = step.get(LOWER)
    return -math.inf if bound is None else float(bound)


def _high(step: Document) -> float:
    bound = step.get(UPPER)
    return math.inf if bound is None else float(bound)


def aggregate(values: Iterable[float], kind: str | None) -> float:
    """Datapoints of an alarm as one value. kind: the MetricAggregationType. ValueError: there are none."""
    found = list(values)
    if not found:
        raise ValueError("no datapoints")
    return {"Minimum": min, "Maximum": max}.get(kind or "", lambda given: sum(given) / len(given))(found)


def adjustment(configuration: Document, breach: float, *, above: bool) -> int | None:
    """The adjustment of the step in which a breach lies; None where it lies in none.

    breach: the metric less the alarm's threshold. above: the alarm is one for too much: then a lower bound is
    part of its step and an upper one is not, else it is the other way round.
    """
    for step in configuration["StepAdjustments"]:
        low, high = _low(step), _high(step)
        if (low <= breach < high) if above else (low < breach <= high):
            return int(step["ScalingAdjustment"])
    return None


def desired(configuration: Document, capacity: int, change: int) -> int:
    """The capacity that an adjustment leads to, without bounds."""
    kind = configuration["AdjustmentType"]
    if kind == EXACT:
        return change
    if kind == PERCENT:
        change = _rounded(capacity * change / 100, configuration.get("MinAdjustmentMagnitude") or 0)
    return max(0, capacity + change)


def _rounded(change: float, least: int) -> int:
    """A share of a capacity in whole instances: at least one, else towards zero."""
    if change == 0:
        return 0
    size = max(1, math.floor(abs(change)), least)
    return size if change > 0 else -size
