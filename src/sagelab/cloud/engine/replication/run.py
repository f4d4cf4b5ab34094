"""One replication task at work: a host that does it, another one where that ends before its time, and its end.

    starting -> running -> stopped, failed; stopping -> stopped

A task that runs when the local cloud ends goes on when that is there again.
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ErrorHandling.html
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import Message
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.jobs.run import INTERRUPTED, STOPPED, JobRun, Report, Step, Stopped
from sagelab.cloud.engine.replication.host import Errand, ReplicationHost
from sagelab.cloud.engine.sandbox.servers import Unreachable
from sagelab.cloud.errors import InternalServerError, JobError

logger = logging.getLogger("sagelab")

GRACE = 60.0  # seconds in which a task that is to stop puts what it has
CRASHES = 9  # of hosts, one after the other
_SUSPENDED = "Task '{}' was suspended after {} successive recovery failures"
_PHASES = {
    "slot": ("SOURCE_CAPTURE", "Changes are kept for the task from now on: {slot}"),
    "loading": ("TASK_MANAGER", "Start loading table '{schema}'.'{table}'"),
    "loaded": ("TASK_MANAGER", "Loading finished for table '{schema}'.'{table}'. {rows} records transferred"),
    "table error": ("TASK_MANAGER", "Table '{schema}'.'{table}' was errored/suspended: {reason}"),
    "loaded all": ("TASK_MANAGER", "All tables are loaded"),
    "settled": ("TARGET_APPLY", "Changes are put, up to position {position}"),
}


class Kept(Protocol):
    """What is kept of a task."""

    arn: str

    @property
    def context(self) -> EngineContext: ...

    @property
    def key(self) -> str: ...

    @property
    def role(self) -> str: ...

    def task(self) -> dict[str, Any]: ...

    def settings(self) -> dict[str, Any]: ...

    def log(self) -> tuple[str, str] | None: ...

    def errand(self, what: str = "run") -> Errand: ...

    def keep(self, asked: Message) -> Message: ...

    def complain(self, reason: str) -> None: ...

    def mark_for_reload(self, wanted: list[tuple[str, str]]) -> None: ...


class ReplicationRun(JobRun):
    """reload: tables that are to be loaded anew while it runs."""

    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("stopped", facts={"StopReason": "Stop Reason FULL_LOAD_ONLY_FINISHED"}),
        STOPPED: Step("stopped", facts={"StopReason": "Stop Reason NORMAL"}),
    }

    def __init__(self, arn: str, kept: Kept, report: Report) -> None:
        super().__init__(arn.rpartition(":")[2], report)
        self._kept = kept
        self._host: ReplicationHost | None = None
        self._fault: Step | None = None
        self._reloading: list[tuple[str, str]] = []
        self._log: Stream | None = None
        self._hosts = self._failures = self._crashes = 0

    def reload(self, wanted: list[tuple[str, str]]) -> None:
        with self._lock:
            self._reloading.extend(wanted)
            if self._host:
                self._host.stop()

    def work(self) -> None:
        kept = self._kept
        if place := kept.log():
            self._log = Stream(kept.context.client("logs"), *place)
        self._say("TASK_MANAGER", f"Task '{kept.task()['ReplicationTaskIdentifier']}' starting")
        while True:
            done, found = self._try()
            self.go_on()
            if done and found.get("finished"):
                return
            if done:
                self._reload()
            elif found.get("again"):
                self._rest(found)
            else:
                self._fail(str(found.get("reason") or "The replication failed"))

    def _try(self) -> tuple[bool, Message]:
        """One host's life, and what came of it."""
        self._hosts += 1
        host = ReplicationHost(
            f"{self._kept.key}-{self._hosts}", self._kept.context, self._answer, role=self._kept.role
        )
        with self._lock:
            self.go_on()
            self._host = host
            reloading = bool(self._reloading)
        if reloading:
            self._reload()
        try:
            return host.carry_out(self._kept.errand())
        except (Unreachable, BotoCoreError) as error:
            return False, {"reason": str(error), "again": True}
        except ClientError as error:
            return False, {"reason": error.response["Error"]["Message"]}
        except InternalServerError as error:
            self._crashes += 1
            return False, {"reason": str(error), "again": self._crashes <= CRASHES}
        except JobError as error:
            return False, {"reason": str(error)}
        finally:
            with self._lock:
                self._host = None

    def _answer(self, asked: Message) -> Message:
        """InternalServerError: the host asks for what nobody can keep."""
        try:
            found = self._kept.keep(asked)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InternalServerError(f"The replication has told nothing that could be: {error}") from None
        what = str(asked.get("what"))
        if what == "tables":
            self.report(Step("running"))
        if what in ("settled", "loaded"):
            self._failures = self._crashes = 0
        if what in _PHASES:
            component, words = _PHASES[what]
            self._say(component, words.format(**{**dict.fromkeys(_WORDS, ""), **asked}))
        return found

    def _reload(self) -> None:
        with self._lock:
            wanted, self._reloading = self._reloading, []
        self._kept.mark_for_reload(wanted)

    def _rest(self, found: Message) -> None:
        """Wait before another try, longer each time. Stopped: it is to end."""
        behavior, reason = self._kept.settings()["ErrorBehavior"], str(found.get("reason"))
        self._failures += 1
        most = behavior["RecoverableErrorCount"]
        if 0 <= most < self._failures:
            self._fail(f"{_SUSPENDED.format(self._title(), most)}: {reason}")
        pause = behavior["RecoverableErrorInterval"]
        if behavior["RecoverableErrorThrottling"]:
            pause = min(pause * 2 ** min(self._failures - 1, 20), behavior["RecoverableErrorThrottlingMax"])
        self._kept.complain(reason)
        self._say("TASK_MANAGER", f"Task error, tried again in {pause} seconds: {reason}", "W")
        self.asked.wait(pause / self._kept.context.clock.speed)
        self.go_on()

    def _title(self) -> str:
        return str(self._kept.task()["ReplicationTaskIdentifier"])

    def _fail(self, reason: str) -> None:
        """Stopped: it ends so."""
        self._say("TASK_MANAGER", reason, "E")
        words = f"Last Error {reason.rstrip('.')}; Stop Reason FATAL_ERROR Error Level FATAL"
        self._fault = Step(
            "failed",
            facts={
                "StopReason": "Stop Reason FATAL_ERROR Error Level FATAL",
                "LastFailureMessage": words[:2000],
            },
        )
        raise Stopped

    def end(self) -> Step | None:
        if self.ending == INTERRUPTED:
            return None  # it goes on when the local cloud is there again
        found = self._fault if self._fault and self.ending is None else self.ends[self.ending]
        self._say("TASK_MANAGER", f"Task is {found.status}. {found.facts['StopReason']}")
        return found

    def clean(self) -> None:
        if self._log:
            self._log.flush()

    def halt(self, now: bool) -> None:
        if host := self._host:
            if now:
                host.kill()
                return
            host.stop()
            timer = threading.Timer(GRACE, host.kill)
            timer.daemon = True
            timer.start()

    def _say(self, component: str, words: str, level: str = "I") -> None:
        if self._log:
            line = " ".join(words.split())
            self._log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S} [{component:<16}]{level}:  {line}")
            self._log.flush()


_WORDS = ("slot", "schema", "table", "rows", "reason", "position")


def drop(kept: Kept) -> None:
    """Remove what a task has left in its source; what cannot be removed is in the local cloud's log."""
    task = kept.task()
    if task["MigrationType"] == "full-load" and not task["Own"]["Slot"]:
        return
    host = ReplicationHost(f"{kept.key}-drop", kept.context, lambda _: {})
    reason = ""
    with suppress(KeyError):
        try:
            done, found = host.carry_out(kept.errand("drop"))
            reason = "" if done else str(found.get("reason"))
        except (Unreachable, JobError) as error:
            reason = str(error)
    if reason:
        name = f"awsdms_{kept.key}"
        logger.warning("the replication slot %s of %s may still be there: %s", name, kept.arn, reason)
