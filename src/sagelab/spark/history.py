"""An application by its event log: python3 -m sagelab.spark.history < LOG, a process that ends with it.

A log is written by whoever runs the application. So it is read as a stranger's: so many bytes, lines and seconds,
no line that is longer than one of Spark's, each value by its type, and what is told of it is bounded too.

https://spark.apache.org/docs/latest/monitoring.html#viewing-after-the-fact
"""

from __future__ import annotations

import heapq
import json
import re
import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import IO, Any

BYTES, LINE, LINES = 256 << 20, 4 << 20, 3_000_000  # of a log as it is read, of one event; events
SECONDS, MEMORY = 20.0, 1 << 30  # of a processor; bytes
MOST = {"jobs": 2000, "stages": 4000, "executors": 500, "queries": 200, "going": 10_000}
WRONG, RIGHT = 1000, 3000  # tasks that are drawn: failed and killed ones, then the longest of the others
NAME, REASON, PLAN, PLANS = 300, 2000, 20_000, 1 << 20  # characters
CHUNK = 1 << 16
EVENT = re.compile(
    rb'\s*\{\s*"Event"\s*:\s*"(?:org\.apache\.spark\.sql\.execution\.ui\.)?SparkListener(\w{1,60})"'
)

Document = dict[str, Any]


def mapping(value: Any) -> Document:
    return value if isinstance(value, dict) else {}


def whole(value: Any) -> int:
    """0 where it is no number that a log can have."""
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return value if fine else 0


def text(value: Any, most: int = NAME) -> str:
    return value[:most] if isinstance(value, str) else ""


@dataclass
class Work:
    """What tasks did. Times in ms, sizes in bytes; the other numbers are rows."""

    done: int = 0
    failed: int = 0
    killed: int = 0
    retried: int = 0
    time: int = 0
    gc: int = 0
    spilled: int = 0
    read: int = 0
    read_rows: int = 0
    written: int = 0
    written_rows: int = 0
    shuffle_read: int = 0
    shuffle_read_rows: int = 0
    shuffle_written: int = 0
    shuffle_written_rows: int = 0

    def add(self, state: str, again: bool, metrics: Document) -> None:
        """One task that has ended. state: done, failed or killed."""
        setattr(self, state, getattr(self, state) + 1)
        self.retried += again
        came, went = mapping(metrics.get("Input Metrics")), mapping(metrics.get("Output Metrics"))
        taken = mapping(metrics.get("Shuffle Read Metrics"))
        given = mapping(metrics.get("Shuffle Write Metrics"))
        self.time += whole(metrics.get("Executor Run Time"))
        self.gc += whole(metrics.get("JVM GC Time"))
        self.spilled += whole(metrics.get("Disk Bytes Spilled"))
        self.read += whole(came.get("Bytes Read"))
        self.read_rows += whole(came.get("Records Read"))
        self.written += whole(went.get("Bytes Written"))
        self.written_rows += whole(went.get("Records Written"))
        self.shuffle_read += whole(taken.get("Remote Bytes Read")) + whole(taken.get("Local Bytes Read"))
        self.shuffle_read_rows += whole(taken.get("Total Records Read"))
        self.shuffle_written += whole(given.get("Shuffle Bytes Written"))
        self.shuffle_written_rows += whole(given.get("Shuffle Records Written"))


