"""What a CreateInferenceRecommendationsJob request must satisfy beyond the service model.

Messages are SageMaker's where it has one for the case:
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-troubleshooting.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RecommendationJobInputConfig.html
"""

from __future__ import annotations

from itertools import pairwise

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.recommender import traffic
from sagelab.cloud.engine.recommender.plan import VARIANT
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks, serverless_rules
from sagelab.cloud.resources.call import Params

LONGEST = 18_000  # seconds of a job
PHASE = (120, 3_600)  # seconds
USERS, SPAWNED = (1, 3), (0, 3)
TESTS = (1, 10)
INVOCATIONS = (1, 30_000)  # a minute
APART = 3  # users, between the end of a phase and the beginning of the next
PERCENTILES = ("P95", "P99")
BURSTABLE = "ml.t2."
# Families whose instances have what this machine has not, by the letters that their names begin with.
ACCELERATED = ("p", "g", "inf", "trn", "dl")


def check(job: Params, cloud: Cloud) -> None:
    """ValidationException: the request breaks a rule. Of what it names, the role and the bucket are looked for."""
    config = job["InputConfig"]
    if ("ModelPackageVersionArn" in config) == ("ModelName" in config):
        raise ValidationException("InputConfig: give either ModelPackageVersionArn or ModelName.")
    _check_kind(job["JobType"], config)
    if "TrafficPattern" in config:
        _check_traffic(config["TrafficPattern"], job["JobType"])
    _check_room(config)
    _check_conditions(job.get("StoppingConditions", {}), job["JobType"])
    for number, wanted in enumerate(config.get("EndpointConfigurations", []), 1):
        _check_endpoint(wanted, number)
    container = config.get("ContainerConfig", {})
    for instance_type in container.get("SupportedInstanceTypes", []):
        check_type(instance_type)
    checks.role(job["RoleArn"], cloud)
    if uri := job.get("OutputConfig", {}).get("CompiledOutputConfig", {}).get("S3OutputUri"):
        checks.bucket("OutputConfig.CompiledOutputConfig.S3OutputUri", uri, cloud)


def check_type(instance_type: str) -> None:
    """ValidationException: a load test on such an instance says nothing."""
    if instance_type.startswith(BURSTABLE):
        raise ValidationException(f"Burstable instance type {instance_type} is not allowed.")
    if instance_type.removeprefix("ml.").startswith(ACCELERATED):
        raise ValidationException(
            f"{instance_type}: its accelerator is not here. What a test would measure is this machine's processor,"
            " at the accelerator's price."
        )


def _check_kind(kind: str, config: Params) -> None:
    if kind == "Default":
        return
    if "TrafficPattern" not in config:
        raise ValidationException("InputConfig.TrafficPattern is required for a job of type Advanced.")
    if not config.get("EndpointConfigurations") and not config.get("Endpoints"):
        raise ValidationException("InputConfig: a job of type Advanced needs EndpointConfigurations or Endpoints.")


def _check_traffic(pattern: Params, kind: str) -> None:
    """Phases and stairs, by themselves and one after the other."""
    wanted = "Phases" if pattern.get("TrafficType") == "PHASES" else "Stairs"
    other = {"Phases": "Stairs", "Stairs": "Phases"}[wanted]
    if "TrafficType" not in pattern:
        raise checks.missing("inputConfig.trafficPattern.trafficType")
    if wanted not in pattern or other in pattern:
        raise ValidationException(
            f"TrafficPattern: TrafficType {pattern['TrafficType']} goes with {wanted} alone."
        )
    path = f"inputConfig.trafficPattern.{wanted.lower()}"
    if wanted == "Stairs":
        for name in ("DurationInSeconds", "NumberOfSteps", "UsersPerStep"):
            _there(pattern["Stairs"], name, path)
    else:
        _check_phases(pattern["Phases"], path, kind)


