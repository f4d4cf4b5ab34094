"""A trial of a search: one combination of hyperparameters, and the training job that tries it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from sagelab.cloud.engine.tuning.space import Values

RUNNING = ("InProgress", "Stopping")


@dataclass(frozen=True)
class Objective:
    """The metric that a search is about, and which way is better."""

    metric: str
    maximize: bool

    def better(self, one: float, other: float) -> bool:
        return one > other if self.maximize else one < other

    def best(self, trials: Iterable[Trial]) -> Trial | None:
        """The trial with the best value; the earlier one of two equals."""
        valued = [trial for trial in trials if trial.value is not None]
        sign = -1 if self.maximize else 1
        return min(valued, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


@dataclass
class Trial:
    """One trial.

    number: from 1, over the whole tuning job. definition: which of the job's definitions it is of. name: of its
    training job. curve: the objective's values as they were printed. value: the final one, once the job has ended
    and has one. retryable: it failed, and through no fault of its own. stopping: the search asked it to stop.
    """

    number: int
    definition: int
    values: Values
    name: str
    status: str = "InProgress"
    curve: list[float] = field(default_factory=list)
    value: float | None = None
    retryable: bool = False
    stopping: bool = False

    @property
    def running(self) -> bool:
        return self.status in RUNNING

    def end(self, status: str, final: float | None) -> None:
        """Take the end of the training job. final: its last value of the objective, if it has one."""
        self.status = status
        valid = final is not None and math.isfinite(final) and status != "Failed"
        self.value = final if valid else None
