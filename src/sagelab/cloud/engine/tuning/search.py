"""What to try next: AWS's four strategies, by Optuna's samplers and pruners.

Bayesian is Optuna's multivariate TPE: of what Optuna has without another framework, the one that was best on
Branin and Hartmann-6 (bench/tuning.py). Random draws, Grid counts. Hyperband draws at random too, and stops what
lags behind at its rungs, which is the asynchronous form of it: nothing waits for the slowest.
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sagelab.cloud.engine.tuning.space import Space, Values

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import Trial

STARTUP = 5  # trials that Bayesian draws at random, before it has something to learn from
CANDIDATES = 64  # combinations that TPE chooses the next one from
REDRAWS = 20  # before a combination that is new is looked for by counting


@dataclass(frozen=True)
class Strategy:
    """How to search.

    name: AWS's. seed: of everything that is drawn. parallel: trials at a time. resources: of Hyperband, the least
    and the most values of the objective (epochs) that a trial is given.
    """

    name: str
    maximize: bool
    seed: int
    parallel: int = 1
    resources: tuple[int, int] | None = None

    @property
    def learns(self) -> bool:
        """Whether what it tries next depends on what came of what it tried before."""
        return self.name == "Bayesian"


class Search(Protocol):
    """Trials are numbered from 0 in the order in which they are asked for."""

    def ask(self) -> Values | None:
        """The next combination, never one twice; None: there is none left."""
        ...

    def restore(self, values: Values) -> None:
        """Take a combination that was asked for before the local cloud was started again."""
        ...

    def tell(self, number: int, value: float | None) -> None:
        """What came of a trial. None: nothing."""
        ...

    def lags(self, number: int, step: int, value: float) -> bool:
        """Whether a trial with this value at this step (from 1) should be stopped by the strategy itself."""
        ...

    def learn(self, values: Values, value: float) -> None:
        """Take a trial of another search as one of this one's own."""
        ...

    def suggest(self, values: Values) -> None:
        """Ask for this combination first."""
        ...


def make_search(space: Space, strategy: Strategy) -> Search:
    return GridSearch(space) if strategy.name == "Grid" else StudySearch(space, strategy)


class GridSearch:
    """Every combination once, in the order of the ranges."""

    def __init__(self, space: Space) -> None:
        self._left = list(space.combinations())

    def ask(self) -> Values | None:
        return self._left.pop(0) if self._left else None

    def restore(self, values: Values) -> None:
        self._left.remove(values)

    def tell(self, number: int, value: float | None) -> None:
        """A grid learns nothing."""

    def lags(self, number: int, step: int, value: float) -> bool:  # noqa: ARG002
        return False

    def learn(self, values: Values, value: float) -> None:
        """A grid learns nothing."""

    def suggest(self, values: Values) -> None:
        """A grid tries everything anyway."""


class StudySearch:
    """A study of Optuna's.

    Every suggestion has a sampler with a seed of its own, made of the strategy's and the trial's number: so it
    depends on nothing but these and what was told before, and a search that is taken up again goes on as it would.
    """

    def __init__(self, space: Space, strategy: Strategy) -> None:
        self.space, self.strategy = space, strategy
        self._distributions = space.distributions()
        self._study = _make_study(strategy)
        self._trials: list[Trial] = []
        self._seen: set[tuple[str, ...]] = set()
        self._first: list[Values] = []

    def ask(self) -> Values | None:
        while self._first:
            values = self._first.pop(0)
            if self._key(values) not in self._seen:
                self.restore(values)
                return values
        for attempt in range(REDRAWS):
            trial = self._draw(attempt)
            values = self.space.write(trial.params)
            if self._key(values) not in self._seen:
                return self._take(trial, values)
            self._drop(trial)
        return self._ask_unseen()

    def restore(self, values: Values) -> None:
        drawn = self.space.read(values)
        assert drawn is not None, f"{values} is not of this space"
        self._study.enqueue_trial(drawn)
        self._take(self._study.ask(self._distributions), values)

    def tell(self, number: int, value: float | None) -> None:
        if value is None:
            self._drop(self._trials[number])
        else:
            self._study.tell(self._trials[number], value)

    def lags(self, number: int, step: int, value: float) -> bool:
        resources = self.strategy.resources
        if resources is None or step >= resources[1]:
            return False
        trial = self._trials[number]
        trial.report(value, step)
        return trial.should_prune()

    def learn(self, values: Values, value: float) -> None:
        import optuna

        drawn = self.space.read(values)
        if drawn is not None:
            self._seen.add(self._key(values))
            self._study.add_trial(
                optuna.create_trial(params=drawn, distributions=self._distributions, value=value)
            )

    def suggest(self, values: Values) -> None:
        if self.space.read(values) is not None:
            self._first.append({each.name: values[each.name] for each in self.space.ranges})

    def _draw(self, attempt: int) -> Trial:
        mixed = zlib.crc32(f"{self.strategy.seed} {len(self._trials)} {attempt}".encode())
        self._study.sampler = _make_sampler(self.strategy, mixed, learned=attempt < REDRAWS // 2)
        return self._study.ask(self._distributions)

    def _take(self, trial: Trial, values: Values) -> Values:
        self._trials.append(trial)
        self._seen.add(self._key(values))
        return values

    def _drop(self, trial: Trial) -> None:
        from optuna.trial import TrialState

        self._study.tell(trial, state=TrialState.FAIL)

    def _ask_unseen(self) -> Values | None:
        """The first combination that was not tried, of a space that has nearly been searched through."""
        if self.space.size is None:
            return None
        for values in self.space.combinations():
            if self._key(values) not in self._seen:
                self.restore(values)
                return values
        return None

    def _key(self, values: Values) -> tuple[str, ...]:
        return tuple(values[each.name] for each in self.space.ranges)


def _make_study(strategy: Strategy) -> Study:
    import optuna
    from optuna.pruners import HyperbandPruner, NopPruner

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    least, most = strategy.resources or (1, 1)
    return optuna.create_study(
        study_name=str(strategy.seed),  # which decides with a trial's number on its bracket
        direction="maximize" if strategy.maximize else "minimize",
        pruner=HyperbandPruner(least, most) if strategy.resources else NopPruner(),
    )


def _make_sampler(strategy: Strategy, seed: int, learned: bool) -> BaseSampler:
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import RandomSampler, TPESampler

    if not (strategy.learns and learned):
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            seed=seed,
            multivariate=True,
            constant_liar=strategy.parallel > 1,
            n_startup_trials=STARTUP,
            n_ei_candidates=CANDIDATES,
        )
