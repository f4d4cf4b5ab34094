"""FilterLogEvents: the lines of the streams that are asked for, in the order of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import LocalCloud


@pytest.fixture
def group(cloud: LocalCloud, unique: Callable[[str], str]) -> str:
    """A group with three streams, whose lines are of alternate seconds."""
    logs, name, now = cloud.client("logs"), unique("group"), int(time.time()) * 1000
    logs.create_log_group(logGroupName=name)
    for number, stream in enumerate(("job-1/algo-1", "job-1/algo-2", "job-11/algo-1")):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
        lines = [{"timestamp": now + 3 * n + number, "message": f"{stream} {n}"} for n in range(2)]
        logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=lines)
    return name


@pytest.mark.parametrize(
    ("asked", "streams"),
    [
        ({"logStreamNamePrefix": "job-1/"}, ["job-1/algo-1", "job-1/algo-2"]),
        ({"logStreamNamePrefix": "job-11"}, ["job-11/algo-1"]),
        ({"logStreamNamePrefix": "job-2"}, []),
        ({"logStreamNames": ["job-1/algo-2"]}, ["job-1/algo-2"]),
        ({}, ["job-1/algo-1", "job-1/algo-2", "job-11/algo-1"]),
    ],
)
def test_lines_of_the_streams_that_are_asked_for(
    cloud: LocalCloud, group: str, asked: dict[str, Any], streams: list[str]
) -> None:
    found = cloud.client("logs").filter_log_events(logGroupName=group, **asked)
    assert [event["message"] for event in found["events"]] == [f"{one} {n}" for n in range(2) for one in streams]
    assert [one["logStreamName"] for one in found["searchedLogStreams"]] == streams


def test_pages_of_a_prefix(cloud: LocalCloud, group: str) -> None:
    pages = cloud.client("logs").get_paginator("filter_log_events")
    asked = {"logGroupName": group, "logStreamNamePrefix": "job-1/", "PaginationConfig": {"PageSize": 3}}
    found = [len(page["events"]) for page in pages.paginate(**asked)]
    assert found == [3, 1]


def test_prefix_and_names_are_not_taken_together_nor_a_group_that_is_not_there(
    cloud: LocalCloud, group: str
) -> None:
    logs = cloud.client("logs")
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.filter_log_events(logGroupName=group, logStreamNamePrefix="job", logStreamNames=["job-1/algo-1"])
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.filter_log_events(logGroupName=f"{group}-none", logStreamNamePrefix="job")
