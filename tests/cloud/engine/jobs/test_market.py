from __future__ import annotations

import itertools
import math
import statistics

import pytest

from sagelab.cloud.engine.jobs.market import INTERRUPT, Draws, Market, change, read_tags


def meet(market: Market, count: int) -> list[tuple[float, float]]:
    """The first intervals and waits of a job on a market."""
    draws = Draws(market)
    found = []
    for _ in range(count):
        found.append((draws.interval(), draws.wait()))
        draws.interrupt()
    return found


def test_same_seed_gives_the_same_interruptions() -> None:
    assert meet(Market(seed=7), 2) == meet(Market(seed=7), 2) != meet(Market(seed=8), 2)


def test_interruptions_come_at_the_rate_and_waits_last_as_long_on_average() -> None:
    found = meet(Market(rate=60, wait=10, interruptions=5000), 5000)
    assert statistics.mean(interval for interval, _ in found) == pytest.approx(60, rel=0.1)
    assert statistics.mean(wait for _, wait in found) == pytest.approx(10, rel=0.05)
    assert all(5 <= wait <= 15 for _, wait in found)


def test_market_interrupts_a_job_so_many_times_and_no_more() -> None:
    intervals = [interval for interval, _ in meet(Market(interruptions=2), 4)]
    assert [math.isinf(interval) for interval in intervals] == [False, False, True, True]


@pytest.mark.parametrize("facts", [{"rate": "0"}, {"interruptions": "0"}], ids=lambda facts: next(iter(facts)))
def test_market_can_be_calm(facts: dict[str, str]) -> None:
    calm = change(Market(), facts)
    assert math.isinf(Draws(calm).interval())
    assert calm.describe().endswith("interrupts nobody")


def test_default_market_interrupts_a_job_of_a_minute() -> None:
    draws = Draws(Market())
    assert draws.interval() + draws.wait() < 30


def test_market_goes_through_tags_unchanged() -> None:
    market = Market(rate=12.5, wait=0.25, seed=99, interruptions=3, notice=1)
    assert read_tags({**market.tags(), INTERRUPT: "now", "other": "x"}, Market()) == market


@pytest.mark.parametrize(
    ("name", "text"),
    [*itertools.product(["rate", "wait", "notice"], ["", "-1", "nan", "inf", "1e9"]), ("seed", "0.5")],
)
def test_fact_that_is_no_number_is_refused_in_a_sentence(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{name} of a spot market is "):
        change(Market(), {name: text})
