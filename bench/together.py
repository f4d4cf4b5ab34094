"""What two hosts of TensorFlow's image that train together come to, and one alone: lab 1's digits and network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jobs import algorithm
from table import Result
from training import RARE, lab_digits

SCRIPT = Path(__file__).parent / "mirrored.py"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.14-cpu-py310"
METRICS = [{"Name": "val_acc", "Regex": r"val_acc: ([0-9\.]+)"}]
MIRRORED = {"sagemaker_multi_worker_mirrored_strategy_enabled": "true"}


def together(quick: bool) -> Iterator[Result]:
    """The held-out accuracy of a job of two hosts against that of one."""
    epochs = 1 if quick else 10
    scores, times = [], []
    with lab_digits(full=False) as work:
        for hosts in (2, 1):
            request = work.jobs.script(
                SCRIPT,
                MIRRORED | {"epochs": str(epochs)},
                InputDataConfig=work.channels,
                AlgorithmSpecification=algorithm(TrainingImage=IMAGE, MetricDefinitions=METRICS),
                ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 10},
            )
            seconds, job = work.jobs.run(request, RARE)
            times.append(seconds)
            scores.append(job["FinalMetricDataList"][0]["Value"])
    seen = (
        f"{epochs} epochs: two hosts {scores[0]:.4f} in {times[0]:.0f} s, one {scores[1]:.4f} in {times[1]:.0f} s"
    )
    yield Result("held-out accuracy: two hosts together - one", abs(scores[0] - scores[1]), 0.01, seen=seen)
