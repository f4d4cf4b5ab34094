"""What a recommendations job tries: its tests, one after the other, and how each is asked."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.recommender.curve import Limits
from sagelab.cloud.engine.recommender.samples import Payload

# What a Default job tries where nobody says which types suit the model: two sizes, and more memory a core.
USUAL_TYPES = ("ml.c5.large", "ml.c5.xlarge", "ml.m5.large")
# What it tries of serverless inference: the memory of an environment in MB, and how many requests at a time.
USUAL_MEMORIES, CONCURRENCY = (2048, 1024, 4096), 5
DEFAULT_TESTS, MOST_TESTS = 4, 10
# A Default job's own load: AWS does not say what it sends.
DEFAULT_PATTERN = {
    "TrafficType": "STAIRS",
    "Stairs": {"DurationInSeconds": 120, "NumberOfSteps": 4, "UsersPerStep": 1},
}
DEFAULT_DURATION = 7200  # seconds of the clock
VARIANT = "AllTraffic"

Request = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """The model that is tried.

    model: the name of one that is there, where a test changes nothing of it; else one is made of `containers`.
    artifact: the model.tar.gz of the only one. framework, shape: for a compilation. output: where that puts it.
    """

    containers: tuple[Request, ...]
    model: str | None = None
    isolated: bool = False
    artifact: str | None = None
    framework: str | None = None
    shape: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """One load test. endpoint: its name; existing: it is the caller's. compiled: whether the model is, first.

    setting: InstanceType or ServerlessConfig. environment: of the container, beside its own.
    """

    endpoint: str
    setting: Request = field(default_factory=dict)
    environment: tuple[tuple[str, str], ...] = ()
    specification: str | None = None
    existing: bool = False
    compilation: str | None = None

    @property
    def instance_type(self) -> str | None:
        found: str | None = self.setting.get("InstanceType")
        return found

    @property
    def memory(self) -> int:
        """MB of a serverless environment; 0 where it is none."""
        return int(self.setting.get("ServerlessConfig", {}).get("MemorySizeInMB", 0))

    @property
    def target(self) -> str:
        """What it is compiled for: ml_c5 for ml.c5.large."""
        family = (self.instance_type or "").split(".")[1]
        return f"ml_{family.removesuffix('d')}"

    def __str__(self) -> str:
        if self.existing:
            return f"the endpoint {self.endpoint}"
        where = self.instance_type or f"serverless with {self.memory} MB"
        told = ", ".join(f"{name}={value}" for name, value in self.environment)
        return f"{where}{', compiled for ' + self.target if self.compilation else ''}{f', {told}' if told else ''}"


@dataclass(frozen=True)
class Plan:
    """One job. sources: by the name of an inference specification; None: the usual one. duration: on the clock."""

    job: str
    role: str
    sources: dict[str | None, Source]
    tests: tuple[Benchmark, ...]
    pattern: Request
    limits: Limits
    payload: Payload
    duration: float
    key: str | None = None
    notes: tuple[str, ...] = ()


def new_endpoint() -> str:
    """A name as AWS's recommender has it."""
    return f"sm-epc-{uuid.uuid4()}"


def combinations(ranges: list[Request]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Every choice of CategoricalParameterRanges; one of nothing where there are none."""
    names = [each["Name"] for each in ranges]
    for values in itertools.product(*(each["Value"] for each in ranges)):
        yield tuple(zip(names, values, strict=True))


def limits_of(conditions: Request) -> Limits:
    """What StoppingConditions say."""
    threshold: Request = next(iter(conditions.get("ModelLatencyThresholds", [])), {})
    return Limits(
        invocations=conditions.get("MaxInvocations"),
        share=int(threshold.get("Percentile", "P95").removeprefix("P")) / 100,
        milliseconds=threshold.get("ValueInMilliseconds"),
        until_flat=conditions.get("FlatInvocations", "Stop") == "Stop",
    )


# What is made for a test, as the API takes it


def model(name: str, plan: Plan, source: Source, containers: Sequence[Request]) -> Request:
    several = {"Containers": list(containers)}
    return {
        "ModelName": name,
        **(several if len(containers) > 1 else {"PrimaryContainer": containers[0]}),
        "ExecutionRoleArn": plan.role,
        "EnableNetworkIsolation": source.isolated,
    }


def containers(source: Source, test: Benchmark) -> list[Request]:
    """The containers of a test, with its environment over that of each."""
    own = dict(test.environment)
    environments = [each.get("Environment", {}) | own for each in source.containers]
    return [
        each | ({"Environment": environment} if environment else {})
        for each, environment in zip(source.containers, environments, strict=True)
    ]


def config(plan: Plan, test: Benchmark, model_name: str) -> Request:
    variant = {"VariantName": VARIANT, "ModelName": model_name, **test.setting}
    if test.instance_type:
        variant |= {"InitialInstanceCount": 1, "InitialVariantWeight": 1.0}
    request = {"EndpointConfigName": test.endpoint, "ProductionVariants": [variant]}
    return request | ({"KmsKeyId": plan.key} if plan.key and test.instance_type else {})


def compilation(plan: Plan, source: Source, test: Benchmark) -> Request:
    model_config = {"S3Uri": source.artifact, "Framework": source.framework}
    if source.shape:
        model_config["DataInputConfig"] = source.shape
    return {
        "CompilationJobName": test.compilation,
        "RoleArn": plan.role,
        "InputConfig": model_config,
        "OutputConfig": {"S3OutputLocation": source.output, "TargetDevice": test.target},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }
