"""A local cloud that is killed at random moments under load: what it acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import threading

import pytest
from load import Clients, Worker
from place import Place

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests.cloud.kills import kill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("SAGELAB_KILLS", "8"))
WORKERS = 6
LATEST = 1.5  # seconds after the start of the load


def connect(home: Home) -> Clients:
    return Clients(Place("local cloud", control.up(home), home.credentials()))


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
    moments = random.Random(8)
    workers = [Worker(number, random.Random(number)) for number in range(WORKERS)]
    connect(home).prepare()
    for _ in range(KILLS):
        load(connect(home), workers, home, moments.uniform(0.05, LATEST))
        assert [error for worker in workers for error in worker.errors] == []
        after = connect(home)
        assert [lost for worker in workers for lost in worker.lost(after, worker.recent)] == []
        for worker in workers:
            worker.settle(after)
    assert [lost for worker in workers for lost in worker.lost(after)] == []
    assert sum(worker.done for worker in workers) > KILLS
    assert sum(len(worker.known) for worker in workers) > KILLS
