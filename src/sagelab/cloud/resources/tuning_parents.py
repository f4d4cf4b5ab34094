"""Warm start: what a tuning job takes over from its parents, and the best of the whole family."""

from __future__ import annotations

from sagelab.cloud.engine.tuning.plan import definitions_of, objective_of
from sagelab.cloud.engine.tuning.space import Values
from sagelab.cloud.engine.tuning.trials import Trial
from sagelab.cloud.engine.tuning.warm_start import Inheritance
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.tuning_children import FINAL, read_records, read_trial
from sagelab.cloud.store import Document, Missing, Store


def names_of_parents(request: Params) -> list[str]:
    """The parents that a CreateHyperParameterTuningJob request names."""
    parents = request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
    return [parent.get("HyperParameterTuningJobName", "") for parent in parents]


def inherit(store: Store, job: Document) -> Inheritance | None:
    """The results of a tuning job's parents; None if it has no parents."""
    if "WarmStartConfig" not in job:
        return None
    results = [
        (_all_values(parent, trial), trial.value)
        for parent in _find_parents(store, job)
        for trial in map(read_trial, read_records(store, parent))
        if trial.value is not None
    ]
    return Inheritance(job["WarmStartConfig"]["WarmStartType"], tuple(results))


def find_overall_best(store: Store, job: Document) -> Params | None:
    """OverallBestTrainingJob: the best of a tuning job and its parents, where their values can be compared."""
    if job.get("WarmStartConfig", {}).get("WarmStartType") != "IdenticalDataAndAlgorithm":
        return None
    family = (job, *_find_parents(store, job))
    found: list[Params] = [each["BestTrainingJob"] for each in family if "BestTrainingJob" in each]
    objective = objective_of(definitions_of(job)[0], job["HyperParameterTuningJobConfig"])
    sign = -1 if objective["Type"] == "Maximize" else 1
    return min(found, key=lambda best: sign * float(best[FINAL]["Value"]), default=None)


def _find_parents(store: Store, job: Document) -> list[Document]:
    """The parents that are still there."""
    base = job["HyperParameterTuningJobArn"].rpartition("/")[0]
    found = []
    for name in names_of_parents(job):
        try:
            found.append(store.get(f"{base}/{name}"))
        except Missing:
            continue
    return found


def _all_values(job: Document, trial: Trial) -> Values:
    """Static and tuned: what is static in a parent may be tuned in the new job."""
    static: Values = definitions_of(job)[trial.definition].get("StaticHyperParameters", {})
    return static | trial.values
