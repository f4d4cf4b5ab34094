"""Searches with real training jobs, from their first to their end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.jobs import Jobs
from tests.cloud.tunings import PARABOLA, Tunings, plain_image

pytestmark = pytest.mark.slow

FINAL = "FinalHyperParameterTuningJobObjectiveMetric"
# Three good ones that end, and a bad one that would never end by itself.
ONE_LAGS = """
import argparse, signal
parser = argparse.ArgumentParser()
parser.add_argument("--kind")
args, _ = parser.parse_known_args()
print("score: 0.1" if args.kind == "bad" else "score: 0.9", flush=True)
if args.kind == "bad":
    signal.pause()
"""
ENDLESS = """
import argparse, itertools, time
parser = argparse.ArgumentParser()
parser.add_argument("--point", type=float)
args, _ = parser.parse_known_args()
for epoch in itertools.count(1):
    print(f"score: {args.point}", flush=True)
    time.sleep(0.02)
"""
HALF_FAIL = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--kind")
args, _ = parser.parse_known_args()
assert args.kind in "ac", "this one is broken"
print(f"score: {'xcxa'.index(args.kind)}")
"""


@pytest.fixture(scope="module")
def tunings(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunings]:
    """Of an image without Script Mode's toolkit; test_tuning_jobs.py and the clients' scripts have it."""
    with plain_image(jobs.cloud, tmp_path_factory.mktemp("plain")) as image:
        yield Tunings(jobs, image)


def kinds(*values: str) -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": "kind", "Values": list(values)}]}


def test_at_most_so_many_jobs_run_at_a_time_each_on_its_share_of_the_cores(tunings: Tunings) -> None:
    source = "import os\nprint('cores:', *sorted(os.sched_getaffinity(0)))\nprint('score: 1')"
    job = tunings.run(tunings.request(tunings.config(5, 2), source=source))
    children = tunings.children(job["HyperParameterTuningJobName"])
    for one in children:
        during = [
            each for each in children if each["CreationTime"] <= one["CreationTime"] < each["TrainingEndTime"]
        ]
        assert len(during) <= 2
    whole = tunings.jobs.run(tunings.jobs.script(source))
    logs = [tunings.jobs.log(child["TrainingJobName"]) for child in [*children, whole]]
    cores = [next(line.split()[1:] for line in log.splitlines() if line.startswith("cores:")) for log in logs]
    assert all(len(each) == max(1, len(cores[-1]) // 2) for each in cores[:-1])


def test_a_metric_that_no_job_prints_fails_the_search(tunings: Tunings) -> None:
    job = tunings.run(tunings.request(tunings.config(9, 1), source="print('val: 0.9')"))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "No objective metrics found after running 5 training jobs. Please ensure that the custom algorithm is"
        " emitting the objective metric as defined by the regular expression provided."
    )
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 5}
    assert "BestTrainingJob" not in job
    children = tunings.children(job["HyperParameterTuningJobName"])
    assert all("val: 0.9" in tunings.jobs.log(child["TrainingJobName"]) for child in children)


def test_an_objective_that_is_not_a_number_is_none(tunings: Tunings) -> None:
    config = tunings.config(None, 1, Strategy="Grid", ParameterRanges=kinds("a", "b"))
    source = "import sys\nprint('score:', 'nan' if 'a' in sys.argv else 0.5)"
    job = tunings.run(tunings.request(config, source=source))
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 2
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 0, "Failed": 1}
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "b"}


def test_jobs_that_all_fail_fail_the_search(tunings: Tunings) -> None:
    job = tunings.run(tunings.request(tunings.config(9, 1), source="raise ValueError('upside down')"))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 5
    children = tunings.children(job["HyperParameterTuningJobName"])
    assert all("upside down" in child["FailureReason"] for child in children)
    assert {child["ObjectiveStatus"] for child in children} == {"Failed"}
    few = tunings.run(tunings.request(tunings.config(2, 2), source="raise ValueError('upside down')"))
    assert few["FailureReason"].startswith("All training jobs failed.")


def test_some_that_fail_do_not(tunings: Tunings) -> None:
    config = tunings.config(None, 2, Strategy="Grid", ParameterRanges=kinds("a", "b", "c", "d"))
    job = tunings.run(tunings.request(config, source=HALF_FAIL))
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "a"}
    ranked = tunings.children(job["HyperParameterTuningJobName"], SortBy="FinalObjectiveMetricValue")
    assert [child["TunedHyperParameters"]["kind"] for child in ranked] == ["c", "a"]


