from __future__ import annotations

from dataclasses import replace

from sagelab.cloud.engine.tuning.completion import Criteria
from sagelab.cloud.engine.tuning.plan import Definition, Plan
from sagelab.cloud.engine.tuning.search import Strategy
from sagelab.cloud.engine.tuning.searches import Searches
from sagelab.cloud.engine.tuning.space import read_space
from sagelab.cloud.engine.tuning.trials import Objective, Trial

SPACE = read_space({"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.001", "MaxValue": "1"}]})
ACCURACY = Objective("acc", maximize=True)
PLAN = Plan(
    name="plan",
    definitions=(Definition(SPACE, ACCURACY),),
    strategy=Strategy("Bayesian", maximize=True, seed=3, parallel=2),
    max_jobs=20,
    exact=True,
    deadline=None,
    early_stopping=False,
    criteria=Criteria(),
)


def ask(searches: Searches, trials: list[Trial]) -> Trial:
    trial = searches.ask(trials, f"plan-{len(trials) + 1}")
    assert trial is not None
    trials.append(trial)
    return trial


def end(trial: Trial) -> None:
    trial.end("Completed", 1 - abs(float(trial.values["rate"]) - 0.1))


def test_with_a_seed_a_trial_waits_for_the_one_that_many_before() -> None:
    searches, trials = Searches(PLAN, []), list[Trial]()
    first, second = ask(searches, trials), ask(searches, trials)
    assert not searches.ready(trials)
    end(second)
    assert not searches.ready(trials)
    end(first)
    assert searches.ready(trials)


def test_without_a_seed_it_waits_for_none() -> None:
    searches, trials = Searches(replace(PLAN, exact=False), []), list[Trial]()
    ask(searches, trials)
    ask(searches, trials)
    assert searches.ready(trials)


def test_which_of_two_ends_first_changes_nothing() -> None:
    tried = []
    for order in (0, 1):
        searches, trials = Searches(PLAN, []), list[Trial]()
        ask(searches, trials)
        for _ in range(7):
            ask(searches, trials)
            running = [trial for trial in trials if trial.running]
            for trial in running if order else running[:1]:
                end(trial)
        tried.append([trial.values for trial in trials])
    assert tried[0] == tried[1]


def test_a_search_that_is_taken_up_again_goes_on_as_it_would() -> None:
    searches, trials = Searches(PLAN, []), list[Trial]()
    for _ in range(8):
        end(ask(searches, trials))
    again = Searches(PLAN, trials)
    assert ask(again, list(trials)).values == ask(searches, trials).values


def test_hyperband_judges_by_the_trials_of_before_a_restart() -> None:
    band = Strategy("Hyperband", maximize=True, seed=1, resources=(1, 9))
    plan = replace(PLAN, strategy=band, exact=False)
    searches, trials = Searches(plan, []), list[Trial]()
    for _ in range(12):
        trial = ask(searches, trials)
        trial.curve = [0.9] * 8
        end(trial)
    assert count_stopped(Searches(plan, trials), list(trials)) >= 6  # all but those of the most patient bracket
    assert count_stopped(Searches(plan, []), []) == 0


def count_stopped(searches: Searches, trials: list[Trial]) -> int:
    """How many of eight equally bad trials are given up."""
    stopped = 0
    for _ in range(8):
        trial = ask(searches, trials)
        for _ in range(8):
            trial.curve.append(0.1)
            if searches.lags(trial):
                stopped += 1
                break
    return stopped


def test_several_definitions_take_turns() -> None:
    plan = replace(PLAN, definitions=PLAN.definitions * 3, exact=False)
    searches, trials = Searches(plan, []), list[Trial]()
    assert [ask(searches, trials).definition for _ in range(6)] == [0, 1, 2, 0, 1, 2]
