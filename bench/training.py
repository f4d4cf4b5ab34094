"""What a training job costs over its script run bare: for lab 1's digits, and for nothing at all."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import Jobs, algorithm, run_bare
from place import local_cloud
from table import Result

from sagelab.lab import digits

SCRIPT = Path(__file__).parent.parent / "labs" / "01-train-a-digit-classifier" / "mnist-train-cnn.py"
EPOCHS = 10
METRICS = [{"Name": name, "Regex": rf"- {name}: ([0-9\.]+)"} for name in ("loss", "acc", "val_loss", "val_acc")]
RARE, OFTEN = 0.5, 0.02  # seconds between two looks at a job: a long one must not be slowed by them


@dataclass(frozen=True)
class Digits:
    """Lab 1's training, as a job and bare. folder: holds training/ and validation/."""

    jobs: Jobs
    folder: Path
    channels: list[dict[str, Any]]

    def run_job(self, epochs: int) -> tuple[float, float]:
        """(seconds from Create to Completed, held-out accuracy of the last epoch)."""
        request = self.jobs.script(
            SCRIPT,
            {"epochs": str(epochs), "batch-size": "32", "learning-rate": "0.001"},
            InputDataConfig=self.channels,
            AlgorithmSpecification=algorithm(MetricDefinitions=METRICS),
        )
        seconds, job = self.jobs.run(request, RARE)
        finals = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
        return seconds, finals["val_acc"]

    def run_bare(self, epochs: int) -> tuple[float, float]:
        """(seconds of the whole process, held-out accuracy of the last epoch)."""
        places = {name: self.folder / name for name in ("training", "validation")}
        arguments = {"epochs": epochs, "batch-size": 32, "learning-rate": 0.001, **places}
        with tempfile.TemporaryDirectory() as model:
            options = [f"--{name}={value}" for name, value in {**arguments, "model-dir": model}.items()]
            seconds, said = run_bare(sys.executable, str(SCRIPT), *options)
        return seconds, float(said.rsplit("val_acc: ")[-1].split()[0])


def train(quick: bool) -> Iterator[Result]:
    """The 10-epoch job in a warm runtime against the same script, bare; and what it learns."""
    epochs, pairs = (2, 1) if quick else (EPOCHS, 2)
    with lab_digits(full=False) as work:
        work.run_job(1)  # warms the runtime
        rounds = [(work.run_job(epochs), work.run_bare(epochs)) for _ in range(pairs)]
    jobs, bare = ([one[side][0] for one in rounds] for side in (0, 1))
    yield Result(
        f"training job of {epochs} epochs / its script bare",
        sum(jobs) / sum(bare),
        1.05,
        "x",
        seen=f"jobs {_seconds(jobs)}; bare {_seconds(bare)}",
    )
    if epochs == EPOCHS:
        scores = [score for one in rounds for _, score in one]
        seen = "the worst of " + ", ".join(f"{score:.4f}" for score in scores)
        yield Result("held-out accuracy, 5,000 digits, 10 epochs", min(scores), 0.96, at_least=True, seen=seen)


def train_full() -> Iterator[Result]:
    """The accuracy that the job reaches on all 70,000 digits; takes long."""
    with lab_digits(full=True) as work:
        seconds, score = work.run_job(EPOCHS)
    seen = f"one job of {seconds:.0f} s"
    yield Result("held-out accuracy, 70,000 digits, 10 epochs", score, 0.99, at_least=True, seen=seen)


def empty(quick: bool) -> Iterator[Result]:
    """What a job takes that does nothing, over the same nothing run bare."""
    count = 3 if quick else 10
    with local_cloud() as place, tempfile.TemporaryDirectory() as folder:
        jobs, script = Jobs(place), Path(folder) / "train.py"
        script.touch()
        kinds: dict[str, tuple[Callable[[], dict[str, Any]], list[str]]] = {
            "Script Mode": (lambda: jobs.script(script), [sys.executable, str(script)]),
            "a shell container": (lambda: jobs.shell("true"), ["/bin/bash", "-c", "true"]),
        }
        for kind, (request, command) in kinds.items():
            jobs.run(request(), OFTEN)  # warms the runtime
            pairs = [(jobs.run(request(), OFTEN)[0], run_bare(*command)[0]) for _ in range(count)]
            job, bare = (statistics.median(one[side] for one in pairs) for side in (0, 1))
            seen = f"median of {count}: job {job:.3f} s, bare {bare:.3f} s; slowest job {max(pairs)[0]:.3f} s"
            yield Result(f"empty job in {kind} - bare", job - bare, 0.5, "s", seen=seen)


@contextmanager
def lab_digits(full: bool) -> Iterator[Digits]:
    with local_cloud() as place, tempfile.TemporaryDirectory() as folder:
        jobs, saved = Jobs(place), digits.load(full=full).save(folder)
        yield Digits(jobs, Path(folder), [jobs.channel(name, path) for name, path in saved.items()])


def _seconds(times: list[float]) -> str:
    return ", ".join(f"{seconds:.1f}" for seconds in times) + " s"
