"""What a CreateHyperParameterTuningJob request is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud.jobs import Jobs
from tests.cloud.tunings import LINEAR, Tunings


@pytest.fixture(scope="module")
def tunings(jobs: Jobs) -> Tunings:
    return Tunings(jobs)


def numbers(low: str, high: str, scaling: str = "Auto", name: str = "point") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}


def continuous(*ranges: dict[str, str]) -> dict[str, Any]:
    return {"ParameterRanges": {"ContinuousParameterRanges": list(ranges)}}


def integers(*ranges: dict[str, str]) -> dict[str, Any]:
    return {"ParameterRanges": {"IntegerParameterRanges": list(ranges)}}


def choices(*values: str, name: str = "kind") -> dict[str, Any]:
    return {"ParameterRanges": {"CategoricalParameterRanges": [{"Name": name, "Values": list(values)}]}}


MANY = [numbers("0", "1", name=f"p{number}") for number in range(31)]
SPREAD = {"ParameterRanges": {"ContinuousParameterRanges": MANY[:16], "IntegerParameterRanges": MANY[16:]}}
HYPERBAND: dict[str, Any] = {"Strategy": "Hyperband"}
BAND = {"StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}}
UPSIDE_DOWN = {"StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 9, "MaxResource": 3}}}

CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "a range upside down": (
        continuous(numbers("1", "0")),
        "MinValue [1] must be less than or equal to MaxValue [0]",
    ),
    "a logarithmic range with 0": (continuous(numbers("0", "1", "Logarithmic")), "only values greater than 0"),
    "a logarithmic range of integers with 0": (
        integers(numbers("0", "9", "Logarithmic")),
        "only values greater than 0",
    ),
    "a reverse logarithmic range with 1": (
        continuous(numbers("0", "1", "ReverseLogarithmic")),
        "entirely within the range 0<=x<1.0",
    ),
    "a reverse logarithmic range of integers": (
        integers(numbers("0", "9", "ReverseLogarithmic")),
        "for continuous ranges only",
    ),
    "an end that is no number": (continuous(numbers("low", "1")), "MinValue [low] of hyperparameter point"),
    "an end that is not finite": (continuous(numbers("0", "inf")), "MaxValue [inf]"),
    "an integer that is none": (integers(numbers("0", "2.5")), "is not a valid integer"),
    "31 parameters in one list": (continuous(*MANY), "less than or equal to 30"),
    "31 parameters in two lists": (SPREAD, "at most 30; 31 were given"),
    "no range": ({"ParameterRanges": {}}, "At least one hyperparameter range is required"),
    "a name twice": (continuous(LINEAR, LINEAR), "point has more than one range"),
    "a value twice": (choices("a", "a", "b", "c", "d"), "must be distinct"),
    "31 values": (choices(*map(str, range(31))), "less than or equal to 30"),
    "too few combinations": (
        choices("a", "b"),
        "combinations for the provided ranges [2.0] must be equal or greater",
    ),
    "a range that Autotune should choose": (
        {"ParameterRanges": {"AutoParameters": [{"Name": "x", "ValueHint": "1"}]}},
        "does not choose ranges by itself",
    ),
    "0 parallel jobs": (
        {"ResourceLimits": {"MaxParallelTrainingJobs": 0, "MaxNumberOfTrainingJobs": 1}},
        "maxParallelTrainingJobs' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    "more parallel jobs than jobs": (
        {"ResourceLimits": {"MaxParallelTrainingJobs": 3, "MaxNumberOfTrainingJobs": 2}},
        "must be less than or equal to MaxNumberOfTrainingJobs [2]",
    ),
    "no limit at all": (
        {"ResourceLimits": {"MaxParallelTrainingJobs": 1}},
        "MaxNumberOfTrainingJobs is required for the Random strategy",
    ),
    "a grid of numbers": ({"Strategy": "Grid"}, "supports CategoricalParameterRanges only"),
    "a grid of another size": (
        {"Strategy": "Grid", **choices("a", "b")},
        "must be equal to the number of distinct",
    ),
    "Hyperband without its resource": (HYPERBAND, "MaxResource is required"),
    "Hyperband with early stopping": (
        {**HYPERBAND, **BAND, "TrainingJobEarlyStoppingType": "Auto"},
        "must be Off for the Hyperband strategy",
    ),
    "Hyperband upside down": ({**HYPERBAND, **UPSIDE_DOWN}, "MinResource [9] must not exceed MaxResource [3]"),
    "Hyperband's settings without it": (BAND, "only with the Hyperband strategy"),
    "no objective": ({"HyperParameterTuningJobObjective": None}, "An objective metric is required"),
    "an objective that no definition has": (
        {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "loss"}},
        "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_is_refused_for(tunings: Tunings, case: str) -> None:
    changes, words = CONFIGS[case]
    config = {name: value for name, value in (tunings.config() | changes).items() if value is not None}
    code, message = tunings.refused(tunings.request(config))
    assert code == "ValidationException"
    assert words in message


@pytest.mark.parametrize("limit", [{"MaxParallelTrainingJobs": 11}, {"MaxNumberOfTrainingJobs": 751}])
def test_more_than_an_account_may_have_is_refused(tunings: Tunings, limit: dict[str, int]) -> None:
    code, message = tunings.refused(tunings.request(tunings.config(20, limits=limit)))
    assert code == "ResourceLimitExceeded"
    assert message.startswith("The account-level service limit")


def test_a_definition_is_held_to_the_rules_of_training_jobs(tunings: Tunings) -> None:
    definition = tunings.definition()
    definition["AlgorithmSpecification"]["TrainingImage"] = "example.com/unknown:1"
    assert (
        "no runtime for the training image"
        in tunings.refused(tunings.request(TrainingJobDefinition=definition))[1]
    )
    nobody = {"InstanceType": "ml.m5.large", "InstanceCount": 0, "VolumeSizeInGB": 1}
    for resources in ({"ResourceConfig": nobody}, {"HyperParameterTuningResourceConfig": nobody}):
        definition = {name: one for name, one in tunings.definition().items() if name != "ResourceConfig"}
        request = tunings.request(TrainingJobDefinition=definition | resources)
        assert "Member must have value greater than or equal to 1" in tunings.refused(request)[1]
    channel = tunings.jobs.channel("training", f"s3://{tunings.jobs.bucket}/nothing/here")
    empty = tunings.definition(InputDataConfig=[channel])
    assert "No S3 objects found" in tunings.refused(tunings.request(TrainingJobDefinition=empty))[1]


def test_what_is_static_is_not_tunable(tunings: Tunings) -> None:
    code, message = tunings.refused(tunings.request(static={"point": "1"}))
    assert "cannot be both static and tunable" in message
    assert code == "ValidationException"


def test_more_than_a_hundred_hyperparameters_are_refused(tunings: Tunings) -> None:
    static = {f"s{number}": "1" for number in range(98)}
    assert "at most 100 hyperparameters" in tunings.refused(tunings.request(static=static))[1]


def test_one_definition_or_several_but_not_both(tunings: Tunings) -> None:
    request = tunings.request(TrainingJobDefinitions=[tunings.definition(DefinitionName="one")])
    assert "either TrainingJobDefinition or TrainingJobDefinitions" in tunings.refused(request)[1]
    del request["TrainingJobDefinition"]
    assert "each definition has a TuningObjective" in tunings.refused(request)[1]


def test_autotune_is_refused_in_words(tunings: Tunings) -> None:
    assert "Autotune" in tunings.refused(tunings.request(Autotune={"Mode": "Enabled"}))[1]


def test_a_parent_must_be_there_and_have_ended(tunings: Tunings) -> None:
    def child_of(parent: str) -> dict[str, Any]:
        warm = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        }
        return tunings.request(WarmStartConfig=warm)

    assert tunings.refused(child_of("nobody-made-it"))[0] == "ResourceNotFound"
    running = tunings.create(tunings.request(source="import signal\nsignal.pause()"))
    assert "it must have ended" in tunings.refused(child_of(running))[1]
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=running)
    tunings.wait(running)
    other = child_of(running)
    other["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["Type"] = "Minimize"
    assert "objective type of a warm start tuning job must be the same" in tunings.refused(other)[1]
    more = child_of(running) | {"TrainingJobDefinition": tunings.definition(static={"extra": "1"})}
    assert "total number of static and tunable hyperparameters" in tunings.refused(more)[1]
