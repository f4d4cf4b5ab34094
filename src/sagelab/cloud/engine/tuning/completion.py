"""When a search has found enough: the completion criteria of a tuning job.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-progress.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sagelab.cloud.engine.tuning.trials import Objective

IMPROVEMENT = 0.01  # of the best value: what AWS counts as an improvement
# AWS keeps its own rule for convergence to itself. Here: so many trials in a row without an improvement.
CONVERGED = 10


@dataclass(frozen=True)
class Criteria:
    """target: a value that is good enough. timeout: trials in a row that may fail to improve on the best.
    on_convergence: whether convergence ends the search.
    """

    target: float | None = None
    timeout: int | None = None
    on_convergence: bool = False


class Progress:
    """How a search comes along; takes the final value of each trial as it ends."""

    def __init__(self, objective: Objective, criteria: Criteria) -> None:
        self.objective, self.criteria = objective, criteria
        self.best: float | None = None
        self.not_improving = 0
        self.converged: datetime | None = None

    def take(self, value: float) -> None:
        if self._improves(value):
            self.not_improving = 0
        else:
            self.not_improving += 1
        if self.best is None or self.objective.better(value, self.best):
            self.best = value
        if self.not_improving >= CONVERGED and self.converged is None:
            self.converged = datetime.now(UTC)

    @property
    def enough(self) -> bool:
        """Whether a criterion is met."""
        target, timeout = self.criteria.target, self.criteria.timeout
        reached = target is not None and self.best is not None and not self.objective.better(target, self.best)
        stuck = timeout is not None and self.not_improving >= timeout
        return reached or stuck or (self.criteria.on_convergence and self.converged is not None)

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return True
        gain = value - self.best if self.objective.maximize else self.best - value
        return gain > 0 and gain >= IMPROVEMENT * abs(self.best)
