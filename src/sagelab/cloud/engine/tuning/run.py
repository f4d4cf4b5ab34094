"""One tuning job, from its first trial to its end: asks the searches, starts training jobs, hears of them.

All that happens comes as an event through one queue into one thread, so that nothing happens at the same time.
What comes of it is told to the TrialRunner (resources/tuning_children.py), which keeps it and runs the
training jobs.
"""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sagelab.cloud.engine.tuning.completion import Progress
from sagelab.cloud.engine.tuning.early_stopping import is_hopeless
from sagelab.cloud.engine.tuning.plan import Plan
from sagelab.cloud.engine.tuning.searches import Searches
from sagelab.cloud.engine.tuning.trials import Trial
from sagelab.cloud.errors import InternalServerError

logger = logging.getLogger("sagelab")

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


@dataclass(frozen=True)
class End:
    """How a tuning job ended: the API's status, and why if it failed."""

    status: str
    reason: str | None = None


@dataclass(frozen=True)
class State:
    """A tuning job as it stands. end: None while it goes on."""

    trials: Sequence[Trial]
    progress: Progress
    stopping: bool
    end: End | None = None


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

    def report(self, state: State) -> None:
        """Keep the state of the tuning job."""
        ...


class TuningRun(threading.Thread):
    """The life of one tuning job. trials: those of before, where the local cloud was started again."""

    def __init__(
        self, plan: Plan, runner: Callable[[TuningRun], TrialRunner], trials: Sequence[Trial] = ()
    ) -> None:
        super().__init__(daemon=True, name=f"tuning {plan.name}")
        self.plan = plan
        self.trials = list(trials)
        self.progress = Progress(plan.objective, plan.criteria)
        self._runner = runner(self)
        self._events: queue.Queue[Callable[[], None]] = queue.Queue()
        self._slots: dict[int, int] = {}  # number of a running trial -> its place
        self._ending: End | None = None
        self._interrupted = False

    # What others tell, from any thread

    def on_metric(self, trial: Trial, name: str, value: float) -> None:
        """A running training job has printed a value."""
        if name == self.plan.definitions[trial.definition].objective.metric:
            self._events.put(lambda: self._take_value(trial, value))

    def on_step(self, trial: Trial, job: dict[str, Any]) -> None:
        """A training job has come to a new status."""
        self._events.put(lambda: self._take_step(trial, job))

    def stop(self) -> None:
        """End the search and every job of it, as StopHyperParameterTuningJob does."""
        self._events.put(lambda: self._finish(End("Stopped")))

    def interrupt(self) -> None:
        """Start nothing more and tell nothing more: the local cloud ends. The search goes on with the next."""
        self._interrupted = True
        self._events.put(lambda: None)

    # The thread itself

    def run(self) -> None:
        try:
            end = self._search()
        except Exception as error:
            logger.exception("tuning job %s", self.plan.name)
            end = End("Failed", str(InternalServerError(f"The local cloud failed: {error!r}")))
            self._give_up()
        if not self._interrupted:
            self._report(end)

    def _search(self) -> End:
        for trial in self.trials:
            if trial.value is not None:
                self.progress.take(trial.value)
        self._judge()
        searches = self._searches = Searches(self.plan, self.trials)
        while not self._interrupted:
            while self._ending is None and self._room() and searches.ready(self.trials):
                if not self._start_next():
                    break
            if not self._slots:
                break
            self._next_event()
        return self._ending or self._natural_end()

    def _room(self) -> bool:
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
        deadline = self.plan.deadline if self._ending is None else None
        left = (deadline - datetime.now(UTC)).total_seconds() if deadline else None
        try:
            act = self._events.get(timeout=left) if left is None or left > 0 else self._events.get_nowait()
        except queue.Empty:
            self._finish(End("Completed"))
            return
        if not self._interrupted:
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
            self._finish(End("Completed"))
        elif any(trial.value is not None for trial in self.trials):
            return
        elif len(self._failed()) >= ATTEMPTS and not self._succeeded():
            self._finish(End("Failed", NO_SUCCESS))
        elif len(self._succeeded()) >= ATTEMPTS:
            self._finish(End("Failed", NO_METRIC.format(len(self._succeeded()))))

    def _failed(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status == "Failed" and not trial.retryable]

    def _succeeded(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status in ("Completed", "Stopped")]

    def _natural_end(self) -> End:
        """All trials have ended."""
        if any(trial.value is not None for trial in self.trials):
            return End("Completed")
        if self._succeeded():
            return End("Failed", NO_METRIC.format(len(self._succeeded())))
        return End("Failed", ALL_FAILED)

    def _finish(self, end: End) -> None:
        """Start nothing more and stop what runs."""
        if self._ending is None:
            self._ending = end
            self._give_up()
            self._report()

    def _give_up(self) -> None:
        for trial in self.trials:
            if trial.running and not trial.stopping:
                self._end_trial(trial)

    def _end_trial(self, trial: Trial) -> None:
        trial.stopping = True
        self._runner.stop(trial)

    def _report(self, end: End | None = None) -> None:
        stopping = self._ending is not None and self._ending.status == "Stopped"
        self._runner.report(State(self.trials, self.progress, stopping, end))


def take_end(trial: Trial, job: dict[str, Any], metric: str) -> None:
    """Take the end of a trial from its training job's document."""
    finals = {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}
    trial.end(job["TrainingJobStatus"], finals.get(metric))
    trial.retryable = job.get("FailureReason", "").startswith(InternalServerError.prefix)
