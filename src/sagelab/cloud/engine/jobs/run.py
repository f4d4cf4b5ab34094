"""What the life of every job has in common: it ends once, whatever happens, and can be stopped at any time."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from sagelab.cloud.engine.jobs.cluster import Cluster, Task
from sagelab.cloud.engine.jobs.logs import Reader
from sagelab.cloud.errors import InternalServerError, JobError

logger = logging.getLogger("sagelab")

# Why a job ends before its work is done.
STOPPED = "Stopped"
OVERTIME = "MaxRuntimeExceeded"
INTERRUPTED = "The local cloud ended while the job was running; nothing of the job is left. Create it again."


@dataclass(frozen=True)
class Step:
    """A job has come to a status. message: what there is to say of it; of Failed, why.

    facts: what the job's Describe tells from now on.
    """

    status: str
    message: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def failure(error: JobError) -> Step:
    """The end of a job that fails."""
    return Step("Failed", str(error))


Report = Callable[[Step], object]


class Stopped(Exception):
    """The job is to end before its work is done."""


class JobRun(threading.Thread):
    """One job in its own thread. A kind does the work; `report` hears each Step, in order, from this thread.

    stopping: the step of a job that is asked to stop. ends: how a job ends, by what `ending` says.
    ending: why it ends before its work is done; None where it does not. asked: set with it.
    facts: are told at the end, however it ends. tells_first: before what the job leaves is removed.
    """

    tells_first: ClassVar[bool] = False
    stopping: ClassVar[Step] = Step("Stopping")
    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("Completed"),
        STOPPED: Step("Stopped"),
        OVERTIME: Step("Stopped"),
        INTERRUPTED: failure(InternalServerError(INTERRUPTED)),
    }

    def __init__(self, name: str, report: Report) -> None:
        super().__init__(daemon=True, name=f"job {name}")
        self.job_name, self.report = name, report
        self.ending: str | None = None
        self.asked = threading.Event()
        self.facts: dict[str, Any] = {}
        self._lock = threading.RLock()

    @abstractmethod
    def work(self) -> None:
        """Do all that the job is for. JobError: why it fails. Stopped: it ends early, as asked."""

    @abstractmethod
    def halt(self, now: bool) -> None:
        """End what runs: now, or as soon as it can end in order. Called with the lock held."""

    def clean(self) -> None:
        """Remove what the job has on this machine."""

    def stop(self, why: str = STOPPED) -> None:
        """Ask the job to end in order."""
        with self._lock:
            if self.ending is None:
                self.ending = why
                self.asked.set()
                self.halt(now=False)

    def interrupt(self) -> None:
        """End the job at once: the local cloud itself ends."""
        with self._lock:
            self.ending = INTERRUPTED
            self.asked.set()
            self.halt(now=True)

    def go_on(self) -> None:
        """Stopped: the job is to end here."""
        if self.ending is not None:
            raise Stopped

    def begin(self, cluster: Cluster, task: Task) -> None:
        """Start the hosts, unless the job is to end."""
        with self._lock:
            self.go_on()
            cluster.start(task)

    def follow(self, cluster: Cluster, limits: Mapping[str, float]) -> None:
        """Return at the end of the hosts. limits: why the job ends -> after how many seconds."""
        cluster.wait(limits, self.on_due)
        if self.ending == INTERRUPTED:
            raise Stopped

    def on_due(self, why: str) -> None:
        """A limit has come."""
        self.stop(why)

    def end(self) -> Step | None:
        """How a job ends that does not fail; None: nothing is told of it."""
        return self.ends[self.ending]

    def run(self) -> None:
        end = self._live()
        if not self.tells_first:
            self._tidy()
        if end:
            self.report(replace(end, facts=self.facts | end.facts))
        if self.tells_first:
            self._tidy()

    def _tidy(self) -> None:
        try:
            self.clean()
        except Exception:  # what is left is removed at the next start
            logger.exception("what job %s left", self.job_name)

    def _live(self) -> Step | None:
        """All of the job's life; its end, not yet reported."""
        try:
            self.work()
        except Stopped:
            pass
        except Exception as error:
            if self.ending != INTERRUPTED:  # else what it needed was ended under it
                return self._explain(error)
        return self.end()

    def _explain(self, error: Exception) -> Step:
        if isinstance(error, JobError):
            return failure(error)
        logger.exception("job %s", self.job_name)
        return failure(InternalServerError(f"The local cloud failed: {error!r}"))


def await_ends(seconds: float) -> None:
    """Return when every job has told its end and all that hosts printed is in the logs, or after so long."""
    limit = time.monotonic() + seconds
    for thread in threading.enumerate():
        if isinstance(thread, JobRun | Reader):
            thread.join(max(0.0, limit - time.monotonic()))