@dataclass
class History:
    """What the events so far say. `TAKEN` names what takes each; `told` at any time."""

    application: Document = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    jobs: dict[int, Document] = field(default_factory=dict)
    stages: dict[tuple[int, int], Document] = field(default_factory=dict)
    executors: dict[str, Document] = field(default_factory=dict)
    queries: dict[int, Document] = field(default_factory=dict)
    going: dict[int, list[Any]] = field(default_factory=dict)
    wrong: list[list[Any]] = field(default_factory=list)
    right: list[tuple[int, int, list[Any]]] = field(default_factory=list)
    latest: int = 0  # ms since the epoch
    plans: int = 0

    def on_log_start(self, event: Document) -> None:
        self.application["version"] = text(event.get("Spark Version"))

    def on_application_start(self, event: Document) -> None:
        self.application |= {
            "id": text(event.get("App ID")),
            "name": text(event.get("App Name")),
            "user": text(event.get("User")),
            "started": self._at(event.get("Timestamp")),
        }

    def on_application_end(self, event: Document) -> None:
        code = event.get("ExitCode")
        self.application |= {"ended": self._at(event.get("Timestamp"))}
        self.application |= {"code": code} if isinstance(code, int) and abs(code) < 1 << 31 else {}

    def on_executor_added(self, event: Document) -> None:
        info = mapping(event.get("Executor Info"))
        found = self._executor(text(event.get("Executor ID")))
        if found is not None:
            found |= {
                "host": text(info.get("Host")),
                "cores": whole(info.get("Total Cores")),
                "added": self._at(event.get("Timestamp")),
            }

    def on_executor_removed(self, event: Document) -> None:
        found = self._executor(text(event.get("Executor ID")))
        if found is not None:
            reason = text(event.get("Removed Reason"), REASON)
            found |= {"removed": self._at(event.get("Timestamp")), "reason": reason}

    def on_job_start(self, event: Document) -> None:
        key, properties = whole(event.get("Job ID")), mapping(event.get("Properties"))
        if len(self.jobs) >= MOST["jobs"]:
            return
        stages, infos = event.get("Stage IDs"), event.get("Stage Infos")
        last = mapping(infos[-1]) if isinstance(infos, list) and infos else {}
        name = text(properties.get("spark.job.description")) or text(last.get("Stage Name"))
        query = str(properties.get("spark.sql.execution.id", ""))
        self.jobs[key] = {
            "id": key,
            "name": name,
            "started": self._at(event.get("Submission Time")),
            "stages": [whole(one) for one in stages[:200]] if isinstance(stages, list) else [],
            "query": int(query) if query.isdecimal() and len(query) < 10 else None,
        }

    def on_job_end(self, event: Document) -> None:
        if job := self.jobs.get(whole(event.get("Job ID"))):
            result = mapping(event.get("Job Result"))
            good = result.get("Result") == "JobSucceeded"
            reason = text(mapping(result.get("Exception")).get("Message"), REASON)
            job |= {"ended": self._at(event.get("Completion Time")), "state": "done" if good else "failed"}
            job |= {} if good else {"reason": reason}

    def on_stage_submitted(self, event: Document) -> None:
        self._stage(mapping(event.get("Stage Info")))

    def on_stage_completed(self, event: Document) -> None:
        info = mapping(event.get("Stage Info"))
        if (stage := self._stage(info)) is not None:
            reason = text(info.get("Failure Reason"), REASON)
            stage |= {"ended": self._at(info.get("Completion Time")), "state": "failed" if reason else "done"}
            stage |= {"reason": reason} if reason else {}

    def on_task_start(self, event: Document) -> None:
        bar = self._bar(event)
        if len(self.going) < MOST["going"]:
            self.going[whole(mapping(event.get("Task Info")).get("Task ID"))] = bar

    def on_task_end(self, event: Document) -> None:
        info, why = mapping(event.get("Task Info")), mapping(event.get("Task End Reason"))
        self.going.pop(whole(info.get("Task ID")), None)
        reason = text(why.get("Reason"))
        state = "done" if reason == "Success" else "killed" if reason == "TaskKilled" else "failed"
        bar = self._bar(event)
        bar[2], bar[3] = max(bar[1], self._at(info.get("Finish Time"))), state
        words = why.get("Kill Reason") or why.get("Loss Reason") or why.get("Description")
        self._draw(bar, f"{reason}: {text(words, NAME)}" if text(words) else reason)
        again, metrics = whole(info.get("Attempt")) > 0, mapping(event.get("Task Metrics"))
        stage = self.stages.get((bar[4], whole(event.get("Stage Attempt ID"))))
        executor = self.executors.get(bar[0])
        for work in (self.work, *(one["work"] for one in (stage, executor) if one)):
            work.add(state, again, metrics)

    def on_sql_execution_start(self, event: Document) -> None:
        key = whole(event.get("executionId"))
        if len(self.queries) < MOST["queries"]:
            self.queries[key] = {
                "id": key,
                "name": text(event.get("description")),
                "started": self._at(event.get("time")),
            }
            self._plan(key, event)

    def on_sql_adaptive_execution_update(self, event: Document) -> None:
        self._plan(whole(event.get("executionId")), event)

    def on_sql_execution_end(self, event: Document) -> None:
        if query := self.queries.get(whole(event.get("executionId"))):
            reason = text(event.get("errorMessage"), REASON)
            query |= {"ended": self._at(event.get("time")), "state": "failed" if reason else "done"}
            query |= {"reason": reason} if reason else {}

    def _at(self, value: Any) -> int:
        """A time, ms since the epoch; the latest one is how far the log has come."""
        found = min(whole(value), 1 << 43)
        self.latest = max(self.latest, found)
        return found

    def _executor(self, key: str) -> Document | None:
        if key not in self.executors and len(self.executors) >= MOST["executors"]:
            return None
        return self.executors.setdefault(key, {"id": key, "host": "", "cores": 0, "added": 0, "work": Work()})

    def _stage(self, info: Document) -> Document | None:
        key = (whole(info.get("Stage ID")), whole(info.get("Stage Attempt ID")))
        if key not in self.stages:
            if len(self.stages) >= MOST["stages"]:
                return None
            self.stages[key] = {"id": key[0], "attempt": key[1], "state": "running", "work": Work()}
        stage = self.stages[key]
        stage |= {"name": text(info.get("Stage Name")), "tasks": whole(info.get("Number of Tasks"))}
        if began := self._at(info.get("Submission Time")):
            stage["started"] = began
        return stage

    def _bar(self, event: Document) -> list[Any]:
        """executor, from, until, state, stage, task, attempt, words."""
        info = mapping(event.get("Task Info"))
        stage, began = whole(event.get("Stage ID")), self._at(info.get("Launch Time"))
        numbers = (whole(info.get("Index")), whole(info.get("Attempt")))
        return [text(info.get("Executor ID")), began, None, "running", stage, *numbers, ""]

    def _draw(self, bar: list[Any], reason: str) -> None:
        if bar[3] != "done":
            bar[7] = reason
            if len(self.wrong) < WRONG:
                self.wrong.append(bar)
            return
        entry = (bar[2] - bar[1], self.work.done, bar)
        if len(self.right) < RIGHT:
            heapq.heappush(self.right, entry)
        else:
            heapq.heappushpop(self.right, entry)

    def _plan(self, key: int, event: Document) -> None:
        plan, query = text(event.get("physicalPlanDescription"), PLAN), self.queries.get(key)
        if query and plan and self.plans < PLANS:
            self.plans += len(plan)
            query["plan"] = plan

    def told(self) -> Document:
        """All of it as JSON has it."""
        bars = [*self.wrong, *(bar for _, _, bar in self.right), *list(self.going.values())[:RIGHT]]
        work = self.work
        return {
            "application": self.application,
            "latest": self.latest,
            "work": asdict(work),
            "jobs": list(self.jobs.values()),
            "stages": [_plain(one) for one in self.stages.values()],
            "executors": [_plain(one) for one in self.executors.values()],
            "queries": list(self.queries.values()),
            "bars": sorted(bars, key=lambda bar: (bar[1], bar[0], bar[5])),
            "tasks": work.done + work.failed + work.killed + len(self.going),
        }


