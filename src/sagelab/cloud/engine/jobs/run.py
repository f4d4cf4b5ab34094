"""What the life of every job has in common: it ends once, whatever happens, and can be stopped at any time."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.errors import InternalServerError, JobError

logger = logging.getLogger("sagelab")

INTERRUPTED = "The local cloud ended while the job was running; nothing of the job is left. Create it again."
Report = Callable[[str, dict[str, Any]], None]


class Stopped(Exception):
    """The job was asked to stop before its work was done."""


class Run(threading.Thread):
    """One job in its own thread. A subclass does the work; `report` hears of what it came to.

    report: called with a status and the facts that the job's Describe tells from now on, from this thread.
    facts: what is told besides at the end, however it ends.
    """

    def __init__(self, name: str, context: EngineContext, report: Report) -> None:
        super().__init__(daemon=True, name=f"job {name}")
        self.job_name, self.context, self.report = name, context, report
        self.facts: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._asked: str | None = None

    @abstractmethod
    def work(self) -> None:
        """Do all that the job is for. JobError: why it fails. Stopped: it ended early, as asked."""

    @abstractmethod
    def halt(self, now: bool) -> None:
        """End what runs: now, or as soon as it can end in order. Called with the lock held."""

    @abstractmethod
    def clean(self) -> None:
        """Remove what the job has on this machine."""

    @property
    def asked(self) -> bool:
        """Whether the job was asked to stop."""
        return self._asked is not None

    def stop(self) -> None:
        """Ask the job to end in order."""
        with self._lock:
            if self._asked is None:
                self._asked = "Stopped"
                self.halt(now=False)

    def interrupt(self) -> None:
        """End the job at once: the local cloud itself ends."""
        with self._lock:
            self._asked = "Failed"
            self.halt(now=True)

    def run(self) -> None:
        status, facts = self._live()
        self.clean()
        self.report(status, self.facts | facts)

    def stop_here(self) -> None:
        """Stopped: the job was asked to stop."""
        if self._asked is not None:
            raise Stopped

    def _live(self) -> tuple[str, dict[str, Any]]:
        """All of the job's life; its end, not yet reported."""
        try:
            self.work()
            status = self._asked or "Completed"
        except Stopped:
            status = self._asked or "Stopped"
        except JobError as error:
            if self._asked is None:
                return "Failed", {"FailureReason": str(error)}
            status = self._asked  # what ends early may end badly
        except Exception as error:
            logger.exception("job %s", self.job_name)
            reason = str(InternalServerError(f"The local cloud failed: {error!r}"))
            return "Failed", {"FailureReason": reason}
        interrupted = {"FailureReason": str(InternalServerError(INTERRUPTED))}
        return status, interrupted if status == "Failed" else {}
