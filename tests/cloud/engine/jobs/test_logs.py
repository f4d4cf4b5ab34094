"""The reading of a host's log: what goes wrong on the way never ends the host that prints."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.cloud.engine.emr_serverless.hosts import Sorted, Wanted
from sagelab.cloud.engine.glue.hosts import Parted
from sagelab.cloud.engine.jobs.logs import Reader, Stream
from tests.conftest import LocalCloud


def fail(*_arguments: object, **_options: object) -> None:
    raise RuntimeError("it goes wrong")


def print_through(stream: Stream, after: Callable[[], None], data: bytes, least: int = 0) -> None:
    """Print into a pipe that a Reader reads, to its end. least: number of its descriptor."""
    first, writing = os.pipe()
    reading = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, least)
    os.close(first)
    reader = Reader(reading, stream, after)
    reader.start()
    with os.fdopen(writing, "wb") as out:
        out.write(data)
    reader.join()


def test_a_log_is_read_to_its_end_whatever_fails_beside_it(
    cloud: LocalCloud, unique: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    logs, group = cloud.client("logs"), unique("group")
    data = b"".join(b"line %d\n" % number for number in range(20_000))
    print_through(Stream(logs, group, "one", fail), fail, data)
    events = logs.get_log_events(logGroupName=group, logStreamName="one", startFromHead=True, limit=10)["events"]
    assert [event["message"] for event in events] == [f"line {number}" for number in range(10)]
    assert "it goes wrong" in caplog.text


def test_a_log_whose_lines_cannot_be_sent_is_read_to_its_end(
    cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    gone = cloud.session.client("logs", endpoint_url=cloud.url)
    stream = Stream(gone, unique("group"), "one")
    gone.close()
    gone.meta.events.register("before-send", fail)
    print_through(stream, lambda: None, b"line\n" * 20_000)
    assert stream.tail[-1] == "line"


def test_a_log_is_read_where_the_process_has_thousands_of_files_open(
    cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    held, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    stream = Stream(cloud.client("logs"), unique("group"), "one")
    print_through(stream, lambda: None, b"line\n", least=min(5000, most - 100))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held, most))
    assert list(stream.tail) == ["line"]


class Sink:
    """CloudWatch Logs that keeps what is put, by stream."""

    exceptions = SimpleNamespace(ResourceAlreadyExistsException=FileExistsError)

    def __init__(self) -> None:
        self.kept = dict[str, list[str]]()

    def create_log_stream(self, **_: object) -> None:
        pass

    def put_log_events(self, **asked: Any) -> None:
        name = f"{asked['logGroupName']} {asked['logStreamName']}"
        self.kept.setdefault(name, []).extend(one["message"] for one in asked["logEvents"])


def test_a_marked_line_is_told_from_half_a_line_that_was_said_before_it() -> None:
    sink = Sink()
    parted = Parted(sink, "run", Stream(sink, "/out", "run"))
    print_through(parted, lambda: None, b"plain\nhalf\x01printed\n\x01whole\n\n")
    assert sink.kept == {"/aws-glue/jobs/error run": ["plain", "half"], "/out run": ["printed", "whole"]}


def test_a_mark_says_whose_line_it_is_wherever_it_stands() -> None:
    sink, own = Sink(), "SPARK_DRIVER/stderr"
    wanted = Wanted("/g", "", {"SPARK_DRIVER": ["STDOUT", "STDERR"]}, "")
    marked = b"half\x01SPARK_DRIVER/stdout\x01printed\nplain\n"
    print_through(Sorted(sink, wanted, own), lambda: None, marked)
    assert sink.kept == {f"/g {own}": ["half", "plain"], "/g SPARK_DRIVER/stdout": ["printed"]}