def test_early_stopping_ends_a_job_that_lags_behind(tunings: Tunings) -> None:
    config = tunings.config(
        None,
        1,
        Strategy="Grid",
        ParameterRanges=kinds("a", "b", "c", "bad"),
        TrainingJobEarlyStoppingType="Auto",
    )
    job = tunings.run(tunings.request(config, source=ONE_LAGS))
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    last = tunings.children(job["HyperParameterTuningJobName"])[-1]
    assert last["TrainingJobStatus"] == "Stopped"
    assert last["ObjectiveStatus"] == "Succeeded"
    assert last[FINAL]["Value"] == pytest.approx(0.1)
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1


def test_hyperband_stops_every_job_at_its_last_resource_or_before(tunings: Tunings) -> None:
    band = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 6}}
    job = tunings.run(
        tunings.request(tunings.config(4, 2, Strategy="Hyperband", StrategyConfig=band), source=ENDLESS)
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 4
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 4


def test_hyperband_lets_a_job_end_by_itself_that_has_the_epochs_to(tunings: Tunings) -> None:
    config = tunings.config(1, 1, Strategy="Hyperband")
    job = tunings.run(tunings.request(config, static={"epochs": "3"}))
    assert job["TrainingJobStatusCounters"]["Completed"] == 1


def test_a_target_that_is_reached_ends_the_search(tunings: Tunings) -> None:
    criteria = {"TargetObjectiveMetricValue": 0.1}
    job = tunings.run(tunings.request(tunings.config(9, 1, TuningJobCompletionCriteria=criteria)))
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 1


def test_a_search_that_no_longer_improves_can_end(tunings: Tunings) -> None:
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    config = tunings.config(9, 1, TuningJobCompletionCriteria=criteria)
    job = tunings.run(tunings.request(config, source="print('score: 0.5')"))
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3


def test_a_seed_makes_a_search_repeatable_whichever_job_ends_first(tunings: Tunings) -> None:
    config = tunings.config(7, 2, Strategy="Bayesian", RandomSeed=4)
    searches = [tunings.run(tunings.request(config))["HyperParameterTuningJobName"] for _ in range(2)]
    first, second = ([child["TunedHyperParameters"] for child in tunings.children(name)] for name in searches)
    assert first == second
    assert len({values["point"] for values in first}) == 7


def warm(kind: str, *parents: str) -> dict[str, Any]:
    names = [{"HyperParameterTuningJobName": parent} for parent in parents]
    return {"WarmStartConfig": {"ParentHyperParameterTuningJobs": names, "WarmStartType": kind}}


def test_a_warm_start_on_the_same_data_knows_what_its_parents_found(tunings: Tunings) -> None:
    grid = tunings.config(2, 2, Strategy="Random", ParameterRanges=kinds("a", "b", "c"), RandomSeed=1)
    source = "import sys\nprint('score:', 'abc'.index(sys.argv[sys.argv.index('--kind') + 1]))"
    request = tunings.request(grid, source=source)
    parent = tunings.run(request)["HyperParameterTuningJobName"]
    name = f"{parent}-again"
    rest = tunings.config(1, 1, Strategy="Bayesian", ParameterRanges=kinds("a", "b", "c"))
    child = request | {"HyperParameterTuningJobName": name, "HyperParameterTuningJobConfig": rest}
    job = tunings.run(child | warm("IdenticalDataAndAlgorithm", parent))
    tried = [each["TunedHyperParameters"]["kind"] for each in tunings.children(parent) + tunings.children(name)]
    assert sorted(tried) == ["a", "b", "c"]
    assert job["OverallBestTrainingJob"]["TunedHyperParameters"] == {"kind": "c"}
    assert job["OverallBestTrainingJob"]["TuningJobName"] in (parent, name)


def test_a_warm_start_on_other_data_tries_the_best_of_its_parents_first(tunings: Tunings) -> None:
    parents = [tunings.run(tunings.request(tunings.config(2)))["HyperParameterTuningJobName"] for _ in range(2)]
    found = [child for parent in parents for child in tunings.children(parent)]
    ranked = sorted(found, key=lambda child: -child[FINAL]["Value"])
    config = tunings.config(4, 1, Strategy="Bayesian")
    job = tunings.run(
        tunings.request(config, source=PARABOLA.replace("0.3", "0.5")) | warm("TransferLearning", *parents)
    )
    tried = [each["TunedHyperParameters"] for each in tunings.children(job["HyperParameterTuningJobName"])]
    assert tried[:3] == [child["TunedHyperParameters"] for child in ranked[:3]]
    assert tried[3] not in tried[:3]
    assert "OverallBestTrainingJob" not in job
