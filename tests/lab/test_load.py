from __future__ import annotations

import io
import time
from typing import Any

import pandas as pd
import pytest

from sagelab.lab import load
from sagelab.lab.load import Request
from sagelab.lab.session import Lab


def table(*per_second: float, client: float = 0.1, failed: int = 0) -> pd.DataFrame:
    """A load test of 1, 2, 4, ... users with these answers a second."""
    rows = [
        (
            2**level,
            10,
            failed,
            rate,
            1000 * 2**level / rate,
            1200 * 2**level / rate,
            1300 * 2**level / rate,
            client,
        )
        for level, rate in enumerate(per_second)
    ]
    return pd.DataFrame(rows, columns=load.COLUMNS)


@pytest.mark.parametrize(
    ("rates", "users"),
    [((10, 20, 38, 40, 39), 4), ((10, 11, 10), 1), ((10, 20, 40), 4), ((10,), 1), ((13, 24, 22, 39, 28), 8)],
)
def test_latency_bends_where_more_users_hardly_bring_more(rates: tuple[float, ...], users: int) -> None:
    assert load.bend(table(*rates))["users"] == users


def test_a_client_that_is_busy_itself_is_named_as_what_may_be_the_limit() -> None:
    assert load.sentence(table(10, 20, 21)) == "Up to 2 users more of them get more answers, 20 a second."
    assert "This process itself was busy for 90% of the time" in load.sentence(table(10, 20, 21, client=0.9))
    assert "; 6 requests failed" in load.sentence(table(10, 20, 21, failed=2))


def test_users_ask_until_the_block_ends_and_keep_what_fails(lab: Lab) -> None:
    limit = time.monotonic() + 60
    with load.users(lab, lab.name, b"{}", 3) as requests:
        while len(requests) < 6 and time.monotonic() < limit:
            time.sleep(0.01)
    ended = len(requests)
    assert ended >= 6
    assert all("not found" in each.error and each.end >= each.begin for each in requests)
    assert len(requests) == ended


def test_a_level_counts_what_was_answered_and_what_failed() -> None:
    requests = [Request(0, 0.1), Request(0, 0.3), Request(0, 0.5, "gone")]
    found = load.summary(requests, 2.0)
    assert found[:3] == (3, 1, 1.0)
    assert found[3] == pytest.approx(200)
    assert load.summary([], 2.0)[:3] == (0, 0, 0.0)


def test_the_picture_of_a_load_test_marks_the_bend_and_says_it() -> None:
    figure: Any = load.show(table(10, 20, 38, 40))
    assert "Latency bends at 4" in figure.alt
    rate, latency = figure.axes
    assert rate.get_ylabel() == "answers (a second)"
    assert latency.get_ylabel() == "latency (ms)"
    assert all(4 in axis.lines[-1].get_xdata() for axis in figure.axes)
    figure.savefig(io.BytesIO(), format="png")


def test_the_picture_of_requests_begins_with_its_mark_and_crosses_what_failed() -> None:
    run = [Request(10.0, 10.1), Request(14.0, 14.1), Request(15.5, 15.6, "gone"), Request(16.0, 16.2)]
    figure: Any = load.show_requests({"one": run}, {"one": 15.0}, within=2)
    assert figure.alt.endswith("one: 4 requests, 1 failed")
    answered, failed, _ = figure.axes[0].lines
    assert list(answered.get_xdata()) == [-1.0, 1.0]
    assert list(failed.get_xdata()) == [0.5]
    figure.savefig(io.BytesIO(), format="png")
