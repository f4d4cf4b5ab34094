"""What a build's host says of itself is taken for words, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagelab.cloud.engine.builds.run import _take


def taken(*lines: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        _take(found, line if isinstance(line, bytes) else json.dumps(line).encode())
    return found


def test_a_phase_begins_and_ends() -> None:
    line = {"phase": "BUILD", "status": "IN_PROGRESS", "time": 100.0}
    found = taken(line, line | {"status": "FAILED", "time": 103.2, "code": "X", "message": "y" * 9_000})
    phase = found["BUILD"]
    assert (phase["phaseStatus"], phase["durationInSeconds"]) == ("FAILED", 3)
    assert len(phase["contexts"][0]["message"]) == 2_000


def test_half_of_a_character_is_a_question_mark() -> None:
    line = rb'{"phase": "BUILD", "status": "FAILED", "time": 1, "code": "\ud800", "message": "a\udfffb"}'
    assert taken(line)["BUILD"]["contexts"] == [{"statusCode": "?", "message": "a?b"}]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        [],
        {"phase": "BUILD"},
        {"phase": "COMPLETED", "status": "SUCCEEDED", "time": 1},
        {"phase": ["BUILD"], "status": "SUCCEEDED", "time": 1},
        {"phase": "BUILD", "status": "SUCCEEDED", "time": 1e300},
        {"phase": "BUILD", "status": "SUCCEEDED", "time": "nan"},
        {"phase": "BUILD", "status": "SUCCEEDED", "time": None},
    ],
)
def test_what_is_no_line_about_a_phase_is_left_out(line: Any) -> None:
    assert taken(line) == {}
