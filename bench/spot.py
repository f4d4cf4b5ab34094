"""What interruptions and checkpoints cost: what fifty of them lose, the way back, the accuracy, the sync."""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs import DAY, Jobs, algorithm
from place import Place, local_cloud
from table import Result

from sagelab.lab import digits

HERE = Path(__file__).parent
EPOCHS = HERE / "epochs.py"
SCRIPT = HERE.parent / "labs" / "04-train-on-spot" / "mnist-train-checkpoint.py"
METRICS = [{"Name": "val_acc", "Regex": r"- val_acc: ([0-9\.]+)"}]
GROUP = "/aws/sagemaker/TrainingJobs"
LOOK = 0.2
SUM = hashlib.sha256().digest_size
PREFIX = "sagelab:spot-"


def spot(quick: bool) -> Iterator[Result]:
    """Fifty interruptions of many jobs; then lab 4's script, interrupted and not, with checkpoints and without."""
    with local_cloud() as place:
        yield from _interrupt_often(place, *((2, 2) if quick else (10, 5)))
        yield from _train_digits(place, *((2, 1) if quick else (8, 3)))


def _interrupt_often(place: Place, count: int, each: int) -> Iterator[Result]:
    jobs = Jobs(place)
    market = {"rate": 4000, "wait": 0.1, "interruptions": each}
    parameters = {"epochs": str(5 * each), "seconds": "0.25", "size": "300000"}
    requests = [_on_spot(jobs, jobs.script(EPOCHS, parameters), market | {"seed": seed}) for seed in range(count)]
    with _observed(jobs) as corrupt:
        for request in requests:
            jobs.sagemaker.create_training_job(**request)
        found = [jobs.wait(request["TrainingJobName"], LOOK) for request in requests]
    interruptions = sum(_count_interruptions(job) for job in found)
    again = sum(len(_trained_again(_log(place, job))) for job in found)
    seen = f"{interruptions} interruptions of {count} jobs of {5 * each} epochs"
    completed = sum(job["TrainingJobStatus"] == "Completed" for job in found)
    yield Result("interrupted jobs that are not Completed", count - completed, 0, seen=seen)
    yield Result("ended epochs that were trained again", again, 0, seen=seen)
    yield Result("checkpoints in S3 that were not whole", len(set(corrupt)), 0, seen="read all the time meanwhile")


def _train_digits(place: Place, epochs: int, pairs: int) -> Iterator[Result]:
    jobs = Jobs(place)
    with tempfile.TemporaryDirectory() as folder:
        saved = digits.load().save(folder)
        channels = [jobs.channel(name, path) for name, path in saved.items()]

    def request(number: int) -> dict[str, Any]:
        """With its own seed, so that what is compared differs in one thing."""
        parameters = {"epochs": str(epochs), "seed": str(number + 1)}
        more = {"InputDataConfig": channels, "AlgorithmSpecification": algorithm(MetricDefinitions=METRICS)}
        return jobs.script(SCRIPT, parameters, **more)

    jobs.run(request(0), LOOK)  # warms the runtime
    plain, kept, ways, drops = [], [], [], []
    for number in range(pairs):
        _, without = jobs.run(request(number), LOOK)
        _, with_them = jobs.run(_keeping(jobs, request(number)), LOOK)
        interrupted = _interrupted_once(place, jobs, _on_spot(jobs, request(number), {"rate": 0, "wait": 0.5}))
        plain.append(_trained(_log(place, without)))
        kept.append(_trained(_log(place, with_them)))
        ways.append(_way_back(place, interrupted))
        drops.append(round(abs(_accuracy(without) - _accuracy(interrupted)), 6))  # of 1,000 digits
    seen = f"{_list(drops, 4)}; {epochs} epochs"
    yield Result("accuracy: interrupted - uninterrupted, either way", max(drops), 0.005, seen=seen)
    yield Result("end of waiting to first step - the script's own", max(ways), 1.5, "s", seen=_list(ways, 2))
    seen = f"training with {_list(kept, 1)} s; without {_list(plain, 1)} s"
    yield Result("training with checkpoints to S3 / without", sum(kept) / sum(plain), 1.02, "x", seen=seen)


