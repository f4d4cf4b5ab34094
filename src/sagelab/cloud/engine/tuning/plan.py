"""What a tuning job's document asks for, as the search needs it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sagelab.cloud.engine.tuning.completion import Criteria
from sagelab.cloud.engine.tuning.search import Strategy
from sagelab.cloud.engine.tuning.space import Space, read_space
from sagelab.cloud.engine.tuning.trials import Objective
from sagelab.cloud.engine.tuning.warm_start import Inheritance

MAX_JOBS = 750
# The static hyperparameters that Hyperband takes MaxResource from:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperbandStrategyConfig.html
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")


@dataclass(frozen=True)
class Definition:
    """The training jobs of one algorithm: what to search and by which metric. epochs: a job's own end, if told."""

    space: Space
    objective: Objective
    epochs: int | None = None


@dataclass(frozen=True)
class Plan:
    """A tuning job, read.

    exact: whether the same seed must give the same search, whichever of its trials ends first. deadline: when
    the search must end. early_stopping: whether the median rule applies.
    """

    name: str
    definitions: tuple[Definition, ...]
    strategy: Strategy
    max_jobs: int
    exact: bool
    deadline: datetime | None
    early_stopping: bool
    criteria: Criteria
    inheritance: Inheritance | None = None

    @property
    def parallel(self) -> int:
        return self.strategy.parallel

    @property
    def objective(self) -> Objective:
        """The objective by which the best of all is chosen: all definitions have the same direction."""
        return self.definitions[0].objective


def read_plan(job: dict[str, Any], inheritance: Inheritance | None = None) -> Plan:
    """The plan of a tuning job's document, which resources/tuning_rules.py has checked."""
    config = job["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    definitions = tuple(_read_definition(item, config) for item in definitions_of(job))
    sizes = [definition.space.size or MAX_JOBS for definition in definitions]
    total = sum(sizes) if config["Strategy"] == "Grid" else MAX_JOBS
    return Plan(
        name=job["HyperParameterTuningJobName"],
        definitions=definitions,
        strategy=_read_strategy(job, definitions[0].objective.maximize),
        max_jobs=min(limits.get("MaxNumberOfTrainingJobs", total), total),
        exact="RandomSeed" in config,
        deadline=_read_deadline(job),
        early_stopping=config.get("TrainingJobEarlyStoppingType") == "Auto",
        criteria=_read_criteria(config.get("TuningJobCompletionCriteria", {})),
        inheritance=inheritance,
    )


def definitions_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The definitions of a tuning job, be it one or several."""
    found: list[dict[str, Any]] = job.get("TrainingJobDefinitions") or [job["TrainingJobDefinition"]]
    return found


def objective_of(definition: dict[str, Any], config: dict[str, Any]) -> Any:
    """The API's objective of a definition: its own, else the tuning job's; None if there is neither."""
    return definition.get("TuningObjective") or config.get("HyperParameterTuningJobObjective")


def ranges_of(definition: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The API's ranges of a definition: its own, else the tuning job's."""
    found: dict[str, Any] = definition.get("HyperParameterRanges") or config.get("ParameterRanges") or {}
    return found


def resources_of(job: dict[str, Any]) -> tuple[int, int] | None:
    """Hyperband's least and most resource; None where the most is not told and no hyperparameter tells it."""
    config = job["HyperParameterTuningJobConfig"].get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = config.get("MaxResource") or _find_epochs(definitions_of(job)[0])
    return (config.get("MinResource", 1), most) if most else None


def _find_epochs(definition: dict[str, Any]) -> int | None:
    values = definition.get("StaticHyperParameters", {})
    found = (values[name].strip('"') for name in EPOCHS if name in values)
    return next((int(text) for text in found if text.isdecimal()), None)


def _read_definition(item: dict[str, Any], config: dict[str, Any]) -> Definition:
    objective = objective_of(item, config)
    return Definition(
        read_space(ranges_of(item, config)),
        Objective(objective["MetricName"], objective["Type"] == "Maximize"),
        _find_epochs(item),
    )


def _read_strategy(job: dict[str, Any], maximize: bool) -> Strategy:
    config = job["HyperParameterTuningJobConfig"]
    own = zlib.crc32(f"{job['HyperParameterTuningJobArn']} {job['CreationTime'].timestamp()}".encode())
    return Strategy(
        name=config["Strategy"],
        maximize=maximize,
        seed=config.get("RandomSeed", own),
        parallel=config["ResourceLimits"]["MaxParallelTrainingJobs"],
        resources=resources_of(job) if config["Strategy"] == "Hyperband" else None,
    )


def _read_deadline(job: dict[str, Any]) -> datetime | None:
    seconds = job["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxRuntimeInSeconds")
    created: datetime = job["CreationTime"]
    return created + timedelta(seconds=seconds) if seconds else None


def _read_criteria(item: dict[str, Any]) -> Criteria:
    return Criteria(
        target=item.get("TargetObjectiveMetricValue"),
        timeout=item.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving"),
        on_convergence=item.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled",
    )
