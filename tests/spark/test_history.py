"""Event logs: what a recorded one tells, and what those of strangers cost."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagelab.spark import history

RECORDED = Path(__file__).parents[1] / "data" / "spark-event-log.jsonl"
ADDED = {"Event": "SparkListenerExecutorAdded", "Timestamp": 1, "Executor ID": "1", "Executor Info": {"Host": "h"}}
START = {"Event": "SparkListenerApplicationStart", "App Name": "a", "App ID": "app-1", "Timestamp": 1000}


def read(*events: Any) -> dict[str, Any]:
    """events: documents, or lines as they are."""
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in events]
    return history.read(io.BytesIO(b"\n".join(lines)))


def task(number: int, reason: Any = "Success", attempt: int = 0, metrics: Any = None) -> dict[str, Any]:
    info = {"Task ID": number, "Index": number, "Attempt": attempt, "Executor ID": "1"}
    return {
        "Event": "SparkListenerTaskEnd",
        "Stage ID": 0,
        "Stage Attempt ID": 0,
        "Task End Reason": reason if isinstance(reason, dict) else {"Reason": reason},
        "Task Info": info | {"Launch Time": 2000 + number, "Finish Time": 3000 + 2 * number},
        "Task Metrics": metrics or {},
    }


def test_recorded_application_tells_of_its_lost_executor_and_of_what_was_done_again() -> None:
    with RECORDED.open("rb") as file:
        told = history.read(file)
    assert told["log"]["strange"] == told["log"]["cut"] == 0
    assert told["application"]["version"].startswith("4.")
    assert told["application"]["ended"] > told["application"]["started"]
    (lost,) = [one for one in told["executors"] if one.get("removed") and one["work"]["failed"]]
    assert lost["reason"]
    assert told["work"]["failed"] == lost["work"]["failed"] > 0
    assert told["work"]["retried"] >= told["work"]["failed"]
    assert told["work"]["done"] == sum(one["work"]["done"] for one in told["stages"])
    assert {one["state"] for one in told["jobs"]} == {"done"}
    assert told["work"]["shuffle_written"] > 0
    assert 0 < told["work"]["shuffle_written_rows"] <= told["work"]["shuffle_read_rows"]
    assert any("HashAggregate" in one["plan"] for one in told["queries"])
    assert len(told["bars"]) == told["tasks"]


def test_a_log_of_gzip_in_several_members_is_read_as_one() -> None:
    content = RECORDED.read_bytes()
    half = content.index(b"\n", len(content) // 2) + 1
    packed = gzip.compress(content[:half]) + gzip.compress(content[half:])
    assert history.read(io.BytesIO(packed)) == history.read(io.BytesIO(content))
    assert history.read(io.BytesIO(packed[: len(packed) // 3]))["log"]["lines"] > 0


def test_a_task_is_killed_failed_or_running() -> None:
    stage = {"Stage ID": 0, "Stage Attempt ID": 0, "Stage Name": "s", "Number of Tasks": 4, "Submission Time": 1}
    begun = task(3) | {"Event": "SparkListenerTaskStart"}
    told = read(
        START,
        ADDED,
        {"Event": "SparkListenerStageSubmitted", "Stage Info": stage},
        task(0, metrics={"JVM GC Time": 7, "Input Metrics": {"Bytes Read": 10, "Records Read": 2}}),
        task(1, {"Reason": "TaskKilled", "Kill Reason": "another attempt succeeded"}),
        task(2, {"Reason": "ExecutorLostFailure", "Loss Reason": "worker lost"}, attempt=1),
        begun,
    )
    assert [(bar[3], bar[7]) for bar in told["bars"]] == [
        ("done", ""),
        ("killed", "TaskKilled: another attempt succeeded"),
        ("failed", "ExecutorLostFailure: worker lost"),
        ("running", ""),
    ]
    work = told["stages"][0]["work"]
    assert (work["done"], work["failed"], work["killed"], work["retried"]) == (1, 1, 1, 1)
    assert (work["gc"], work["read"], work["read_rows"]) == (7, 10, 2)
    assert told["executors"][0]["work"] == told["work"] == work


HOSTILE = [
    b'{"Event":"SparkListenerJobStart","Job ID":' + b"[" * 200_000,
    b'{"Event":"SparkListenerJobStart","Job ID":' + b"9" * 100_000 + b"}",
    b'{"Event":"SparkListenerNoSuchThing"}',
    b'{"Event":"SparkListener__init__"}',
    b"\xff\xfe\x00",
    b"null",
    {"Event": "SparkListenerApplicationStart", "App Name": ["a"], "App ID": {}, "Timestamp": "soon"},
    {"Event": "SparkListenerExecutorAdded", "Timestamp": -1, "Executor ID": None, "Executor Info": 7},
    {"Event": "SparkListenerExecutorRemoved", "Timestamp": 1e300, "Executor ID": {"a": 1}},
    {"Event": "SparkListenerJobStart", "Job ID": True, "Stage IDs": "all", "Properties": []},
    {"Event": "SparkListenerJobEnd", "Job ID": 0, "Job Result": "good"},
    {"Event": "SparkListenerStageCompleted", "Stage Info": [1]},
    {"Event": "SparkListenerTaskEnd", "Stage ID": [], "Task Info": None, "Task Metrics": {"Input Metrics": 1}},
    {"Event": "SparkListenerSQLExecutionEnd", "executionId": "\ud800", "errorMessage": 1},
    {"Event": "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart", "physicalPlanDescription": 3},
]


def test_nothing_that_a_stranger_writes_breaks_the_reader() -> None:
    told = read(*HOSTILE, START)
    assert told["application"]["id"] == "app-1"
    assert told["log"]["lines"] == len(HOSTILE) + 1
    json.dumps(told)


def test_a_line_that_is_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LINE", 1 << 17)
    told = read(b'{"Event":"SparkListenerJobStart","x":"' + b"x" * (1 << 18) + b'"}', START, b"y" * (1 << 18))
    assert told["application"]["id"] == "app-1"
    assert told["log"] == {"lines": 3, "strange": 2, "cut": 0}


def test_what_is_packed_a_thousand_times_is_read_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BYTES", 1 << 20)
    told = history.read(io.BytesIO(gzip.compress(b"\n" * (1 << 24))))
    assert told["log"]["lines"] == 0
    parts = history.unpacked(io.BytesIO(gzip.compress(b"x" * (1 << 24))))
    assert sum(map(len, parts)) <= (1 << 20) + history.CHUNK


def test_many_tasks_jobs_and_texts_are_told_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "RIGHT", 100)
    monkeypatch.setattr(history, "WRONG", 10)
    monkeypatch.setattr(history, "MOST", {"jobs": 5, "stages": 5, "executors": 5, "queries": 5, "going": 5})
    jobs = [
        {"Event": "SparkListenerJobStart", "Job ID": number, "Stage IDs": list(range(500))} for number in range(50)
    ]
    long = {"Event": "SparkListenerExecutorRemoved", "Executor ID": "1", "Removed Reason": "<script>" * 10_000}
    told = read(ADDED, long, *jobs, *map(task, range(2000)), *(task(number, "x") for number in range(100)))
    assert (told["work"]["done"], told["work"]["failed"], told["tasks"]) == (2000, 100, 2100)
    assert len(told["bars"]) == 110
    assert min(bar[5] for bar in told["bars"] if bar[3] == "done") == 1900, "the longest are kept"
    assert len(told["jobs"]) == 5
    assert all(len(one["stages"]) == 200 for one in told["jobs"])
    assert len(told["executors"][0]["reason"]) == history.REASON


def test_it_stops_in_time_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LINES", 10)
    told = read(START, *map(task, range(100)))
    assert told["log"] == {"lines": 10, "strange": 0, "cut": 1}
    assert told["work"]["done"] == 9


def test_as_a_process_it_has_its_own_bounds() -> None:
    command = [sys.executable, "-I", "-m", "sagelab.spark.history"]
    with RECORDED.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, env={}, check=True)
        file.seek(0)
        assert json.loads(done.stdout) == json.loads(json.dumps(history.read(file)))
