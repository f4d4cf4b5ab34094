"""One tuning job, from its first trial to its end: asks the searches, starts training jobs, hears of them.

All that happens comes as an event through one queue into one thread, so that nothing happens at the same time.
Its training jobs are run and kept by the TrialRunner (resources/tuning_children.py).
"""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sagelab.cloud.engine.jobs.run import INTERRUPTED, JobRun, Report, Step
from sagelab.cloud.engine.tuning.completion import Progress
from sagelab.cloud.engine.tuning.early_stopping import is_hopeless
from sagelab.cloud.engine.tuning.plan import Plan
from sagelab.cloud.engine.tuning.searches import Searches
from sagelab.cloud.engine.tuning.trials import Trial
from sagelab.cloud.errors import InternalServerError

ATTEMPTS = 5  # trials after which AWS gives up a search that has come to nothing
NO_SUCCESS = (
    f"No training job succeeded after {ATTEMPTS} attempts. For additional details, please take a look at the"
    " training job failures by listing training jobs for the hyperparameter tuning job."
)
ALL_FAILED = "All training jobs failed. Please take a look at the training job failures to get more details."
NO_METRIC = (
    "No objective metrics found after running {} training jobs. Please ensure that the custom algorithm is"
    " emitting the objective metric as defined by the regular expression provided."
)


class TrialRunner(Protocol):
    """What runs the training jobs and keeps what is told of them."""

    def start(self, trial: Trial, slot: int) -> None:
        """Start a trial's training job. slot: which of the places for parallel jobs it takes, from 0."""
        ...

    def stop(self, trial: Trial) -> None:
        """Ask a trial's training job to stop; it may have ended already."""
        ...

    def keep(self, trial: Trial, job: dict[str, Any]) -> None:
        """Keep what is known of a trial and its training job."""
        ...

    def describe(self, trials: Sequence[Trial], progress: Progress) -> dict[str, Any]:
        """What the tuning job's Describe tells of them."""
        ...


