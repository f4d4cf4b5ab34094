"""A search that begins with what other searches have found.

With the same data and algorithm, a parent's results are as good as the search's own. With other data its values
say little, but which of its combinations were the best still does: the search tries those first.
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html
"""

from __future__ import annotations

from dataclasses import dataclass

from sagelab.cloud.engine.tuning.search import Search
from sagelab.cloud.engine.tuning.space import Values
from sagelab.cloud.engine.tuning.trials import Objective

TRIED_FIRST = 3


@dataclass(frozen=True)
class Inheritance:
    """kind: the API's WarmStartType. results: (hyperparameters, final value) of the parents' trials."""

    kind: str
    results: tuple[tuple[Values, float], ...]

    def give(self, search: Search, objective: Objective) -> None:
        if self.kind == "IdenticalDataAndAlgorithm":
            for values, value in self.results:
                search.learn(values, value)
            return
        best_first = sorted(self.results, key=lambda one: one[1], reverse=objective.maximize)
        for values, _ in best_first[:TRIED_FIRST]:
            search.suggest(values)
