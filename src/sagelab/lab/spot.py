"""Managed spot training to experiment with: a job's market, its capacity taken away, the epochs it trained.

The market is the local cloud's, and it is spoken to by tags of the job, in plain boto3. On AWS nobody can take the
capacity away but AWS, and such tags say nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sagelab.lab import watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

PREFIX = "sagelab:spot-"
FACTS = ("rate", "wait", "seed", "interruptions", "notice")
EPOCH = re.compile(r"epoch (\d+)/\d+ - ")
PAUSE = 0.2  # seconds between two looks at a job


def tags(**facts: float) -> list[dict[str, str]]:
    """Tags that give a job a market of its own.

    rate: interruptions an hour of training, on average; 0 for none. wait: seconds until there is capacity again,
    on average. seed: the same seed, the same draws. interruptions: the most for one job. notice: seconds between
    SIGTERM and SIGKILL. What is not given is as the local cloud has it (`sagelab spot show`).
    """
    if unknown := set(facts) - set(FACTS):
        raise TypeError(f"a spot market has {', '.join(FACTS)}, not {', '.join(sorted(unknown))}")
    return [{"Key": f"{PREFIX}{name}", "Value": f"{value:g}"} for name, value in facts.items()]


def market(lab: Lab, name: str) -> dict[str, float]:
    """The market that a spot job is on, as its tags tell it; empty on AWS, and for an ordinary job."""
    pages = (
        lab.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=_job(lab, name)["TrainingJobArn"])
    )
    found = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    keys = {fact: f"{PREFIX}{fact}" for fact in FACTS}
    return {fact: float(found[key]) for fact, key in keys.items() if key in found}


def interrupt(lab: Lab, name: str, after: int = 0) -> None:
    """Take the capacity of a running spot job away, now or when it has ended an epoch; return when it is gone.

    after: the number of the epoch. RuntimeError: on AWS only AWS does this. JobFailed: the job failed before.
    botocore's ClientError: the job has no capacity, for it waits or has ended.
    """
    if lab.target == "aws":
        raise RuntimeError("On AWS nobody can take the capacity of a job away but AWS.")
    _wait_for_epoch(lab, name, after)
    before = _job(lab, name)
    tag = {"Key": f"{PREFIX}interrupt", "Value": "now"}
    lab.client("sagemaker").add_tags(ResourceArn=before["TrainingJobArn"], Tags=[tag])
    job = before
    while job["TrainingJobStatus"] == "InProgress" and _interruptions(job) == _interruptions(before):
        time.sleep(PAUSE)
        job = _job(lab, name)


def epochs(lab: Lab, name: str) -> pd.DataFrame:
    """The epochs that a job trained, in order, from the log lines of its first host: epoch, end, again.

    end: when the epoch ended, aware. again: it had been trained before.
    """
    import pandas as pd

    table = pd.DataFrame(list(_ended(lab, name)), columns=["epoch", "end"])
    table["end"] = pd.to_datetime(table["end"], utc=True)
    return table.assign(again=table["epoch"].duplicated())


def _ended(lab: Lab, name: str) -> Iterator[tuple[int, Any]]:
    for event in watch.events(lab, name):
        found = EPOCH.search(event.message)
        if found and event.host == "algo-1":
            yield int(found[1]), event.time


def _wait_for_epoch(lab: Lab, name: str, number: int) -> None:
    while number and number not in [epoch for epoch, _ in _ended(lab, name)]:
        job = _job(lab, name)
        if job["TrainingJobStatus"] == "Failed":
            raise watch.JobFailed(name, job)
        if job["TrainingJobStatus"] != "InProgress":
            return
        time.sleep(PAUSE)


def _interruptions(job: dict[str, Any]) -> int:
    return sum(stage["Status"] == "Interrupted" for stage in job["SecondaryStatusTransitions"])


def _job(lab: Lab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.client("sagemaker").describe_training_job(TrainingJobName=name)
    return found
