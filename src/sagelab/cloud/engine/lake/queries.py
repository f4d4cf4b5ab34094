"""One query of Athena: it waits for its turn, runs in a host, and has come to an end.

https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import Message
from sagelab.cloud.engine.jobs.run import INTERRUPTED, OVERTIME, STOPPED, JobRun, Report, Step
from sagelab.cloud.engine.lake.host import Keys, LakeHost
from sagelab.cloud.errors import JobError

AT_ONCE = 4  # queries that run; AWS has 20 and more
SECONDS = 1800.0  # that one may run
TYPES = ("DDL", "DML", "UTILITY")
_WORDS = 1000


class Turns:
    """So many at a time; the others wait until one has ended, or they are asked to end."""

    def __init__(self, count: int = AT_ONCE) -> None:
        self._left, self._changed = count, threading.Condition()

    def take(self, asked: threading.Event) -> bool:
        """Whether it is one's turn; False: one is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0 or asked.is_set())
            if asked.is_set():
                return False
            self._left -= 1
            return True

    def give(self) -> None:
        with self._changed:
            self._left += 1
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class TurnRun(JobRun):
    """What waits for its turn, then runs in a host for SECONDS at the most."""

    def __init__(self, key: str, turns: Turns, host: LakeHost, report: Report) -> None:
        super().__init__(key, report)
        self._turns, self._host = turns, host
        self._fault: Step | None = None

    @abstractmethod
    def act(self) -> None:
        """What it does. JobError: it cannot."""

    @abstractmethod
    def failed(self, error: JobError) -> Step:
        """Its end where it cannot."""

    @property
    def room(self) -> dict[str, int]:
        """What the host is told of its room."""
        return {"memory": self._host.room.memory, "threads": self._host.room.threads}

    def work(self) -> None:
        if not self._turns.take(self.asked):
            return
        timer = threading.Timer(SECONDS, self.stop, [OVERTIME])
        timer.daemon = True
        try:
            self.go_on()
            self.report(self.stopping)
            timer.start()
            self.act()
        except JobError as error:
            self._fault = self.failed(error)
        finally:
            timer.cancel()
            self._turns.give()

    def halt(self, now: bool) -> None:  # noqa: ARG002 # it ends at once, or not at all
        self._turns.wake()
        self._host.kill()


class QueryRun(TurnRun):
    """asked: what the host is told (sagelab.lake.query.Request), but for its room. keys: of who asks.

    answer: what that one may see of a table.
    """

    tells_first = True
    stopping: ClassVar[Step] = Step("RUNNING")
    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("SUCCEEDED"),
        STOPPED: Step("CANCELLED", "Query cancelled by user"),
        OVERTIME: Step("FAILED", "Query timeout"),
        INTERRUPTED: Step("FAILED", "The local cloud ended while the query was running."),
    }

    def __init__(
        self,
        asked: dict[str, Any],
        context: EngineContext,
        keys: Keys,
        turns: Turns,
        report: Report,
        answer: Callable[[Any], Message] | None = None,
    ) -> None:
        super().__init__(asked["id"], turns, LakeHost(asked["id"], context, keys, self._hear, answer), report)
        self._asked = asked
        self._times = {"queued": time.monotonic()}
        self._scanned = 0

    def act(self) -> None:
        self._times["began"] = time.monotonic()
        self._take(*self._host.ask("query", self._asked | self.room))

    def clean(self) -> None:
        self._host.clear()

    def failed(self, error: JobError) -> Step:
        return Step("FAILED", str(error), {"AthenaError": _error(1, 233, str(error))})

    def end(self) -> Step:
        self.facts["Statistics"] = self._statistics()
        return self.ends[self.ending] if self.ending else self._fault or self.ends[None]

    def _hear(self, head: Message, _document: Any) -> None:
        if head["kind"] == "progress":
            self._scanned = _whole(head.get("scanned"))
        elif head["kind"] == "statement" and head.get("type") in TYPES:
            self.report(
                Step("RUNNING", facts={"StatementType": head["type"], "SubstatementType": _text(head.get("word"))})
            )

    def _take(self, done: bool, found: Message) -> None:
        if done:
            self._times["planning"] = min(3600.0, max(0.0, float(found.get("planning") or 0)))
            self.facts["Outcome"] = {
                "result": _text(found.get("result")),
                "manifest": _text(found.get("manifest")),
                "rows": _whole(found.get("rows")),
                "columns": [one for one in found.get("columns") or () if isinstance(one, dict)][:4096],
            }
            return
        reason = _text(found.get("reason")) or "The query failed."
        error = _error(_whole(found.get("category")) or 2, _whole(found.get("kind")), reason)
        if found.get("cutoff"):
            self._fault = Step("CANCELLED", f"Query cancelled! : {reason}", {"AthenaError": error})
        else:
            self._fault = Step("FAILED", reason, {"AthenaError": error})

    def _statistics(self) -> dict[str, Any]:
        """Milliseconds, and bytes."""
        now = time.monotonic()
        began = self._times.get("began", now)
        planning = int(self._times.get("planning", 0.0) * 1000)
        engine, queued = int((now - began) * 1000), int((began - self._times["queued"]) * 1000)
        found: dict[str, Any] = {
            "EngineExecutionTimeInMillis": engine,
            "DataScannedInBytes": self._scanned,
            "TotalExecutionTimeInMillis": engine + queued,
            "QueryQueueTimeInMillis": queued,
            "ServicePreProcessingTimeInMillis": 0,
            "QueryPlanningTimeInMillis": planning,
            "ServiceProcessingTimeInMillis": 0,
        }
        if manifest := self.facts.get("Outcome", {}).get("manifest"):
            found["DataManifestLocation"] = manifest
        return found


def _error(category: int, kind: int, words: str) -> dict[str, Any]:
    return {
        "ErrorCategory": min(3, category),
        "ErrorType": min(9999, kind),
        "Retryable": False,
        "ErrorMessage": words,
    }


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 62 else 0


def _text(value: Any) -> str:
    return value[:_WORDS] if isinstance(value, str) else ""
