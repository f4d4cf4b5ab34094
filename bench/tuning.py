"""What a search is worth and what it costs: known functions, many trials, and lab 1's digits two at a time."""

from __future__ import annotations

import itertools
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from jobs import IMAGE, ROLE, Jobs, algorithm, run_bare
from place import local_cloud, new_home
from table import Result
from training import METRICS, SCRIPT

from sagelab.cloud.engine.tuning.search import Strategy, make_search
from sagelab.cloud.engine.tuning.space import Space, Values, read_space
from sagelab.cloud.home import ACCOUNT, DEFAULT_REGION, Home
from sagelab.cloud.store import Document, Resource, Store
from sagelab.lab import digits

SEEDS, TRIALS = 20, 30
LONG = 200
EPOCHS = 27  # of a trial of the known learning curves
JOBS, PARALLEL = 10, 2
RATES = ("0.0005", "0.001", "0.002")

Function = Callable[[dict[str, float]], float]


def tuning(quick: bool) -> Iterator[Result]:
    """All measures of automatic model tuning."""
    yield from _quality(5 if quick else SEEDS)
    yield from _hyperband(5 if quick else SEEDS)
    yield _suggestion()
    yield from _lists(20 if quick else 200)
    yield _digits(2 if quick else JOBS)


# The search's quality


