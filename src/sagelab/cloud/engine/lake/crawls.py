"""One crawl of a crawler of Glue: in a host of its own, with the keys of the crawler's role, to an end.

https://docs.aws.amazon.com/glue/latest/dg/monitor-crawler-run.html
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, ClassVar

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.errands import Message
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.jobs.run import INTERRUPTED, OVERTIME, STOPPED, JobRun, Report, Step
from sagelab.cloud.engine.lake.host import Keys, LakeHost
from sagelab.cloud.errors import JobError

GROUP = "/aws-glue/crawlers"
SECONDS = 3600.0
COUNTS = tuple(f"{kind} {what}" for kind in ("ADD", "UPDATE", "DELETE") for what in ("TABLE", "PARTITION"))


class CrawlRun(JobRun):
    """crawler: as GetCrawler has it. crawl: its id. logs: a client with the rights of the crawler's role."""

    ends: ClassVar[dict[str | None, Step]] = {
        None: Step("COMPLETED"),
        STOPPED: Step("STOPPED", "The crawl was cancelled"),
        OVERTIME: Step("FAILED", "The crawl took too long."),
        INTERRUPTED: Step("FAILED", "The local cloud ended while the crawler was running."),
    }

    def __init__(
        self, crawler: dict[str, Any], crawl: str, context: EngineContext, keys: Keys, logs: Any, report: Report
    ) -> None:
        super().__init__(f"{crawler['Name']}-{crawl}", report)
        self._crawler, self._crawl, self._logs = crawler, crawl, logs
        self._host = LakeHost(crawl, context, keys, self._hear)
        self._fault: Step | None = None
        self._stream: Stream | None = None

    def work(self) -> None:
        self._stream = Stream(self._logs, GROUP, self._crawler["Name"])
        timer = threading.Timer(SECONDS, self.stop, [OVERTIME])
        timer.daemon = True
        timer.start()
        try:
            room = {"memory": self._host.room.memory, "threads": self._host.room.threads}
            done, found = self._host.work("crawl", self._crawler | room)
            if done:
                self.facts["Counts"] = {name: found[name] for name in COUNTS if isinstance(found.get(name), int)}
            else:
                self._fail(str(found.get("reason") or "The crawl failed.")[:1000])
        except JobError as error:
            self._fail(str(error))
        finally:
            timer.cancel()

    def _fail(self, reason: str) -> None:
        self._fault = Step("FAILED", reason)
        if not self.ending:
            self._say(f"ERROR : {reason}")

    def halt(self, now: bool) -> None:  # noqa: ARG002 # a query ends at once, or not at all
        self._host.kill()

    def end(self) -> Step:
        if self._stream:
            self._say("BENCHMARK : Crawler has finished running and is in state READY")
            self._stream.flush()
        self.facts["EndTime"] = datetime.now(UTC)
        return self.ends[self.ending] if self.ending else self._fault or self.ends[None]

    def _hear(self, head: Message, _document: Any) -> None:
        if head["kind"] == "line" and isinstance(head.get("text"), str):
            self._say(head["text"])

    def _say(self, line: str) -> None:
        if self._stream:
            self._stream.write(f"[{self._crawl}] {line}")
