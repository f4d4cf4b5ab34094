"""A local cloud that is killed at random moments under load: what it acknowledged is there afterwards."""

from __future__ import annotations

import random
import threading

import pytest
from load import Clients, Worker
from place import Place

from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.kills import kill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

FEW, MANY = 2, 100
WORKERS = 6
LATEST = 1.5  # seconds after the start of the load


def connect(home: Home) -> Clients:
    return Clients(Place("local cloud", clouds.start(home).url, home.credentials()))


def load(clients: Clients, workers: list[Worker], home: Home, seconds: float) -> None:
    """Let the workers work for a while, and kill the local cloud under them."""
    stop, over = threading.Event(), threading.Event()
    threads = [threading.Thread(target=worker.run, args=(clients, stop)) for worker in workers]
    for thread in threads:
        thread.start()
    over.wait(seconds)
    stop.set()
    kill(home)
    for thread in threads:
        thread.join()


def test_what_was_acknowledged_survives_kills_at_random_moments(home: Home) -> None:
    survive(home, FEW)


@pytest.mark.long
def test_what_was_acknowledged_survives_many_kills(home: Home) -> None:
    survive(home, MANY)


def survive(home: Home, kills: int) -> None:
    """Kill the local cloud that often at random moments, and look for what it had acknowledged."""
    moments = random.Random(8)
    workers = [Worker(number, random.Random(number)) for number in range(WORKERS)]
    connect(home).prepare()
    for _ in range(kills):
        load(connect(home), workers, home, moments.uniform(0.05, LATEST))
        assert [error for worker in workers for error in worker.errors] == []
        after = connect(home)
        assert [lost for worker in workers for lost in worker.lost(after, worker.recent)] == []
        for worker in workers:
            worker.settle(after)
    assert [lost for worker in workers for lost in worker.lost(after)] == []
    assert sum(worker.done for worker in workers) > kills
    assert sum(len(worker.known) for worker in workers) > kills
