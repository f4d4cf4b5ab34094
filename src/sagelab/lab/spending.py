"""On AWS, before anything that costs: what it costs, and a question. And the lab's tag on everything that is made.

SAGELAB_SPEND=ask   the default: each time, a line and a question
SAGELAB_SPEND=yes   go on without a question, for runs that nobody watches
SAGELAB_SPEND=no    make nothing that costs

It holds for every client of AWS in this process, the SDKs' own too: botocore tells each new session of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import botocore

from sagelab import catalog
from sagelab.catalog import Kind, read
from sagelab.lab.costs import UnknownPrice, estimate
from sagelab.prices import prices, serverless_second

SETTING = "SAGELAB_SPEND"
# A pipeline's type of step -> what it sends; an endpoint costs by the configuration that is made for it.
STEPS = {
    "Training": "CreateTrainingJob",
    "Processing": "CreateProcessingJob",
    "QualityCheck": "CreateProcessingJob",
    "ClarifyCheck": "CreateProcessingJob",
    "Transform": "CreateTransformJob",
    "Tuning": "CreateHyperParameterTuningJob",
    "EndpointConfig": "CreateEndpoint",
}
CLUSTER = "RunJobFlow"  # of EMR
UNTIL = "until the cluster ends, and EMR's own fee beside"
HOUR = 3600.0
Describe = Callable[[Kind, str], dict[str, Any]]


class SpendingRefusedError(Exception):
    """What would have cost was not made: nobody said yes."""


@dataclass(frozen=True)
class Use:
    """Instances that a request would start. plane: of the price table. until: how long they run, in words."""

    instance_type: str
    count: int
    plane: str
    until: str

    def __str__(self) -> str:
        what = f"{self.count} x {self.instance_type}"
        try:
            cost = estimate(self.instance_type, HOUR, self.count, self.plane)
        except UnknownPrice:
            return f"{what}, at a price that is not at hand, {self.until}"
        return f"{what}, ${cost.dollars:.2f} an hour, {self.until}"


@dataclass(frozen=True)
class ServerlessUse(Use):
    """A serverless endpoint that a request would make. count: environments that always run.

    memory: MB of one; 0 where only a pipeline's run tells.
    """

    memory: int = 0

    def __str__(self) -> str:
        rest = f"{self.count} provisioned, at a price that is not at hand" if self.count else "nothing at rest"
        size = f"{self.memory:,} MB" if self.memory else "an unknown size, a GB"
        second = serverless_second(self.memory or 1024)
        return f"serverless of {size}, ${second:.5f} a second of its requests, {rest}, {self.until}"


class SpendGuard:
    """Who is asked before a lab's request costs something; a yes to all counts for the rest of the process."""

    def __init__(self, tags: list[dict[str, str]], describe: Describe) -> None:
        """tags: put on what is made. describe: a resource of a kind by its name, as Describe gives it."""
        self._tags, self._describe = tags, describe
        self._always = False

    def ask(self, operation: str, params: dict[str, Any]) -> None:
        """Say what a request costs, and ask. SpendingRefusedError: the answer was not yes."""
        uses = [str(use) for use in uses_of(operation, params, self._describe)]
        if not uses or self._always:
            return
        said = f"{operation}: {'; '.join(uses)} ({prices()['region']}, prices of {prices()['date']})."
        print(said)
        if not self._said_yes():
            raise SpendingRefusedError(
                f"{said} Nothing was made. Answer y, or set {SETTING}=yes where nobody can answer."
            )

    def _said_yes(self) -> bool:
        setting = os.environ.get(SETTING, "ask").lower()
        if setting in ("yes", "no"):
            return setting == "yes"
        try:
            answer = input("Go on? [y]es, [a]ll that follows too, [N]o: ").strip().lower()
        except (EOFError, NotImplementedError):  # nobody is there
            return False
        self._always = answer.startswith("a")
        return answer[:1] in ("y", "a")

    def tag(self, params: dict[str, Any]) -> None:
        """Put the lab's tag on what a request makes, unless it carries one of that key."""
        known = {tag.get("Key") for tag in params.get("Tags", [])}
        params["Tags"] = [*params.get("Tags", []), *(tag for tag in self._tags if tag["Key"] not in known)]


