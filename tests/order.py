"""Which tests run together, and which first: so that two or three workers end at nearly the same time.

A group stays on one worker: a file, or what a test's marker `xdist_group` names. The longest group begins first,
by the seconds that an earlier run took (durations.json). `pytest --record-durations` writes that table anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

TABLE = Path(__file__).with_name("durations.json")
SHORT = 0.5  # seconds; shorter tests are not in the table
USUAL = 0.02  # seconds that such a test takes


def name(nodeid: str) -> str:
    """The name of a test without the group that xdist puts behind it."""
    return nodeid.rpartition("@")[0] if nodeid.rfind("@") > nodeid.rfind("]") else nodeid


def arrange(items: list[pytest.Item]) -> None:
    """Give every test its group, and put the groups in order, the longest first."""
    seconds = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    lengths: dict[str, float] = defaultdict(float)
    groups: dict[str, str] = {}
    for item in items:
        marker = item.get_closest_marker("xdist_group")
        group = str(marker.args[0]) if marker else item.nodeid.partition("::")[0]
        if marker is None:
            item.add_marker(pytest.mark.xdist_group(group))
        groups[item.nodeid] = group
        lengths[group] += seconds.get(item.nodeid, USUAL)
    items.sort(key=lambda item: (-lengths[groups[item.nodeid]], groups[item.nodeid]))


class Durations:
    """Writes the table at the end of a run; files that were not run keep their rows."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[name(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        files = {test.partition("::")[0] for test in self._seconds}
        before = json.loads(TABLE.read_text()) if TABLE.exists() else {}
        rows = {test: seconds for test, seconds in before.items() if test.partition("::")[0] not in files}
        rows |= {test: round(seconds, 1) for test, seconds in self._seconds.items() if seconds >= SHORT}
        TABLE.write_text(json.dumps(dict(sorted(rows.items())), indent=0, ensure_ascii=False) + "\n")
