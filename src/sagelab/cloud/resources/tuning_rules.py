"""What a CreateHyperParameterTuningJob request must satisfy beyond the service model.

Messages are SageMaker's where it has one for the case. Limits:
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.images.registry import TRAIN
from sagelab.cloud.engine.tuning.plan import MAX_JOBS, definitions_of, objective_of, ranges_of, resources_of
from sagelab.cloud.engine.tuning.space import read_space
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources import algorithm_rules, training_rules, tuning_ranges
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.tuning_children import RESOURCES, training_request
from sagelab.cloud.resources.tuning_parents import names_of_parents
from sagelab.cloud.store import Document

MAX_PARALLEL = 10
MAX_METRICS = 20
MAX_RESOURCE = 20_000
RUNNING = ("InProgress", "Stopping")


def check(job: Params, parents: Sequence[Document], cloud: Cloud) -> None:
    """ValidationException or ResourceLimitExceeded: the request breaks a rule.

    parents: the tuning jobs that it names for a warm start.
    """
    if "Autotune" in job:
        raise ValidationException("Autotune: the local cloud does not choose ranges and limits by itself.")
    _check_definitions(job)
    config = job["HyperParameterTuningJobConfig"]
    for definition in definitions_of(job):
        _check_objective(definition, config, cloud)
        image = cloud.launcher.images.find(definition["AlgorithmSpecification"].get("TrainingImage", ""), TRAIN)
        tuning_ranges.check(ranges_of(definition, config), definition.get("StaticHyperParameters", {}))
        algorithm_rules.check_ranges(image, ranges_of(definition, config))
    _check_limits(config["ResourceLimits"])
    _check_strategy(job)
    _check_parents(job, parents)
    for definition in definitions_of(job):
        _check_training(definition, config, cloud)


def _check_definitions(job: Params) -> None:
    config = job["HyperParameterTuningJobConfig"]
    if ("TrainingJobDefinition" in job) == ("TrainingJobDefinitions" in job):
        raise ValidationException("Specify either TrainingJobDefinition or TrainingJobDefinitions.")
    if "TrainingJobDefinition" in job:
        return
    if "HyperParameterTuningJobObjective" in config or "ParameterRanges" in config:
        raise ValidationException(
            "With TrainingJobDefinitions, each definition has a TuningObjective and HyperParameterRanges of its"
            " own; HyperParameterTuningJobConfig must have neither HyperParameterTuningJobObjective nor"
            " ParameterRanges."
        )
    names = Counter(item.get("DefinitionName") for item in job["TrainingJobDefinitions"])
    if None in names or max(names.values()) > 1:
        raise ValidationException("Each of the TrainingJobDefinitions needs a DefinitionName of its own.")
    kinds = {
        item["TuningObjective"]["Type"] for item in job["TrainingJobDefinitions"] if "TuningObjective" in item
    }
    if len(kinds) > 1:
        raise ValidationException("The TuningObjectives of all TrainingJobDefinitions must be of the same Type.")


def _check_objective(definition: Params, config: Params, cloud: Cloud) -> None:
    objective = objective_of(definition, config)
    if objective is None:
        raise ValidationException("An objective metric is required: HyperParameterTuningJobObjective is missing.")
    algorithm = definition["AlgorithmSpecification"]
    if len(algorithm.get("MetricDefinitions", [])) > MAX_METRICS:
        raise ValidationException(f"A hyperparameter tuning job can define at most {MAX_METRICS} metrics.")
    training_rules.define_metrics(algorithm, definition.get("StaticHyperParameters", {}), cloud.launcher.images)
    metrics = algorithm.get("MetricDefinitions", [])
    image = cloud.launcher.images.find(algorithm.get("TrainingImage", ""), TRAIN)
    algorithm_rules.check_objective(image, objective["MetricName"])
    if objective["MetricName"] not in [item["Name"] for item in metrics]:
        raise ValidationException(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric"
            " definitions."
        )


def _check_limits(limits: Params) -> None:
    parallel, jobs = limits["MaxParallelTrainingJobs"], limits.get("MaxNumberOfTrainingJobs", MAX_JOBS)
    if parallel > MAX_PARALLEL:
        raise _exceeded("Number of parallel training jobs per hyperparameter tuning job", MAX_PARALLEL, parallel)
    if jobs > MAX_JOBS:
        raise _exceeded("Number of training jobs per hyperparameter tuning job", MAX_JOBS, jobs)
    if parallel > jobs:
        raise ValidationException(
            f"MaxParallelTrainingJobs [{parallel}] must be less than or equal to MaxNumberOfTrainingJobs [{jobs}]."
        )


def _exceeded(limit: str, most: int, asked: int) -> ResourceLimitExceeded:
    return ResourceLimitExceeded(
        f"The account-level service limit '{limit}' is {most}, with a request of {asked}. Please use AWS Service"
        " Quotas to request an increase for this quota."
    )


def _check_strategy(job: Params) -> None:
    config = job["HyperParameterTuningJobConfig"]
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    if "StrategyConfig" in config and strategy != "Hyperband":
        raise ValidationException("StrategyConfig can be specified only with the Hyperband strategy.")
    if strategy == "Grid":
        _check_grid(job)
        return
    if not limits.keys() & {"MaxNumberOfTrainingJobs", "MaxRuntimeInSeconds"}:
        raise ValidationException(
            f"MaxNumberOfTrainingJobs is required for the {strategy} strategy without a MaxRuntimeInSeconds."
        )
    if strategy == "Hyperband":
        _check_hyperband(job)
    _check_combinations(job)


def _check_grid(job: Params) -> None:
    config = job["HyperParameterTuningJobConfig"]
    total = 0
    for definition in definitions_of(job):
        ranges = ranges_of(definition, config)
        if ranges.get("IntegerParameterRanges") or ranges.get("ContinuousParameterRanges"):
            raise ValidationException("The Grid strategy supports CategoricalParameterRanges only.")
        total += read_space(ranges).size or 0
    if total > MAX_JOBS:
        raise _exceeded("Number of training jobs per hyperparameter tuning job", MAX_JOBS, total)
    asked = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", total)
    if asked != total:
        raise ValidationException(
            f"With the Grid strategy MaxNumberOfTrainingJobs [{asked}] must be equal to the number of distinct"
            f" categorical combinations [{total}], or be left out."
        )


def _check_hyperband(job: Params) -> None:
    config = job["HyperParameterTuningJobConfig"]
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise ValidationException("TrainingJobEarlyStoppingType must be Off for the Hyperband strategy.")
    if "TrainingJobDefinitions" in job:
        raise ValidationException("The Hyperband strategy takes a single TrainingJobDefinition.")
    resources = resources_of(job)
    if resources is None:
        raise ValidationException(
            "MaxResource is required in HyperbandStrategyConfig: it could not be inferred from the static"
            " hyperparameters epochs, numepochs, n-epochs, n_epochs or num_epochs."
        )
    least, most = resources
    if most > MAX_RESOURCE or least > most:
        raise ValidationException(
            f"MinResource [{least}] must not exceed MaxResource [{most}], and MaxResource not {MAX_RESOURCE}."
        )


def _check_combinations(job: Params) -> None:
    """No combination is tried twice, so there must be enough of them."""
    config = job["HyperParameterTuningJobConfig"]
    jobs = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 1)
    sizes = [read_space(ranges_of(definition, config)).size for definition in definitions_of(job)]
    total = sum(size or MAX_JOBS for size in sizes)
    if total < jobs:
        raise ValidationException(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter"
            f" combinations for the provided ranges [{float(total)}] must be equal or greater than the value of"
            f" MaxNumberOfJobs, [{jobs}]. Provide additional ranges."
        )


def _check_training(definition: Params, config: Params, cloud: Cloud) -> None:
    if ("ResourceConfig" in definition) == (RESOURCES in definition):
        raise ValidationException(f"Specify either ResourceConfig or {RESOURCES}.")
    training_rules.check(training_request(definition, config, {}, "to-be-checked"), cloud)


def _check_parents(job: Params, parents: Sequence[Document]) -> None:
    names = names_of_parents(job)
    if len(set(names)) < len(names):
        raise ValidationException("Each parent hyperparameter tuning job can be specified only once.")
    if parents and "TrainingJobDefinitions" in job:
        raise ValidationException("A warm start tuning job takes a single TrainingJobDefinition.")
    for parent in parents:
        _check_parent(job, parent)


def _check_parent(job: Params, parent: Document) -> None:
    name, status = parent["HyperParameterTuningJobName"], parent["HyperParameterTuningJobStatus"]
    if status in RUNNING:
        raise ValidationException(f"Parent tuning job {name} is in status {status}; it must have ended.")
    if "TrainingJobDefinition" not in parent:
        raise ValidationException(f"Parent tuning job {name} has several training job definitions.")
    ours, theirs = (_describe_for_parents(each) for each in (job, parent))
    for what, own in ours.items():
        if own != theirs[what]:
            raise ValidationException(
                f"The {what} of a warm start tuning job must be the same as in all parent tuning jobs:"
                f" [{own}], but [{theirs[what]}] in {name}."
            )
    identical = job["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"
    if identical and _image(job) != _image(parent):
        raise ValidationException(
            f"With IdenticalDataAndAlgorithm the training image must be that of the parent tuning job {name}."
        )


def _describe_for_parents(job: Params) -> dict[str, Any]:
    definition, config = job["TrainingJobDefinition"], job["HyperParameterTuningJobConfig"]
    objective = objective_of(definition, config)
    tuned = len(read_space(ranges_of(definition, config)).ranges)
    return {
        "objective metric": objective["MetricName"],
        "objective type": objective["Type"],
        "total number of static and tunable hyperparameters": tuned
        + len(definition.get("StaticHyperParameters", {})),
    }


def _image(job: Params) -> Any:
    return job["TrainingJobDefinition"]["AlgorithmSpecification"].get("TrainingImage")
