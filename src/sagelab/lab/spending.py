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

from sagelab import catalog
from sagelab.catalog import Kind, read
from sagelab.lab.costs import UnknownPrice, estimate
from sagelab.prices import prices

SETTING = "SAGELAB_SPEND"
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
        botocore.register_initializer(
            lambda session: session.register("before-parameter-build.sagemaker", _before)
        )
    _asked[:] = [guard]


def _before(params: dict[str, Any], model: Any, **_: Any) -> None:
    if model.name.startswith("Create") and "Tags" in model.input_shape.members:
        _asked[0].tag(params)
    _asked[0].ask(model.name, params)


def uses_of(operation: str, params: dict[str, Any], describe: Describe) -> Iterable[Use]:
    """The instances that a request would start; none for one that costs nothing by itself."""
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
