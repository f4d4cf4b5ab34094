from __future__ import annotations

import pytest

from sagelab.cloud.engine.recommender.latencies import Latencies


def made(*milliseconds: float) -> Latencies:
    found = Latencies()
    for each in milliseconds:
        found.add(each)
    return found


def test_percentiles_are_within_a_percent() -> None:
    found = made(*range(1, 1001))
    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        assert found.percentile(share) == pytest.approx(1000 * share, rel=0.011)
    assert found.mean == pytest.approx(500.5)
    assert len(found) == 1000


def test_of_nothing_there_is_no_time() -> None:
    assert (Latencies().percentile(0.95), Latencies().mean, len(Latencies())) == (0.0, 0.0, 0)


def test_what_two_have_is_what_one_would_have() -> None:
    one, other = made(1, 2, 3), made(3, 100)
    one.take(other)
    assert one.counts == made(1, 2, 3, 3, 100).counts
    assert one.total == 109


def test_an_answer_that_took_no_time_is_counted() -> None:
    assert len(made(0.0)) == 1


def test_values_keep_to_their_number() -> None:
    found = made(*range(1, 5001))
    times, counts = found.values(50)
    assert len(times) == len(counts) <= 50
    assert sum(counts) == 5000
    assert times == sorted(times)
    assert made(7, 7, 9).values(150)[1] == [2.0, 1.0]