_asked: list[SpendGuard] = []  # the one that is asked; the last lab that connected has it


def watch(guard: SpendGuard) -> None:
    """Have every session of botocore that is made from now on ask this guard, and no other."""
    if not _asked:
        botocore.register_initializer(_register)
    _asked[:] = [guard]


def _register(session: Any) -> None:
    for what in ("sagemaker", f"emr.{CLUSTER}"):
        session.register(f"before-parameter-build.{what}", _before)


def _before(params: dict[str, Any], model: Any, **_: Any) -> None:
    if model.name.startswith("Create") and "Tags" in model.input_shape.members:
        _asked[0].tag(params)
    _asked[0].ask(model.name, params)


def uses_of(operation: str, params: dict[str, Any], describe: Describe) -> Iterable[Use]:
    """What a request would start that costs; nothing for one that costs nothing by itself."""
    if operation == "StartPipelineExecution":
        yield from _of_steps(params, describe)
        return
    if operation == CLUSTER:
        groups = params.get("Instances", {}).get("InstanceGroups", [])
        yield from (Use(each["InstanceType"], each["InstanceCount"], "ec2", UNTIL) for each in groups)
        return
    kind = catalog.of_operation(operation)
    limit = next(read(params, "StoppingCondition.MaxRuntimeInSeconds"), 86400)
    jobs = next(read(params, "HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs"), "many")
    for use in kind.uses if kind else ():
        if kind is None or operation not in map(kind.operation, use.verbs):
            continue
        of = catalog.of_stem(use.of) if use.of else None
        document = describe(of, params[of.name_member]) if of else params
        for plane, instance_type, count in use.hosts(document):
            yield Use(instance_type, count, plane, use.until.format(hours=limit / HOUR, jobs=jobs))
        for plan in use.serverless(document):
            memory, count = plan.get("MemorySizeInMB"), plan.get("ProvisionedConcurrency", 0)
            known = memory if isinstance(memory, int) else 0
            yield ServerlessUse("serverless", count, "serverless", use.until, known)


def _of_steps(params: dict[str, Any], describe: Describe) -> Iterable[Use]:
    """The instances that the steps of a pipeline would start, in whichever branch of a condition."""
    described = describe(catalog.of_stem("Pipeline"), params.get("PipelineName", ""))
    definition = json.loads(described.get("PipelineDefinition", "{}"))
    values = {one["Name"]: one.get("DefaultValue") for one in definition.get("Parameters", [])}
    values |= {one["Name"]: one["Value"] for one in params.get("PipelineParameters", [])}
    for step in _steps(definition.get("Steps", [])):
        asked = _filled(step.get("Arguments", {}), values)
        operation = STEPS.get(step.get("Type", ""), "")
        yield from uses_of(operation, {"EndpointConfigName": "", **asked}, partial(_given, asked))


def _given(config: dict[str, Any], _kind: Kind, _name: str) -> dict[str, Any]:
    """What is described is what the same pipeline makes."""
    return config


def _steps(steps: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The steps of a definition, those in branches and loops too."""
    for step in steps:
        yield step
        for member in ("IfSteps", "ElseSteps", "ForEachBody"):
            yield from _steps(step.get("Arguments", {}).get(member) or [])


def _filled(value: Any, values: dict[str, Any], member: str = "") -> Any:
    """A step's request with its parameters' values; what is known only when it runs has no price yet."""
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if not isinstance(value, dict):
        return int(value) if member.endswith("Count") else value
    if "Get" in value or any(name.startswith("Std:") for name in value):
        found = values.get(str(value.get("Get", "")).removeprefix("Parameters."))
        return _filled(found, values, member) if found is not None else 1 if member.endswith("Count") else "any"
    return {name: _filled(one, values, name) for name, one in value.items()}
