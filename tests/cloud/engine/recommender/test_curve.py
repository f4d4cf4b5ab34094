from __future__ import annotations

import pytest

from sagelab.cloud.engine.recommender.curve import Limits, Window, chosen, is_flat, knee
from sagelab.cloud.engine.recommender.latencies import Latencies


def window(users: int, per_minute: int, milliseconds: float = 5.0, errors: int = 0) -> Window:
    times = Latencies()
    times.add(milliseconds)
    return Window(users, 60.0, per_minute + errors, errors, client=times)


def curve(*rates: int) -> list[Window]:
    """Levels of 1, 2, 3, ... users with so many invocations a minute."""
    return [window(users, rate) for users, rate in enumerate(rates, 1)]


def test_errors_are_no_invocations() -> None:
    assert window(1, 100, errors=50).per_minute == 100
    assert Window(1).per_minute == 0.0


@pytest.mark.parametrize(
    ("rates", "users"),
    [((100,), 1), ((100, 190, 280), 3), ((100, 190, 195, 200), 2), ((100, 105, 98, 102), 1), ((0, 0), 1)],
)
def test_the_numbers_are_those_where_the_curve_begins_to_flatten(rates: tuple[int, ...], users: int) -> None:
    assert knee(curve(*rates)).users == users


@pytest.mark.parametrize(
    ("rates", "flat"),
    [
        ((100, 102), False),
        ((100, 102, 101), True),
        ((100, 190, 195), False),
        ((100, 190, 195, 200), True),
        ((100, 190, 195, 280), False),
    ],
)
def test_a_curve_is_flat_after_two_levels_that_brought_nothing(rates: tuple[int, ...], flat: bool) -> None:
    assert is_flat(curve(*rates)) is flat


def test_levels_without_more_users_are_no_sign_of_flatness() -> None:
    assert not is_flat([window(3, 100), window(3, 100), window(3, 100)])


def test_a_limit_ends_the_load_and_says_which() -> None:
    flat = curve(100, 102, 101)
    assert Limits().reached(flat) == "FlatInvocations: more than 1 users bring no more invocations"
    assert Limits(until_flat=False).reached(flat) is None
    assert Limits(invocations=150).reached(curve(100)) is None
    assert Limits(invocations=100).reached(curve(100)) == "MaxInvocations: 100 a minute"
    slow = Limits(milliseconds=20).reached([window(1, 100, 30.0)])
    assert slow is not None
    assert slow.startswith("ModelLatencyThresholds: P95 is ")


def test_a_level_over_the_threshold_is_not_what_the_numbers_are_of() -> None:
    windows = [window(1, 100, 10.0), window(2, 200, 15.0), window(3, 300, 30.0)]
    assert chosen(windows, Limits(milliseconds=20)).users == 2
    assert chosen(windows, Limits()).users == 3
    assert chosen(windows, Limits(milliseconds=5)).users == 1  # none keeps it: the least load there is


def test_the_models_time_counts_where_it_was_heard() -> None:
    heard = window(1, 100, 30.0)
    heard.model.add(10.0)
    assert Limits(milliseconds=20).keeps(heard)