class TuningRun(JobRun):
    """The life of one tuning job. trials: those of before, where the local cloud was started again."""

    def __init__(
        self,
        plan: Plan,
        runner: Callable[[TuningRun], TrialRunner],
        report: Report,
        trials: Sequence[Trial] = (),
    ) -> None:
        super().__init__(plan.name, report)
        self.plan = plan
        self.trials = list(trials)
        self.progress = Progress(plan.objective, plan.criteria)
        self._runner = runner(self)
        self._events: queue.Queue[Callable[[], None]] = queue.Queue()
        self._slots: dict[int, int] = {}  # number of a running trial -> its place
        self._end: Step | None = None  # what the search comes to, once nothing more is to be started

    # What others tell, from any thread

    def on_metric(self, trial: Trial, name: str, value: float) -> None:
        """A running training job has printed a value."""
        if name == self.plan.definitions[trial.definition].objective.metric:
            self._events.put(lambda: self._take_value(trial, value))

    def on_step(self, trial: Trial, job: dict[str, Any]) -> None:
        """A training job has come to a new status."""
        self._events.put(lambda: self._take_step(trial, job))

    def halt(self, now: bool) -> None:
        """now: nothing more is started or told. The search goes on when the local cloud is started again."""
        self._events.put(_nothing if now else lambda: self._finish(Step("Stopped")))

    # The thread itself

    def end(self) -> Step | None:
        return None if self.ending == INTERRUPTED else self._end or self._natural_end()

    def clean(self) -> None:
        if self.ending != INTERRUPTED:
            self._give_up()  # what runs, where the search itself has failed
            self.facts = self._runner.describe(self.trials, self.progress)

    def work(self) -> None:
        for trial in self.trials:
            if trial.value is not None:
                self.progress.take(trial.value)
        self._judge()
        searches = self._searches = Searches(self.plan, self.trials)
        while self.ending != INTERRUPTED:
            while self._room() and searches.ready(self.trials):
                if not self._start_next():
                    break
            if not self._slots:
                break
            self._next_event()

    def _room(self) -> bool:
        if self._end is not None or self.ending == INTERRUPTED:
            return False
        return len(self._slots) < self.plan.parallel and len(self.trials) < self.plan.max_jobs

    def _start_next(self) -> bool:
        number = len(self.trials) + 1
        trial = self._searches.ask(self.trials, f"{self.plan.name}-{number:03}-{uuid.uuid4().hex[:8]}")
        if trial is None:
            return False
        slot = min(set(range(self.plan.parallel)) - set(self._slots.values()))
        self._slots[number] = slot
        self.trials.append(trial)
        self._runner.start(trial, slot)
        self._report()
        return True

    def _next_event(self) -> None:
        """Wait for the next event and take it in; or end the search, for its time is over."""
        deadline = self.plan.deadline if self._end is None else None
        left = (deadline - datetime.now(UTC)).total_seconds() if deadline else None
        try:
            act = self._events.get(timeout=left) if left is None or left > 0 else self._events.get_nowait()
        except queue.Empty:
            self._finish(Step("Completed"))
            return
        if self.ending != INTERRUPTED:
            act()

    def _take_value(self, trial: Trial, value: float) -> None:
        if not trial.running:
            return
        trial.curve.append(value)
        if not trial.stopping and self._should_stop(trial):
            self._end_trial(trial)

    def _should_stop(self, trial: Trial) -> bool:
        definition, resources = self.plan.definitions[trial.definition], self.plan.strategy.resources
        if resources is not None:
            most = resources[1]
            if len(trial.curve) >= most:  # one that ends by itself then is left to save its model
                return definition.epochs is None or definition.epochs > most
            return self._searches.lags(trial)
        ended = [each for each in self.trials if not each.running and each.definition == trial.definition]
        return self.plan.early_stopping and is_hopeless(trial, ended, definition.objective)

    def _take_step(self, trial: Trial, job: dict[str, Any]) -> None:
        status = job["TrainingJobStatus"]
        if status in ("InProgress", "Stopping"):
            trial.status = status
            self._runner.keep(trial, job)
            return
        take_end(trial, job, self.plan.definitions[trial.definition].objective.metric)
        self._runner.keep(trial, job)
        self._slots.pop(trial.number, None)
        if trial.value is not None:
            self.progress.take(trial.value)
        self._judge()
        self._report()

    def _judge(self) -> None:
        """End the search where it has found enough, or will come to nothing."""
        if self.progress.enough:
            self._finish(Step("Completed"))
        elif any(trial.value is not None for trial in self.trials):
            return
        elif len(self._failed()) >= ATTEMPTS and not self._succeeded():
            self._finish(Step("Failed", NO_SUCCESS))
        elif len(self._succeeded()) >= ATTEMPTS:
            self._finish(Step("Failed", NO_METRIC.format(len(self._succeeded()))))

    def _failed(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status == "Failed" and not trial.retryable]

    def _succeeded(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status in ("Completed", "Stopped")]

    def _natural_end(self) -> Step:
        """All trials have ended."""
        if any(trial.value is not None for trial in self.trials):
            return Step("Completed")
        if self._succeeded():
            return Step("Failed", NO_METRIC.format(len(self._succeeded())))
        return Step("Failed", ALL_FAILED)

    def _finish(self, end: Step) -> None:
        """Start nothing more and stop what runs."""
        if self._end is None:
            self._end = end
            self._give_up()
            self._report()

    def _give_up(self) -> None:
        for trial in self.trials:
            if trial.running and not trial.stopping:
                self._end_trial(trial)

    def _end_trial(self, trial: Trial) -> None:
        trial.stopping = True
        self._runner.stop(trial)

    def _report(self) -> None:
        stopping = self._end is not None and self._end.status == "Stopped"
        facts = self._runner.describe(self.trials, self.progress)
        self.report(Step("Stopping" if stopping else "InProgress", facts=facts))


def _nothing() -> None:
    """The queue is only to be looked at."""


def take_end(trial: Trial, job: dict[str, Any], metric: str) -> None:
    """Take the end of a trial from its training job's document."""
    finals = {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}
    trial.end(job["TrainingJobStatus"], finals.get(metric))
    trial.retryable = job.get("FailureReason", "").startswith(InternalServerError.prefix)
