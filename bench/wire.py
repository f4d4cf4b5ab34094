"""What encryption costs: TLS at the local cloud's port, and WireGuard between the hosts of a job.

The hosts run lab 6's exchange.py, which sends 4.8 MB each way after every batch, and a script that does nothing
but send: with the bandwidth of a small instance, and with one that is more than a machine carries, to see what the
devices can. The instances of AWS encrypt beside the training, not on its processors.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jobs import Jobs, algorithm
from place import Place, local_cloud, new_home
from table import Result
from turns import compare

from sagelab.cloud import tls

EXCHANGE = Path(__file__).parent.parent / "labs" / "06-lock-it-down" / "exchange.py"
SEND = Path(__file__).parent / "send.py"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
GROUP, FLAG = "/aws/sagemaker/TrainingJobs", "EnableInterContainerTrafficEncryption"
BUCKET, KB = "bench", 1 << 10
LOOK = 0.1  # seconds between two looks at a job
SMALL, LARGE = "ml.m5.large", "ml.p4d.24xlarge"  # 0.75 and 400 Gbit/s


def wire(quick: bool) -> Iterator[Result]:
    """A put of 1 KB by TLS and not; then two hosts that send, and two that train, with encryption and without."""
    with new_home() as home, local_cloud(home) as place:
        yield from _by_tls(place, str(tls.folder(home) / tls.AUTHORITY), count=30 if quick else 200)
        yield from _between_hosts(place, rounds=1 if quick else 3)


def _by_tls(place: Place, authority: str, count: int) -> Iterator[Result]:
    plain, secured = place.client("s3"), place.client("s3", authority)
    plain.create_bucket(Bucket=BUCKET)
    put = [partial(s3.put_object, Bucket=BUCKET, Key="small", Body=b"x" * KB) for s3 in (secured, plain)]
    ours, theirs = compare(put[0], put[1], count)
    seen = f"p50 of {count}: {ours:.1f} ms; plain {theirs:.1f} ms"
    yield Result("by TLS / plain: S3 put of 1 KB", ours / theirs, 1.2, "x", seen=seen)


@dataclass
class Pair:
    """Two hosts, plain and encrypted in turns."""

    jobs: Jobs
    logs: Any

    def say(self, script: Path, encrypted: bool, kind: str = SMALL, **changes: Any) -> list[str]:
        """What the first host of a job on instances of a type prints."""
        resources = {"InstanceType": kind, "InstanceCount": 2, "VolumeSizeInGB": 10}
        request = self.jobs.script(script, ResourceConfig=resources, **changes)
        request |= {"AlgorithmSpecification": algorithm(TrainingImage=IMAGE), FLAG: encrypted}
        self.jobs.run(request, LOOK)
        found = self.logs.filter_log_events(
            logGroupName=GROUP, logStreamNamePrefix=f"{request['TrainingJobName']}/algo-1-"
        )
        return [event["message"] for event in found["events"]]


def _between_hosts(place: Place, rounds: int) -> Iterator[Result]:
    pair = Pair(Jobs(place), place.client("logs"))
    for kind, of in ((SMALL, SMALL), (LARGE, f"{LARGE}, what the devices can")):
        plain, secured = _speeds(pair, kind, rounds)
        seen = f"the best of {rounds}: {secured:.0f} Mbit/s; plain {plain:.0f} Mbit/s"
        yield Result(f"encrypted / plain: two of {of}", secured / plain, 0.5, "x", at_least=True, seen=seen)
    shares = {encrypted: _share(pair, encrypted) for encrypted in (False, True)}
    told = [f"{name} {seconds:.2f} s, {share:.0%} of it exchange" for name, (seconds, share) in _named(shares)]
    ratio = shares[True][0] / shares[False][0]
    yield Result("encrypted / plain: an epoch of lab 6", ratio, 2.0, "x", seen="; ".join(told))


def _speeds(pair: Pair, kind: str, rounds: int) -> tuple[float, float]:
    """Mbit/s between two hosts, plain and encrypted, in turns: the best of each."""
    speeds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for encrypted, found in speeds.items():
            said = "\n".join(pair.say(SEND, encrypted, kind))
            found += [float(each) for each in re.findall(r"^(\d+) Mbit/s", said, re.MULTILINE)]
    return max(speeds[False]), max(speeds[True])


def _named(shares: dict[bool, tuple[float, float]]) -> Iterator[tuple[str, tuple[float, float]]]:
    for encrypted, found in shares.items():
        yield "encrypted" if encrypted else "plain", found


def _share(pair: Pair, encrypted: bool) -> tuple[float, float]:
    """Seconds of an epoch but the first, and the share of them that the exchange takes."""
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        images = random.integers(0, 255, (6000, 28, 28), np.uint8)
        np.savez(Path(folder, "digits.npz"), images=images, labels=random.integers(0, 10, 6000))
        channel = pair.jobs.channel("training", Path(folder))
    lines = pair.say(EXCHANGE, encrypted, InputDataConfig=[channel])
    epochs = [json.loads(line) for line in lines if line.startswith('{"epoch"')][1:]
    seconds = sum(epoch["seconds"] for epoch in epochs)
    return seconds / len(epochs), sum(epoch["exchange"] for epoch in epochs) / seconds
