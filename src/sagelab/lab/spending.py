"""On AWS, before anything that costs: what it costs, and a question. And the lab's tag on everything that is made.

SAGELAB_SPEND=ask   the default: each time, a line and a question
SAGELAB_SPEND=yes   go on without a question, for runs that nobody watches
SAGELAB_SPEND=no    make nothing that costs

It holds for every client of AWS in this process, the SDKs' own too: botocore tells each new session of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import botocore

from sagelab.lab.costs import UnknownPrice, estimate
from sagelab.prices import prices

SETTING = "SAGELAB_SPEND"
HOUR = 3600.0
Describe = Callable[[str], dict[str, Any]]


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


class SpendGuard:
    """Who is asked before a lab's request costs something; a yes to all counts for the rest of the process."""

    def __init__(self, tags: list[dict[str, str]], config_of: Describe) -> None:
        """tags: put on what is made. config_of: an endpoint configuration by its name, as Describe gives it."""
        self._tags, self._config_of = tags, config_of
        self._always = False

    def ask(self, operation: str, params: dict[str, Any]) -> None:
        """Say what a request costs, and ask. SpendingRefusedError: the answer was not yes."""
        uses = [str(use) for use in uses_of(operation, params, self._config_of)]
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
        botocore.register_initializer(
            lambda session: session.register("before-parameter-build.sagemaker", _before)
        )
    _asked[:] = [guard]


def _before(params: dict[str, Any], model: Any, **_: Any) -> None:
    if model.name.startswith("Create") and "Tags" in model.input_shape.members:
        _asked[0].tag(params)
    _asked[0].ask(model.name, params)


def uses_of(operation: str, params: dict[str, Any], config_of: Describe) -> Iterable[Use]:
    """The instances that a request would start; none for one that costs nothing by itself."""
    if operation == "CreateTrainingJob":
        yield _cluster(params["ResourceConfig"], "training", _at_most(params))
    elif operation == "CreateHyperParameterTuningJob":
        yield from _trials(params)
    elif operation == "CreateProcessingJob":
        yield _cluster(params["ProcessingResources"]["ClusterConfig"], "training", _at_most(params))
    elif operation == "CreateTransformJob":
        yield _cluster(params["TransformResources"], "hosting", "until its data is through")
    elif operation in ("CreateEndpoint", "UpdateEndpoint"):
        yield from _variants(config_of(params["EndpointConfigName"]))
    elif operation in ("CreateNotebookInstance", "StartNotebookInstance") and "InstanceType" in params:
        yield Use(params["InstanceType"], 1, "hosting", "until it is stopped")


def _cluster(resources: dict[str, Any], plane: str, until: str) -> Use:
    return Use(resources.get("InstanceType", "an instance"), resources.get("InstanceCount", 1), plane, until)


def _at_most(params: dict[str, Any]) -> str:
    seconds = params.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
    return f"for as long as it takes, {seconds / HOUR:g} hours at the most"


def _trials(params: dict[str, Any]) -> Iterable[Use]:
    limits = params["HyperParameterTuningJobConfig"]["ResourceLimits"]
    jobs = limits.get("MaxNumberOfTrainingJobs", "many")
    definitions = params.get("TrainingJobDefinitions") or [params.get("TrainingJobDefinition", {})]
    for definition in definitions:
        resources = definition.get("ResourceConfig", {})
        count = resources.get("InstanceCount", 1) * limits["MaxParallelTrainingJobs"]
        until = f"until its {jobs} jobs are done"
        yield Use(resources.get("InstanceType", "an instance"), count, "training", until)


def _variants(config: dict[str, Any]) -> Iterable[Use]:
    for variant in config["ProductionVariants"]:
        if "InstanceType" in variant:
            yield Use(
                variant["InstanceType"], variant.get("InitialInstanceCount", 1), "hosting", "until it is deleted"
            )
