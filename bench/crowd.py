"""Sixteen clients at once, each in a process of its own: all begin together."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import Pool
from multiprocessing.synchronize import Barrier

from place import TIMEOUT

CLIENTS = 16


@dataclass(frozen=True)
class Load:
    """What one client did in one round. began, ended: on the clock that all processes share."""

    began: float
    ended: float
    sent: int
    errors: list[str]
    kept: list[str]


Done = tuple[int, list[str], list[str]]  # what a client sent, its errors, what was acknowledged


@contextmanager
def clients() -> Iterator[Pool]:
    """The processes; forked, for sixteen imports of boto3 would take longer than the measure."""
    context = multiprocessing.get_context("fork")
    with context.Pool(CLIENTS, _meet, (context.Barrier(CLIENTS),)) as pool:
        yield pool


def rush(
    pool: Pool, prepare: Callable[..., Callable[[], Done]], tasks: Sequence[tuple[object, ...]]
) -> list[Load]:
    """One round: each client calls prepare(*task), waits for all others, and does what it returned.

    Each is in a process of its own, for none takes a second task while all wait for all.
    """
    return pool.starmap(_load, [(prepare, *task) for task in tasks], chunksize=1)


def rate(crowds: list[list[Load]]) -> float:
    """Requests a second over all rounds, each from its first request to its last answer."""
    seconds = (max(one.ended for one in crowd) - min(one.began for one in crowd) for crowd in crowds)
    return sent(crowds) / sum(seconds)


def sent(crowds: list[list[Load]]) -> int:
    return sum(load.sent for crowd in crowds for load in crowd)


def errors(crowds: list[list[Load]]) -> list[str]:
    return [error for crowd in crowds for load in crowd for error in load.errors]


_start: Barrier


def _meet(barrier: Barrier) -> None:
    global _start
    _start = barrier


def _load(prepare: Callable[..., Callable[[], Done]], *task: object) -> Load:
    work = prepare(*task)
    _start.wait(TIMEOUT)
    began = time.monotonic()
    done = work()
    return Load(began, time.monotonic(), *done)