def _check_phases(phases: list[Params], path: str, kind: str) -> None:
    for number, phase in enumerate(phases, 1):
        where = f"{path}.{number}.member"
        for name in ("InitialNumberOfUsers", "DurationInSeconds"):
            _there(phase, name, where)
        _between(phase["InitialNumberOfUsers"], USERS, f"{where}.initialNumberOfUsers")
        _between(phase.get("SpawnRate", 0), SPAWNED, f"{where}.spawnRate")
        if kind == "Advanced":
            _between(phase["DurationInSeconds"], PHASE, f"{where}.durationInSeconds")
    for before, after in pairwise(phases):
        end, begin = traffic.users_at_end(before), after["InitialNumberOfUsers"]
        if abs(begin - end) > APART:
            raise ValidationException(
                f"Users at the end of prev phase is {end} while initial users of current phase is {begin}."
            )


def _check_room(config: Params) -> None:
    """How long the job and its load last, and how many tests there are."""
    duration = config.get("JobDurationInSeconds")
    if duration is not None:
        _between(duration, (1, LONGEST), "inputConfig.jobDurationInSeconds")
    pattern = config.get("TrafficPattern")
    if pattern and traffic.seconds(pattern) > (duration or LONGEST):
        raise ValidationException("Total Traffic duration (across) should not be more than Job duration.")
    most = traffic.most_users(pattern) if pattern else 0
    if most > traffic.MOST_USERS:
        raise ValidationException(
            f"TrafficPattern: the local cloud lets at most {traffic.MOST_USERS} users ask at a time, not {most}."
        )
    for name in ("MaxNumberOfTests", "MaxParallelOfTests"):
        if name in config.get("ResourceLimit", {}):
            path = f"inputConfig.resourceLimit.{name[0].lower()}{name[1:]}"
            _between(config["ResourceLimit"][name], TESTS, path)


def _check_conditions(conditions: Params, kind: str) -> None:
    if "MaxInvocations" in conditions:
        _between(conditions["MaxInvocations"], INVOCATIONS, "stoppingConditions.maxInvocations")
    for threshold in conditions.get("ModelLatencyThresholds", []):
        path = "stoppingConditions.modelLatencyThresholds.1.member"
        _there(threshold, "ValueInMilliseconds", path)
        checks.positive(threshold["ValueInMilliseconds"], f"{path}.valueInMilliseconds")
        percentile = threshold.get("Percentile", "P95")
        if percentile not in PERCENTILES:
            raise ValidationException(f"ModelLatencyThresholds: Percentile {percentile} is none of P95 and P99.")
        if kind == "Advanced" and percentile != "P95":
            raise ValidationException(
                "ModelLatencyThresholds: for custom load tests, specify the Percentile as P95."
            )


def _check_endpoint(wanted: Params, number: int) -> None:
    if ("InstanceType" in wanted) == ("ServerlessConfig" in wanted):
        raise ValidationException(
            f"EndpointConfigurations.{number}.member: give either an InstanceType or a ServerlessConfig."
        )
    if "ServerlessConfig" in wanted:
        if "ProvisionedConcurrency" in wanted["ServerlessConfig"]:
            raise ValidationException(
                "ProvisionedConcurrency is not supported for serverless endpoint recommendations."
            )
        serverless_rules.check_variant({"VariantName": VARIANT, "ServerlessConfig": wanted["ServerlessConfig"]})
    else:
        check_type(wanted["InstanceType"])
    ranges = wanted.get("EnvironmentParameterRanges", {}).get("CategoricalParameterRanges", [])
    checks.unique("Parameter", (each["Name"] for each in ranges), "CategoricalParameterRanges")


def _there(given: Params, name: str, path: str) -> None:
    if given.get(name) is None:
        raise checks.missing(f"{path}.{name[0].lower()}{name[1:]}")


def _between(value: int, limits: tuple[int, int], path: str) -> None:
    """ValidationException, in AWS's words: a number is beyond one of its limits."""
    least, most = limits
    if least <= value <= most:
        return
    side = f"greater than or equal to {least}" if value < least else f"less than or equal to {most}"
    raise ValidationException(
        f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint:"
        f" Member must have value {side}"
    )
