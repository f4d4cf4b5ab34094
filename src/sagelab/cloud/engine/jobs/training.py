"""One training job, from Starting to its end: what happens, in the order in which SageMaker does it.

What it does with its hosts is an Attempt's (attempt.py); here is how many there are, how long they may take, and
what ends them: https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.checkpoints import TIMEOUT
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.jobs.attempt import Attempt
from sagelab.cloud.engine.jobs.market import Draws, Market
from sagelab.cloud.engine.jobs.metrics import Metrics
from sagelab.cloud.engine.jobs.run import OVERTIME, STOPPED, JobRun, Report, Step, Stopped
from sagelab.cloud.errors import ClientError, InternalServerError, JobError

OVERDUE = "MaxWaitTimeExceeded"
TAKEN = "Interrupted"


class Taken(Exception):
    """The capacity of a spot job was taken away; it goes on with new one."""


@dataclass(frozen=True)
class Training:
    """What is to be trained.

    job: the CreateTrainingJob request with TrainingJobArn. notes: what it asks for and this machine does not do;
    they head the job's log. market: of a managed spot job, the market that it is on. cores: the processors that
    its hosts are held to; all of them if empty.
    """

    job: dict[str, Any]
    notes: list[str]
    market: Market | None = None
    cores: tuple[int, ...] = ()


class TrainingRun(JobRun):
    """The life of one training job."""

    stopping = Step("Stopping", "Stopping the training job")
    ends = JobRun.ends | {
        None: Step("Completed", "Training job completed"),
        STOPPED: Step("Stopped", "Training job stopped"),
        OVERTIME: Step(OVERTIME, "Training job runtime exceeded MaxRuntimeInSeconds provided"),
        OVERDUE: Step(OVERDUE, "Training job wait time exceeded MaxWaitTimeInSeconds provided"),
    }

    def __init__(self, training: Training, context: EngineContext, report: Report) -> None:
        job = training.job
        super().__init__(job["TrainingJobName"], report)
        self.training, self.context = training, context.inside(job.get("VpcConfig"))
        self.market = training.market
        self.draws = Draws(self.market or Market(rate=0))
        self.metrics = Metrics(job["AlgorithmSpecification"].get("MetricDefinitions", []))
        self.attempt = self._new_attempt()
        self.taken = False  # the capacity is gone, or its notice runs
        self.over = False  # nobody can take the capacity any more: all is done but to say so
        limits = job["StoppingCondition"]
        self._runtime: float = limits.get("MaxRuntimeInSeconds", 86400)  # seconds of training that are left
        self._due = time.monotonic() + limits.get("MaxWaitTimeInSeconds", math.inf)
        self._retries = job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)

    def halt(self, now: bool) -> None:
        self.attempt.kill() if now else self.attempt.terminate()

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

    # From one attempt to the next

    def work(self) -> None:
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
            self.attempt = self._new_attempt()

    def _new_attempt(self) -> Attempt:
        return Attempt(self.training.job, self.context, self.metrics, self.training.cores)

    def _try(self) -> None:
        attempt = self.attempt
        try:
            self.report(Step("Starting", "Preparing the instances for training"))
            self.report(Step("Downloading", "Downloading input data"))
            attempt.download(self.go_on)
            runtime = attempt.choose_runtime()
            if not self.context.launcher.is_warm(runtime):
                self.report(Step("Downloading", "Downloading the training image"))
            attempt.head_logs(runtime, [*self.training.notes, *([self.market.describe()] if self.market else [])])
            self.report(Step("Training", "Training image download completed. Training in progress."))
            self._upload(attempt, self._train(attempt, runtime))
        finally:
            attempt.remove()

    def _wait_for_capacity(self) -> None:
        self.report(Step(TAKEN, "The job stopped because the managed spot training instances were interrupted"))
        self.asked.wait(min(self.draws.wait(), max(0.0, self._due - time.monotonic())))
        if time.monotonic() >= self._due:
            self.on_due(OVERDUE)
        with self._lock:
            if self.ending:
                raise Stopped
            self.taken = False

    def go_on(self) -> None:
        """Stopped or Taken: the attempt ends here."""
        super().go_on()
        if self.taken:
            raise Taken

    # Training and uploading

    def _train(self, attempt: Attempt, runtime: Runtime) -> JobError | None:
        """Run the hosts to their end; why they failed, if they did and were not told to end."""
        self.begin(attempt, attempt.task(runtime))
        due = {OVERTIME: self._runtime, OVERDUE: self._due - time.monotonic(), TAKEN: self.draws.interval()}
        self.follow(attempt, due)
        self._runtime -= attempt.seconds
        lost = self._save(attempt)
        if self.taken and not self.ending:
            raise Taken
        trouble = attempt.explain()
        return lost or (None if self.ending else trouble)

    def on_due(self, why: str) -> None:
        if why == TAKEN:
            if self.take_capacity("by the market"):
                self.draws.interrupt()
            return
        self.stop(why)
        if why == OVERDUE:
            self.report(self.stopping)

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
        finals = {"FinalMetricDataList": self.metrics.final()}
        self.report(Step("Uploading", "Uploading generated training model", finals))
        attempt.upload(model=trouble is None, go_on=self._hold_capacity)
        with self._lock:
            self._hold_capacity()
            self.over = True
        if trouble:
            raise trouble

    def _hold_capacity(self) -> None:
        if self.taken and not (self.over or self.ending):
            raise Taken


def artifact_uri(job: dict[str, Any]) -> str:
    """Where a job's model is, once it is uploaded."""
    config = job["OutputDataConfig"]
    name = "model/" if config.get("CompressionType") == "NONE" else "model.tar.gz"
    return str(channels.locate(config["S3OutputPath"]).join(job["TrainingJobName"], "output", name))