def branin(at: dict[str, float]) -> float:
    """Two dimensions, three minima of 0.3979."""
    x, y = at["x"], at["y"]
    curve = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return curve**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann(at: dict[str, float]) -> float:
    """Six dimensions, a minimum of -3.3224 among several others."""
    weights = np.array([1, 1.2, 3, 3.2])
    widths = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    centres = np.array(
        [
            [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
            [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
            [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
            [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
        ]
    )
    point = np.array([at[f"x{number}"] for number in range(6)])
    return -float(weights @ np.exp(-(widths * (point - centres) ** 2).sum(axis=1)))


def _box(**ends: tuple[float, float]) -> Space:
    items = [
        {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": "Linear"}
        for name, (low, high) in ends.items()
    ]
    return read_space({"ContinuousParameterRanges": items})


FUNCTIONS: dict[str, tuple[Function, Space]] = {
    "Branin": (branin, _box(x=(-5, 10), y=(0, 15))),
    "Hartmann-6": (hartmann, _box(**{f"x{number}": (0, 1) for number in range(6)})),
}


def _quality(seeds: int) -> Iterator[Result]:
    """The median of the best values after 30 trials: Bayesian against Random, the same seeds."""
    for name, (function, space) in FUNCTIONS.items():
        best = {
            strategy: [min(_search(strategy, space, function, seed)) for seed in range(seeds)]
            for strategy in ("Bayesian", "Random")
        }
        ours, theirs = (statistics.median(values) for values in best.values())
        seen = f"median of {seeds} seeds: Bayesian {ours:.4f}, Random {theirs:.4f}; the lower the better"
        yield Result(f"{name}, best of {TRIALS} trials: Bayesian - Random", ours - theirs, 0.0, seen=seen)


def _search(strategy: str, space: Space, function: Function, seed: int) -> list[float]:
    search, found = make_search(space, Strategy(strategy, maximize=False, seed=seed)), []
    for number in range(TRIALS):
        found.append(function(_point(search.ask())))
        search.tell(number, found[-1])
    return found


def _point(values: Values | None) -> dict[str, float]:
    assert values is not None
    return {name: float(text) for name, text in values.items()}


def _hyperband(seeds: int) -> Iterator[Result]:
    """The epochs of Hyperband, and its best, against Random's on known learning curves, the same seeds.

    A trial's value falls from epoch to epoch to that of Branin; how fast differs from trial to trial.
    """
    space, shares, gaps = FUNCTIONS["Branin"][1], [], []
    for seed in range(seeds):
        random = min(_curve(_point(values))[-1] for values in _random_points(space, seed))
        epochs, best = _race(space, seed)
        shares.append(epochs / (TRIALS * EPOCHS))
        gaps.append(best - random)
    share = statistics.median(shares)
    seen = f"median of {seeds} seeds, {TRIALS} trials of up to {EPOCHS} epochs; most {max(shares):.2f} x"
    yield Result("epochs of Hyperband / of Random", share, 0.5, "x", seen=seen)
    reached = sum(gap <= 0 for gap in gaps)
    seen = f"median of {seeds} seeds; as good or better with {reached} of them"
    yield Result("best of Hyperband - of Random", statistics.median(gaps), 0.0, seen=seen)


def _random_points(space: Space, seed: int) -> list[Values | None]:
    search = make_search(space, Strategy("Random", maximize=False, seed=seed))
    return [search.ask() for _ in range(TRIALS)]


def _curve(at: dict[str, float]) -> list[float]:
    final, pace = branin(at), 0.1 + 0.2 * abs(math.sin(at["x"] * 12.9898 + at["y"] * 78.233))
    return [final + 30 * math.exp(-pace * epoch) for epoch in range(1, EPOCHS + 1)]


def _race(space: Space, seed: int) -> tuple[int, float]:
    """(epochs in all, the best final value of all trials) of Hyperband."""
    search = make_search(space, Strategy("Hyperband", maximize=False, seed=seed, resources=(1, EPOCHS)))
    epochs, best = 0, math.inf
    for number in range(TRIALS):
        curve = _curve(_point(search.ask()))
        last = next((step for step, value in enumerate(curve, 1) if search.lags(number, step, value)), EPOCHS)
        search.tell(number, curve[last - 1])
        epochs, best = epochs + last, min(best, curve[last - 1])
    return epochs, best


def _suggestion() -> Result:
    """What the next combination costs after 200 trials of six hyperparameters."""
    function, space = FUNCTIONS["Hartmann-6"]
    search, times = make_search(space, Strategy("Bayesian", maximize=False, seed=1)), []
    for number in range(LONG + 20):
        began = time.perf_counter()
        values = search.ask()
        times.append(time.perf_counter() - began)
        search.tell(number, function(_point(values)))
    milliseconds = [1000 * seconds for seconds in times[LONG:]]
    seen = f"median of 20; slowest {max(milliseconds):.1f} ms; 6 hyperparameters, Bayesian"
    return Result(f"a suggestion after {LONG} trials", statistics.median(milliseconds), 20.0, "ms", seen=seen)


# Many training jobs


def _lists(children: int) -> Iterator[Result]:
    """Describe and a page of the list of a tuning job that has many training jobs."""
    with new_home() as home:
        name = _fill(home, children)
        with local_cloud(home) as place:
            sagemaker = place.client("sagemaker")
            calls: dict[str, Callable[[], Any]] = {
                "Describe": lambda: sagemaker.describe_hyper_parameter_tuning_job(
                    HyperParameterTuningJobName=name
                ),
                "a page of the list by name": lambda: _page(sagemaker, name, "Name"),
                "a page of the list by value": lambda: _page(sagemaker, name, "FinalObjectiveMetricValue"),
            }
            for what, call in calls.items():
                call()
                times = sorted(_milliseconds(call) for _ in range(50))
                seen = f"p95 of 50; median {statistics.median(times):.1f} ms"
                yield Result(f"{what}, {children} training jobs", times[47], 50.0, "ms", seen=seen)


def _page(sagemaker: Any, name: str, order: str) -> Any:
    return sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, SortBy=order, SortOrder="Descending"
    )


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _fill(home: Home, children: int) -> str:
    from sagelab.cloud.resources.tuning_children import kind_of, record_arn, summarise
    from sagelab.cloud.resources.tuning_jobs import TuningJobs

    name, kind = "many", TuningJobs.kind.arn
    arn = f"arn:aws:sagemaker:{DEFAULT_REGION}:{ACCOUNT}:{kind}/{name}"
    store = Store(home.database)
    records = [_record(name, number) for number in range(1, children + 1)]
    for record in records:
        key = record_arn(arn, record["TrainingJobName"])
        store.add(Resource(key, kind_of(name), DEFAULT_REGION, record["TrainingJobName"], "Completed", record), {})
    job = _tuning_job(name, arn, children) | {"BestTrainingJob": summarise(records[0])}
    store.add(Resource(arn, kind, DEFAULT_REGION, name, "Completed", job), {})
    store.close()
    return name


def _record(name: str, number: int) -> Document:
    """A training job of a tuning job, as it is kept."""
    job, now = f"{name}-{number:03}-{number:08x}", datetime.now(UTC)
    return {
        "Number": number,
        "Definition": 0,
        "TrainingJobName": job,
        "TrainingJobArn": f"arn:aws:sagemaker:{DEFAULT_REGION}:{ACCOUNT}:training-job/{job}",
        "TuningJobName": name,
        "CreationTime": now,
        "TrainingStartTime": now,
        "TrainingEndTime": now + timedelta(minutes=1),
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {"epochs": "12", "batch-size": "64", "learning-rate": f"{number / 10000}"},
        "ObjectiveStatus": "Succeeded",
        "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "val_acc", "Value": 1 - 1 / number},
        "Curve": [1 - 1 / (number + epoch) for epoch in range(20)],
    }


def _tuning_job(name: str, arn: str, children: int) -> Document:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobArn": arn,
        "HyperParameterTuningJobStatus": "Completed",
        "CreationTime": datetime.now(UTC),
        **_request("s3://bench/output", children),
        "TrainingJobStatusCounters": {"Completed": children},
        "ObjectiveStatusCounters": {"Succeeded": children},
    }


# Lab 1's digits, two at a time


def _digits(count: int) -> Result:
    """Ten jobs of 1 to 5 epochs, two at a time, against the same ten scripts run bare, one after another."""
    with local_cloud() as place, tempfile.TemporaryDirectory() as folder:
        jobs, saved = Jobs(place), digits.load().save(folder)
        channels = [jobs.channel(name, path) for name, path in saved.items()]
        began = time.perf_counter()
        children = _tune(jobs, place.client("sagemaker"), channels, count)
        ours = time.perf_counter() - began
        bare = sum(_run_bare(child["TunedHyperParameters"], Path(folder)) for child in children)
    epochs = sum(int(child["TunedHyperParameters"]["epochs"]) for child in children)
    seen = f"{count} jobs, {epochs} epochs: {ours:.0f} s with a cold start of the runtime, bare {bare:.0f} s"
    return Result(f"{count} jobs, {PARALLEL} at a time / their scripts bare", ours / bare, 0.75, "x", seen=seen)


def _tune(jobs: Jobs, sagemaker: Any, channels: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The training jobs of a tuning job that has ended. SystemExit: it did not complete."""
    template = jobs.script(SCRIPT)
    request = _request(f"s3://{jobs.bucket}/out", count)
    request["TrainingJobDefinition"]["StaticHyperParameters"] |= template["HyperParameters"]
    request["TrainingJobDefinition"]["InputDataConfig"] = channels
    name = {"HyperParameterTuningJobName": "digits"}
    sagemaker.create_hyper_parameter_tuning_job(**name, **request)
    while (job := sagemaker.describe_hyper_parameter_tuning_job(**name))[
        "HyperParameterTuningJobStatus"
    ] == "InProgress":
        time.sleep(0.5)
    if job["TrainingJobStatusCounters"]["Completed"] != count:
        raise SystemExit(f"the tuning job is {job}")
    found: list[dict[str, Any]] = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        **name, MaxResults=100
    )["TrainingJobSummaries"]
    return found


def _request(output: str, count: int) -> dict[str, Any]:
    """A grid of 1 to 5 epochs and two rates, in part: the first `count` of its combinations at random."""
    choices = [
        {"Name": "epochs", "Values": [str(epochs) for epochs in range(1, 6)]},
        {"Name": "learning-rate", "Values": list(itertools.islice(RATES, 2))},
    ]
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 1,
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "val_acc"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": count, "MaxParallelTrainingJobs": PARALLEL},
            "ParameterRanges": {"CategoricalParameterRanges": choices},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": algorithm(MetricDefinitions=METRICS) | {"TrainingImage": IMAGE},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": output},
            "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
            "StaticHyperParameters": {"batch-size": "32"},
        },
    }


def _run_bare(values: dict[str, str], folder: Path) -> float:
    places = {name: folder / name for name in ("training", "validation")}
    with tempfile.TemporaryDirectory() as model:
        arguments = {"batch-size": "32", **values, **places, "model-dir": model}
        options = [f"--{name}={value}" for name, value in arguments.items()]
        return run_bare(sys.executable, str(SCRIPT), *options)[0]