def _keeping(jobs: Jobs, request: dict[str, Any]) -> dict[str, Any]:
    """The same job with its checkpoints in S3."""
    return request | {"CheckpointConfig": {"S3Uri": f"s3://{jobs.bucket}/kept/{request['TrainingJobName']}"}}


def _on_spot(jobs: Jobs, request: dict[str, Any], market: dict[str, float]) -> dict[str, Any]:
    """The same job on spot, on a market of its own."""
    return _keeping(jobs, request) | {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": DAY, "MaxWaitTimeInSeconds": DAY},
        "Tags": [{"Key": f"{PREFIX}{name}", "Value": str(value)} for name, value in market.items()],
    }


def _interrupted_once(place: Place, jobs: Jobs, request: dict[str, Any]) -> dict[str, Any]:
    """Run a job whose capacity is taken away in the middle of its second epoch."""
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    job = jobs.wait(name, LOOK, lambda job: "epoch 1/" in _log(place, job))
    jobs.sagemaker.add_tags(
        ResourceArn=job["TrainingJobArn"], Tags=[{"Key": f"{PREFIX}interrupt", "Value": "now"}]
    )
    return jobs.wait(name, LOOK)


@contextmanager
def _observed(jobs: Jobs) -> Iterator[list[str]]:
    """Reads every checkpoint in S3 over and over; yields the keys of those that were not whole."""
    corrupt: list[str] = []
    ended = threading.Event()

    def observe() -> None:
        while not ended.is_set():
            for item in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="kept/").get("Contents", []):
                try:
                    body = jobs.s3.get_object(Bucket=jobs.bucket, Key=item["Key"])["Body"].read()
                except jobs.s3.exceptions.NoSuchKey:
                    continue  # it was deleted meanwhile
                if hashlib.sha256(body[:-SUM]).digest() != body[-SUM:]:
                    corrupt.append(item["Key"])

    observer = threading.Thread(target=observe)
    observer.start()
    try:
        yield corrupt
    finally:
        ended.set()
        observer.join()


def _events(place: Place, job: dict[str, Any]) -> list[tuple[int, str]]:
    """(ms since the epoch, line) of all that a job printed so far, in order."""
    logs, prefix = place.client("logs"), f"{job['TrainingJobName']}/"
    try:
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=prefix)["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    found = []
    for stream in streams:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP, logStreamNames=[stream["logStreamName"]]
        )
        found += [(event["timestamp"], event["message"]) for page in pages for event in page["events"]]
    return sorted(found, key=lambda event: event[0])  # of one millisecond in the order they were printed


def _log(place: Place, job: dict[str, Any]) -> str:
    return "\n".join(message for _, message in _events(place, job))


def _trained(log: str) -> float:
    """Seconds of training, as the script tells them."""
    return float(re.findall(r"trained for ([0-9.]+) s", log)[-1])


def _trained_again(log: str) -> list[str]:
    """The epochs that were begun although they had ended before."""
    ended: set[str] = set()
    again = []
    for word, number in re.findall(r"(begins|ends) epoch (\d+)", log):
        ended |= {number} if word == "ends" else set()
        again += [number] if word == "begins" and number in ended else []
    return again


def _way_back(place: Place, job: dict[str, Any]) -> float:
    """Seconds from the end of the last wait to the first step, less those that the script itself took to it."""
    waited = [stage for stage in job["SecondaryStatusTransitions"] if stage["Status"] == "Interrupted"][-1]
    time, line = [(time, line) for time, line in _events(place, job) if line.startswith("first step ")][-1]
    own = float(line.split()[2])
    return time / 1000 - float(waited["EndTime"].timestamp()) - own


def _count_interruptions(job: dict[str, Any]) -> int:
    return sum(stage["Status"] == "Interrupted" for stage in job["SecondaryStatusTransitions"])


def _accuracy(job: dict[str, Any]) -> float:
    return next(float(m["Value"]) for m in job["FinalMetricDataList"] if m["MetricName"] == "val_acc")


def _list(numbers: list[float], digits: int) -> str:
    return ", ".join(f"{number:.{digits}f}" for number in numbers)
