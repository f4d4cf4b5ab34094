"""Step scaling's intervals and roundings, as AWS's guide has them."""

from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.engine.scaling import steps

CHANGE, PERCENT, EXACT = steps.CHANGE, steps.PERCENT, steps.EXACT
Steps = tuple[tuple[float | None, float | None, int], ...]
OUT: Steps = ((0, 10, 1), (10, 20, 2), (20, None, 3))
IN: Steps = ((-10, 0, -1), (None, -10, -2))


def configuration(found: Steps, kind: str = CHANGE, **more: Any) -> dict[str, Any]:
    adjustments = [
        {
            **({steps.LOWER: low} if low is not None else {}),
            **({steps.UPPER: high} if high is not None else {}),
            "ScalingAdjustment": change,
        }
        for low, high, change in found
    ]
    return {"AdjustmentType": kind, "StepAdjustments": adjustments, **more}


@pytest.mark.parametrize(
    ("found", "breach", "above", "change"),
    [
        *(
            (OUT, 0, True, 1),
            (OUT, 9.9, True, 1),
            (OUT, 10, True, 2),
            (OUT, 500, True, 3),
            (OUT, -0.1, True, None),
        ),
        *((IN, 0, False, -1), (IN, -9.9, False, -1), (IN, -10, False, -2), (IN, 0.1, False, None)),
    ],
)
def test_bounds_of_a_step_on_the_side_of_the_threshold_are_part_of_it(
    found: Steps, breach: float, above: bool, change: int | None
) -> None:
    assert steps.adjustment(configuration(found), breach, above=above) == change


@pytest.mark.parametrize(
    ("capacity", "percent", "least", "desired"),
    [
        *((10, 25, None, 12), (10, 5, None, 11), (10, -5, None, 9), (10, -25, None, 8)),
        *((4, 25, 2, 6), (4, -25, 2, 2), (10, 127, None, 22), (1, -100, None, 0), (3, 0, None, 3)),
    ],
)
def test_percentages_are_rounded_towards_zero_but_never_to_it(
    capacity: int, percent: int, least: int | None, desired: int
) -> None:
    found = configuration(((0, None, percent),), PERCENT, MinAdjustmentMagnitude=least)
    assert steps.desired(found, capacity, percent) == desired


def test_other_adjustments_add_or_set() -> None:
    assert steps.desired(configuration(OUT), 4, 3) == 7
    assert steps.desired(configuration(OUT), 1, -3) == 0
    assert steps.desired(configuration(OUT, EXACT), 4, 3) == 3


def test_datapoints_are_taken_together_as_the_policy_has_it() -> None:
    values = [1.0, 5.0, 3.0]
    assert [steps.aggregate(values, kind) for kind in (None, "Average", "Minimum", "Maximum")] == [3, 3, 1, 5]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((), "At least one StepAdjustment"),
        (((0, 1, 1),) * 21, "at most 20"),
        (((0, None, 1), (5, None, 2)), "unspecified upper bound"),
        (((None, 0, 1), (None, -5, 2)), "unspecified lower bound"),
        (((None, None, 1),), "must be specified"),
        (((5, 5, 1), (5, None, 1)), "greater than its lower bound"),
        (((0, 10, 1), (5, None, 2)), "overlap"),
        (((0, 10, 1), (11, None, 2)), "gaps"),
        (((0, 10, 1),), "positive upper bound"),
        (((-10, 0, -1),), "negative lower bound"),
    ],
)
def test_steps_that_are_none_are_refused(found: Steps, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        steps.check(configuration(found))


@pytest.mark.parametrize(
    ("kind", "change", "more", "words"),
    [
        (EXACT, -1, {}, "non-negative"),
        (CHANGE, 1, {"MinAdjustmentMagnitude": 2}, "MinAdjustmentMagnitude is not supported"),
        (None, 1, {}, "AdjustmentType is required"),
    ],
)
def test_an_adjustment_goes_with_its_type(kind: str, change: int, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        steps.check(configuration(((0, None, change),), kind, **more))


def test_steps_of_both_ways_are_taken() -> None:
    for found in (OUT, IN, ((None, -5, -1), (-5, 5, 0), (5, None, 1))):
        steps.check(configuration(found))
