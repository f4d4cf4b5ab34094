"""Which capacity alarms ask for: several policies, bounds, cooldowns, what is suspended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.scaling.decisions import Breach, Decision, Judge, values
from sagelab.cloud.store import Document
from tests.cloud.engine.scaling.stage import alarm, clock, step, target, tracks

OUT = step("out", {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 50, "ScalingAdjustment": 2},
           {"MetricIntervalLowerBound": 50, "ScalingAdjustment": 3})  # fmt: skip
IN = step("in", {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1})
EXACT = step("exact", {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 3}, AdjustmentType="ExactCapacity")


def decide(
    capacity: int,
    *heard: tuple[Document, Document],
    document: Document | None = None,
    others: tuple[Document, ...] = (),
    alarms: tuple[Document, ...] = (),
    cooldowns: Mapping[str, Document] | None = None,
    on: Clock | None = None,
) -> Decision | None:
    policies = {one["PolicyARN"]: one for one in (*(policy for policy, _ in heard), *others)}
    known = {one["AlarmName"]: one for one in (*(found for _, found in heard), *alarms)}
    judge = Judge(document or target(), policies, cooldowns or {}, known.get, on or clock()[1])
    return judge.decide([Breach(policy, found, capacity) for policy, found in heard], capacity)


def desired(*arguments: Any, **options: Any) -> int | None:
    found = decide(*arguments, **options)
    return found.desired if found else None


A, B = tracks("a"), tracks("b", 10.0)


def test_out_in_proportion_to_the_newest_datapoint_and_within_bounds() -> None:
    assert desired(2, (A, alarm("a-high", 500, 300, 160))) == 4
    assert desired(2, (A, alarm("a-high", 9999))) == 10


def test_of_several_policies_the_largest_capacity_counts() -> None:
    assert desired(2, (A, alarm("a-high", 160)), (B, alarm("b-high", 35))) == 7
    assert desired(2, (A, alarm("a-low", 1, below=True)), (B, alarm("b-high", 15))) == 3


def test_in_only_if_all_agree_and_to_the_largest() -> None:
    low = (A, alarm("a-low", 10, below=True))
    assert desired(5, low) == 1
    assert desired(5, low, others=(B,), alarms=(alarm("b-low", 6, below=True),)) == 3
    assert desired(5, low, others=(B,), alarms=(alarm("b-low", 6, state="OK", below=True),)) is None
    assert desired(5, low, others=(B,), alarms=(alarm("b-low", state="INSUFFICIENT_DATA", below=True),)) is None
    assert desired(5, low, others=(B,)) is None


def test_a_policy_that_does_not_scale_in_has_no_say_in_it_unless_it_scales_out() -> None:
    still = tracks("b", 10.0, DisableScaleIn=True)
    low = (A, alarm("a-low", 10, below=True))
    assert desired(5, low, others=(still,)) == 1
    assert desired(5, low, others=(still,), alarms=(alarm("b-high", 50),)) is None
    assert desired(5, (still, alarm("b-low", 1, below=True))) is None


def test_without_datapoints_nothing_is_decided() -> None:
    assert decide(2, (A, alarm("a-high"))) is None
    assert decide(2, (OUT, alarm("mine"))) is None


@pytest.mark.parametrize("text", ["no JSON", "{}", "[1]", '{"recentDatapoints": "x"}', "[" * 3000])
def test_a_reason_that_somebody_made_up_has_no_datapoints(text: str) -> None:
    assert values({"StateReasonData": text}) == []


def test_what_is_no_number_is_no_datapoint() -> None:
    assert values({"StateReasonData": '{"recentDatapoints": [NaN, 1, Infinity, null, "2", 1e200, 3.5]}'}) == [
        1,
        3.5,
    ]


@pytest.mark.parametrize(("value", "capacity"), [(100, 4), (149, 4), (150, 5), (99, None)])
def test_a_step_is_chosen_by_the_size_of_the_breach(value: float, capacity: int | None) -> None:
    assert desired(2, (OUT, alarm("mine", value))) == capacity


def test_a_step_in_and_an_exact_one() -> None:
    assert desired(3, (IN, alarm("mine", 5, below=True))) == 2
    assert desired(1, (EXACT, alarm("mine", 200))) == 3
    assert desired(5, (EXACT, alarm("mine", 200))) == 3


@pytest.mark.parametrize(
    ("capacity", "heard", "reason"),
    [
        (10, (A, alarm("a-high", 500)), {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 10}),
        (1, (A, alarm("a-low", 0, below=True)), {"Code": "AlreadyAtMinCapacity", "MinCapacity": 1}),
        (2, (A, alarm("a-low", 90, below=True)), {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": 2}),
    ],
)
def test_what_is_not_scaled_has_a_reason(
    capacity: int, heard: tuple[Document, Document], reason: Document
) -> None:
    found = decide(capacity, heard)
    assert found is not None
    assert (found.desired, found.reason) == (None, reason)


def test_what_a_policy_added_counts_as_there_in_its_cooldown() -> None:
    wall, on = clock()
    judge = Judge(target(), {OUT["PolicyARN"]: OUT}, {}, lambda _: None, on)
    first = judge.decide([Breach(OUT, alarm("mine", 110), 1)], 1)
    assert first is not None
    assert (first.desired, first.cooldown) == (3, 300)
    begun = judge.begun(first, 1)
    assert desired(3, (OUT, alarm("mine", 110)), cooldowns=begun, on=on) is None
    assert desired(3, (OUT, alarm("mine", 160)), cooldowns=begun, on=on) == 4
    wall[0] += 299
    assert desired(3, (OUT, alarm("mine", 110)), cooldowns=begun, on=on) is None
    on.set(30)
    wall[0] += 0.1
    assert desired(3, (OUT, alarm("mine", 110)), cooldowns=begun, on=on) == 5


def test_a_larger_scale_out_begins_the_cooldown_anew_and_counts_from_where_it_began() -> None:
    _, on = clock()
    policies = {A["PolicyARN"]: A}
    first = Decision(Breach(A, alarm("a-high", 300), 1), 3, 300)
    begun = Judge(target(), policies, {}, lambda _: None, on).begun(first, 1)
    assert desired(3, (A, alarm("a-high", 150)), cooldowns=begun, on=on) is None
    second = decide(3, (A, alarm("a-high", 500)), cooldowns=begun, on=on)
    assert second is not None
    assert second.desired == 5
    assert Judge(target(), policies, begun, lambda _: None, on).begun(second, 3)[A["PolicyARN"]]["Base"] == 1


def test_in_waits_for_the_cooldown_of_in_which_a_scale_out_breaks_off() -> None:
    wall, on = clock()
    policies = {IN["PolicyARN"]: IN, A["PolicyARN"]: A}
    first = Decision(Breach(IN, alarm("mine", 5, below=True), 4), 3, 60)
    begun = Judge(target(), policies, {}, lambda _: None, on).begun(first, 4)
    assert decide(3, (IN, alarm("mine", 5, below=True)), cooldowns=begun, on=on) is None
    out = decide(3, (A, alarm("a-high", 200)), cooldowns=begun, on=on)
    assert out is not None
    assert out.desired == 6
    after = Judge(target(), policies, begun, lambda _: None, on).begun(out, 3)
    assert desired(6, (IN, alarm("mine", 5, below=True)), cooldowns=after, on=on) == 5
    wall[0] += 60
    assert desired(3, (IN, alarm("mine", 5, below=True)), cooldowns=begun, on=on) == 2


def test_cooldowns_are_the_policys_own_where_it_has_some() -> None:
    found = decide(2, (tracks("a", ScaleOutCooldown=0), alarm("a-high", 160)))
    assert found is not None
    assert found.cooldown == 0


def test_what_is_suspended_is_not_done() -> None:
    still = target(DynamicScalingOutSuspended=True)
    assert decide(2, (A, alarm("a-high", 300)), document=still) is None
    assert desired(2, (A, alarm("a-low", 1, below=True)), document=still) == 1
    still = target(DynamicScalingInSuspended=True)
    assert decide(2, (A, alarm("a-low", 1, below=True)), document=still) is None
