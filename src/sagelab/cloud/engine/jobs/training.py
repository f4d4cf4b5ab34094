"""One training job, from Starting to its end: what happens, in the order in which SageMaker does it.

The run tells each step to `report` (resources/training_jobs.py), which is all that a status ever moves on. What it
does with its hosts is an Attempt's (attempt.py); here is how many there are, how long they may take, and what ends
them: https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.checkpoints import TIMEOUT
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.jobs.attempt import Attempt
from sagelab.cloud.engine.jobs.market import Draws, Market
from sagelab.cloud.engine.jobs.metrics import Metrics
from sagelab.cloud.engine.sandbox.warm import Group
from sagelab.cloud.errors import ClientError, InternalServerError, JobError

logger = logging.getLogger("sagelab")

GRACE_SECONDS = 120.0  # between SIGTERM and SIGKILL, as StopTrainingJob has it
OVERTIME = "MaxRuntimeExceeded"
OVERDUE = "MaxWaitTimeExceeded"
TAKEN = "Interrupted"
INTERRUPTED = "The local cloud ended while the job was running; nothing of the job is left. Create it again."


@dataclass(frozen=True)
class Step:
    """A job has come to a new secondary status. facts: what DescribeTrainingJob tells from now on."""

    status: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


class Stopped(Exception):
    """The job is to end before its work is done."""


class Taken(Exception):
    """The capacity of a spot job was taken away; it goes on with new one."""


class TrainingRun(threading.Thread):
    """The life of one training job.

    job: the CreateTrainingJob request with TrainingJobArn. notes: what the request asks for and this machine
    does not do; they head the job's log. report: called with each Step, in order, from this thread. market: of a
    managed spot job, the market that it is on.
    """

    def __init__(
        self,
        job: dict[str, Any],
        notes: list[str],
        context: EngineContext,
        report: Callable[[Step], None],
        market: Market | None = None,
    ) -> None:
        super().__init__(daemon=True, name=f"training {job['TrainingJobName']}")
        self.job, self.notes, self.context, self.report = job, notes, context, report
        self.market = market
        self.draws = Draws(market or Market(rate=0))
        self.metrics = Metrics(job["AlgorithmSpecification"].get("MetricDefinitions", []))
        self.cores: tuple[int, ...] = ()  # the processors that its hosts are held to; all of them if empty
        self.attempt = Attempt(job, context)
        self.ending: str | None = None  # why it ends early: "Stopped", OVERTIME, OVERDUE or INTERRUPTED
        self.taken = False  # the capacity is gone, or its notice runs
        self.over = False  # nobody can take the capacity any more: all is done but to say so
        limits = job["StoppingCondition"]
        self._runtime: float = limits.get("MaxRuntimeInSeconds", 86400)  # seconds of training that are left
        self._due = time.monotonic() + limits.get("MaxWaitTimeInSeconds", math.inf)
        self._retries = job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        self._lock = threading.RLock()
        self._ended = threading.Event()  # `ending` is set

    def stop(self, why: str = "Stopped") -> None:
        """Ask the job to end: SIGTERM now, SIGKILL after the grace period."""
        with self._lock:
            if not self.ending:
                self.ending = why
                self._ended.set()
                self.attempt.terminate(GRACE_SECONDS)

    def take_capacity(self, who: str = "by hand") -> bool:
        """Take the instances of a spot job away: SIGTERM now, SIGKILL after the notice. False: it has none."""
        with self._lock:
            if self.market is None or self.ending or self.taken or self.over:
                return False
            self.taken = True
            self.attempt.terminate(self.market.notice)
        self.attempt.say(
            f"spot: the capacity is taken away {who}: SIGTERM, and SIGKILL in {self.market.notice:g} s"
        )
        return True

    def interrupt(self) -> None:
        """End the job's processes at once: the local cloud itself ends."""
        with self._lock:
            self.ending = INTERRUPTED
            self._ended.set()
            self.attempt.kill()

    def run(self) -> None:
        self.report(self._live())

    def _live(self) -> Step:
        """All of the job's life; what is returned is its end, not yet reported."""
        try:
            self._work()
        except JobError as error:
            return Step("Failed", str(error))
        except Stopped:
            pass
        except Exception as error:
            logger.exception("training job %s", self.job["TrainingJobName"])
            return Step("Failed", str(InternalServerError(f"The local cloud failed: {error!r}")))
        return Step(*self._end_words())

    def _end_words(self) -> tuple[str, str]:
        words = {
            None: ("Completed", "Training job completed"),
            "Stopped": ("Stopped", "Training job stopped"),
            OVERTIME: (OVERTIME, "Training job runtime exceeded MaxRuntimeInSeconds provided"),
            OVERDUE: (OVERDUE, "Training job wait time exceeded MaxWaitTimeInSeconds provided"),
            INTERRUPTED: ("Failed", str(InternalServerError(INTERRUPTED))),
        }
        return words[self.ending]

    # From one attempt to the next

    def _work(self) -> None:
        while True:
            try:
                return self._try()
            except Taken:
                self._wait_for_capacity()
            except InternalServerError as error:
                if not self._retries or self.ending:
                    raise
                self._retries -= 1
                self.attempt.say(f"the job is started again, as its RetryStrategy says: {error}")
            self.attempt = Attempt(self.job, self.context)

    def _try(self) -> None:
        attempt = self.attempt
        try:
            self.report(Step("Starting", "Preparing the instances for training"))
            self.report(Step("Downloading", "Downloading input data"))
            attempt.download(self._go_on)
            runtime = attempt.choose_runtime()
            if not self.context.launcher.is_warm(runtime):
                self.report(Step("Downloading", "Downloading the training image"))
            attempt.open_logs(runtime, self._notes(), self.metrics.read)
            self.report(Step("Training", "Training image download completed. Training in progress."))
            self._upload(attempt, self._train(attempt, runtime))
        finally:
            attempt.remove()

    def _wait_for_capacity(self) -> None:
        self.report(Step(TAKEN, "The job stopped because the managed spot training instances were interrupted"))
        self._ended.wait(min(self.draws.wait(), max(0.0, self._due - time.monotonic())))
        if time.monotonic() >= self._due:
            self._stop_overdue()
        with self._lock:
            if self.ending:
                raise Stopped
            self.taken = False

    def _stop_overdue(self) -> None:
        self.stop(OVERDUE)
        self.report(Step("Stopping", "Stopping the training job"))

    def _go_on(self) -> None:
        """Stopped or Taken: the attempt ends here."""
        if self.ending:
            raise Stopped
        if self.taken:
            raise Taken

    def _notes(self) -> list[str]:
        return [*self.notes, self.market.describe()] if self.market else self.notes

    # Training and uploading

    def _train(self, attempt: Attempt, runtime: Runtime) -> JobError | None:
        """Run the hosts to their end; why they failed, if they did and were not told to end."""
        with self._lock:
            self._go_on()
            attempt.start(runtime, self._send_metrics, self.cores)
        assert attempt.running is not None
        group = attempt.running.group
        self._wait(group)
        attempt.read_rest()
        if self.ending == INTERRUPTED:
            raise Stopped
        lost = self._save(attempt)
        if self.taken and not self.ending:
            raise Taken
        if group.trouble:
            raise InternalServerError(group.trouble)
        return lost or (None if self.ending else attempt.explain())

    def _wait(self, group: Group) -> None:
        """Return when no process of the hosts is left; end them when something is due."""
        began = time.monotonic()
        due = {OVERTIME: began + self._runtime, OVERDUE: self._due, TAKEN: began + self.draws.interval()}
        while not group.ended.is_set():
            why = min(due, key=lambda name: due[name])
            left = due[why] - time.monotonic()
            group.changed.wait(None if math.isinf(left) else max(0.0, left))
            group.changed.clear()
            if time.monotonic() >= due[why]:
                due[why] = math.inf
                self._end_hosts(why)
            elif self._failed_in_part(group):
                group.kill()  # one host failed: the others would wait for it for ever
        self._runtime -= time.monotonic() - began

    def _end_hosts(self, why: str) -> None:
        if why == TAKEN:
            if self.take_capacity("by the market"):
                self.draws.interrupt()
        elif why == OVERDUE:
            self._stop_overdue()
        else:
            self.stop(why)

    def _failed_in_part(self, group: Group) -> bool:
        asked = self.ending or self.taken
        return not asked and any(group.codes.values()) and len(group.codes) < len(self.attempt.hosts)

    def _send_metrics(self) -> None:
        self.metrics.send(self.context.client("cloudwatch"), self.job["TrainingJobName"])

    def _save(self, attempt: Attempt) -> ClientError | None:
        """Send the last checkpoints; the error where S3 does not take them."""
        timeout = min(TIMEOUT, self.market.notice) if self.market and self.taken else TIMEOUT
        try:
            attempt.save(asked=bool(self.ending or self.taken), timeout=timeout)
        except ClientError as error:
            return error
        return None

    def _upload(self, attempt: Attempt, trouble: JobError | None) -> None:
        """Send what the hosts made. Taken: the capacity went before all was sent. JobError: the `trouble`."""
        self.over = trouble is not None
        self.report(Step("Uploading", "Uploading generated training model", self._finals()))
        attempt.upload(model=trouble is None, go_on=self._hold_capacity)
        with self._lock:
            self._hold_capacity()
            self.over = True
        if trouble:
            raise trouble

    def _hold_capacity(self) -> None:
        if self.taken and not (self.over or self.ending):
            raise Taken

    def _finals(self) -> dict[str, Any]:
        return {"FinalMetricDataList": self.metrics.final()}


def artifact_uri(job: dict[str, Any]) -> str:
    """Where a job's model is, once it is uploaded."""
    config = job["OutputDataConfig"]
    name = "model/" if config.get("CompressionType") == "NONE" else "model.tar.gz"
    return str(channels.locate(config["S3OutputPath"]).join(job["TrainingJobName"], "output", name))
