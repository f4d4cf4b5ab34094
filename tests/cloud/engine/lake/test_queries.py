"""Whose turn it is among the queries that wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sagelab.cloud.engine.lake.queries import Turns
from tests.waiting import until


def test_so_many_have_their_turn_and_the_next_when_one_gives_it_back() -> None:
    turns, never = Turns(2), threading.Event()
    with ThreadPoolExecutor() as threads:
        taken = [threads.submit(turns.take, never) for _ in range(4)]
        until(lambda: sum(one.done() for one in taken), lambda count: count == 2)
        turns.give()
        until(lambda: sum(one.done() for one in taken), lambda count: count == 3)
        turns.give()
        assert [one.result() for one in taken] == [True] * 4


def test_one_that_is_to_end_waits_no_longer_and_takes_no_turn() -> None:
    turns, asked, never = Turns(1), threading.Event(), threading.Event()
    assert turns.take(never)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(turns.take, asked)
        asked.set()
        turns.wake()
        assert not waiting.result()
        turns.give()
        assert turns.take(never)
