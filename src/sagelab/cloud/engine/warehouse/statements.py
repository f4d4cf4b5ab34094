"""One statement of Redshift's Data API, or a batch: it waits until its database is free, and runs in a host.

https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_DescribeStatement.html
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import Message
from sagelab.cloud.engine.jobs.run import INTERRUPTED, OVERTIME, STOPPED, Report, Step
from sagelab.cloud.engine.lake.host import LakeHost
from sagelab.cloud.engine.lake.queries import SECONDS, TurnRun, Turns
from sagelab.cloud.errors import JobError

NOBODY = ("none", "none", None)  # S3 and the catalogue are reached with roles of the warehouse's alone
FOLDER = "/warehouse"  # in the host: that of the database


class StatementRun(TurnRun):
    """asked: what the host is told (sagelab.lake.warehouse.Asked), but for its room. folder: of the database.

    turns: of the database, which one process has at a time. answer: what the host asks. keep: rows of a statement,
    by its number.
    """

    stopping: ClassVar[Step] = Step("STARTED")
    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("FINISHED"),
        STOPPED: Step("ABORTED"),
        OVERTIME: Step("ABORTED", "ERROR: Query timeout"),
        INTERRUPTED: Step("FAILED", "ERROR: The local cloud ended while the statement was running."),
    }

    def __init__(
        self,
        key: str,
        asked: dict[str, Any],
        context: EngineContext,
        folder: Path,
        turns: Turns,
        answer: Callable[[Any], Message],
        keep: Callable[[int, list[Any]], None],
        report: Report,
    ) -> None:
        host = LakeHost(key, context, NOBODY, self._hear, answer, {FOLDER: str(folder)})
        super().__init__(key, turns, host, report)
        self._asked, self._keep = asked, keep
        self._told: dict[int, Message] = {}

    def act(self) -> None:
        done, found = self._host.work("warehouse", self._asked | self.room)
        if not done:
            self._fault = Step("FAILED", str(found.get("reason") or "ERROR: The statement failed.")[:1000])

    def failed(self, error: JobError) -> Step:
        return Step("FAILED", f"ERROR: {error}")

    def end(self) -> Step:
        self.facts["Statements"] = self._told
        return self.ends[self.ending] if self.ending else self._fault or self.ends[None]

    def _hear(self, head: Message, document: Any) -> None:
        number = head.get("number")
        if not isinstance(number, int) or not 0 <= number < len(self._asked["statements"]):
            return
        if head["kind"] == "rows" and isinstance(document, list):
            self._keep(number, document)
        elif head["kind"] == "ended" and isinstance(document, dict):
            self._told[number] = _read(document)


def _read(told: Message) -> Message:
    """What a host tells of a statement that has ended: numbers and words."""
    found: Message = {
        name: max(-1, int(told[name])) for name in ("rows", "size") if isinstance(told.get(name), int)
    }
    if isinstance(told.get("seconds"), float):
        found["seconds"] = min(SECONDS, max(0.0, told["seconds"]))
    if isinstance(told.get("error"), str):
        found["error"] = told["error"][:1000]
    if isinstance(columns := told.get("columns"), list):
        found["columns"] = [one for one in columns if isinstance(one, dict)][:1600]
    return found
