"""Interruptions at random moments, over many jobs at once, with somebody who reads S3 all the time."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.jobs import Jobs
from tests.cloud.spot import epochs, is_whole, saved, spot, stages

FEW, MANY = (3, 2, 14), (10, 5, 24)  # jobs at once, interruptions and epochs of each
SECONDS, SIZE = 0.25, 300_000
EVERY = 0.9  # seconds of training between two interruptions, on average

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def observed(jobs: Jobs, requests: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Reads every checkpoint in S3 over and over; yields the names of those that were not whole."""
    corrupt: list[str] = []
    ended = threading.Event()

    def observe() -> None:
        while not ended.is_set():
            for request in requests:
                corrupt.extend(name for name, body in saved(jobs, request).items() if not is_whole(body))

    observer = threading.Thread(target=observe)
    observer.start()
    try:
        yield corrupt
    finally:
        ended.set()
        observer.join()


def trained_again(log: str) -> list[int]:
    """The epochs that were begun although they had ended before."""
    ended: set[str] = set()
    again = []
    for word, number in re.findall(r"(begins|ends) epoch (\d+)", log):
        if word == "ends":
            ended.add(number)
        elif number in ended:
            again.append(int(number))
    return again


def test_interruptions_lose_nothing_but_the_running_epochs(jobs: Jobs) -> None:
    survive(jobs, *FEW)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_fifty_interruptions_lose_nothing_but_the_running_epochs(jobs: Jobs) -> None:
    survive(jobs, *MANY)


def survive(jobs: Jobs, many: int, each: int, count: int) -> None:
    """Interrupt that many jobs so often each while they train `count` epochs; all of them complete."""
    market = {"rate": 3600 / EVERY, "wait": 0.1, "interruptions": each}
    command = epochs(count, SECONDS, SIZE)
    requests = [spot(jobs, command, market | {"seed": seed}) for seed in range(many)]
    with observed(jobs, requests) as corrupt:
        for request in requests:
            jobs.sagemaker.create_training_job(**request)
        found = [jobs.wait(request["TrainingJobName"]) for request in requests]
    assert corrupt == []
    assert sum(stages(job).count("Interrupted") for job in found) == many * each
    for request, job in zip(requests, found, strict=True):
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"epochs": str(count).encode()}
        log = jobs.log(request["TrainingJobName"])
        assert set(re.findall(r"begins epoch (\d+)", log)) == {str(number) for number in range(1, count + 1)}
        assert trained_again(log) == []
        assert sorted(saved(jobs, request)) == [f"epoch-{count - 1:03}", f"epoch-{count:03}"]
