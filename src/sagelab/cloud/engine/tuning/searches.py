"""The searches of a tuning job, one a definition, in the order in which they must be asked and told.

With a seed, a search by which trials learn from each other must not depend on which of them ends first. So trial n
waits for trial n - p, where p trials run at a time, and learns from the trials up to that one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagelab.cloud.engine.tuning.plan import Plan
from sagelab.cloud.engine.tuning.search import Search, make_search
from sagelab.cloud.engine.tuning.space import Values
from sagelab.cloud.engine.tuning.trials import Trial


class Searches:
    """Asks for the trials of a plan. trials: those of before, from a local cloud that was started again."""

    def __init__(self, plan: Plan, trials: Sequence[Trial]) -> None:
        self.plan = plan
        self._searches = [make_search(each.space, plan.strategy) for each in plan.definitions]
        self._numbers: dict[int, int] = {}  # of a trial in the job -> in its search
        self._counts = [0] * len(self._searches)
        self._told: set[int] = set()
        if plan.inheritance:
            for search, definition in zip(self._searches, plan.definitions, strict=True):
                plan.inheritance.give(search, definition.objective)
        for trial in trials:
            self._restore(trial)

    def ready(self, trials: Sequence[Trial]) -> bool:
        """Whether the next trial may be asked for now."""
        return not any(trial.running for trial in trials[: self._horizon(trials)])

    def ask(self, trials: Sequence[Trial], name: str) -> Trial | None:
        """The next trial, whose job is to have this name; None: all searches are exhausted."""
        self._teach(trials[: self._horizon(trials)] if self._exact else trials)
        number = len(trials) + 1
        for turn in range(len(self._searches)):
            definition = (number - 1 + turn) % len(self._searches)
            values: Values | None = self._searches[definition].ask()
            if values is not None:
                trial = Trial(number, definition, values, name)
                self._note(trial)
                return trial
        return None

    def lags(self, trial: Trial) -> bool:
        """Whether the strategy itself gives a trial up, after the last value of its curve."""
        search: Search = self._searches[trial.definition]
        return search.lags(self._numbers[trial.number], len(trial.curve), trial.curve[-1])

    def _restore(self, trial: Trial) -> None:
        """Take a trial of before, and let the strategy see its values again: others are judged by them."""
        search = self._searches[trial.definition]
        search.restore(trial.values)
        self._note(trial)
        for step, value in enumerate(trial.curve, start=1):
            search.lags(self._numbers[trial.number], step, value)

    @property
    def _exact(self) -> bool:
        return self.plan.exact and self.plan.strategy.learns

    def _horizon(self, trials: Sequence[Trial]) -> int:
        """How many trials the next one has to wait for."""
        return max(0, len(trials) + 1 - self.plan.parallel) if self._exact else 0

    def _teach(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            if not trial.running and trial.number not in self._told:
                self._told.add(trial.number)
                self._searches[trial.definition].tell(self._numbers[trial.number], trial.value)

    def _note(self, trial: Trial) -> None:
        self._numbers[trial.number] = self._counts[trial.definition]
        self._counts[trial.definition] += 1