def _plain(one: Document) -> Document:
    return one | {"work": asdict(one["work"])}


TAKEN: dict[str, Callable[[History, Document], None]] = {
    "LogStart": History.on_log_start,
    "ApplicationStart": History.on_application_start,
    "ApplicationEnd": History.on_application_end,
    "ExecutorAdded": History.on_executor_added,
    "ExecutorRemoved": History.on_executor_removed,
    "JobStart": History.on_job_start,
    "JobEnd": History.on_job_end,
    "StageSubmitted": History.on_stage_submitted,
    "StageCompleted": History.on_stage_completed,
    "TaskStart": History.on_task_start,
    "TaskEnd": History.on_task_end,
    "SQLExecutionStart": History.on_sql_execution_start,
    "SQLAdaptiveExecutionUpdate": History.on_sql_adaptive_execution_update,
    "SQLExecutionEnd": History.on_sql_execution_end,
}


def read(stream: IO[bytes]) -> Document:
    """What a log tells, and of its lines: how many, how many were none of Spark's, whether it was cut."""
    history, counts = History(), {"lines": 0, "strange": 0, "cut": 0}
    until = time.process_time() + SECONDS
    for line in lines(stream):
        counts["lines"] += 1
        if line is None or not (found := EVENT.match(line)):
            counts["strange"] += 1
        elif take := TAKEN.get(found[1].decode()):
            try:
                take(history, mapping(json.loads(line)))
            except (ValueError, RecursionError):
                counts["strange"] += 1
        if counts["lines"] >= LINES or time.process_time() > until:
            counts["cut"] = 1
            break
    return history.told() | {"log": counts}


def lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Each line; None for one that is too long. Those behind BYTES are left."""
    rest, skipping = b"", False
    for part in unpacked(stream):
        *found, rest = (rest + part).split(b"\n")
        for line in found:
            if not skipping and line.strip():
                yield line if len(line) <= LINE else None
            skipping = False
        if len(rest) > LINE:
            if not skipping:
                yield None
            rest, skipping = b"", True
    if rest.strip() and not skipping:
        yield rest


def unpacked(stream: IO[bytes]) -> Iterator[bytes]:
    """A file as it is, or what one of gzip holds: BYTES at the most."""
    first, left = stream.read(CHUNK), BYTES
    packed = first.startswith(b"\x1f\x8b")
    opened = zlib.decompressobj(31)
    while first and left > 0:
        if not packed:
            part, first = first, b""
        else:
            try:
                part, first = opened.decompress(first, CHUNK), opened.unconsumed_tail
            except zlib.error:
                return
            if opened.eof:  # another member may follow
                first, opened = opened.unused_data, zlib.decompressobj(31)
        yield part
        left -= len(part)
        first = first or stream.read(CHUNK)


def main() -> None:
    """One log, within bounds that the machine sets too."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS) + 5, int(SECONDS) + 5))
    json.dump(read(sys.stdin.buffer), sys.stdout)


if __name__ == "__main__":
    main()
