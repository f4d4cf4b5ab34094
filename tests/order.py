"""Which tests run together, and which first: so that two or three workers end at nearly the same time.

A group stays on one worker: a file, for its tests share what they make; and all of the compiler's tests, for they
have TensorFlow in the worker itself, which imports it once. The longest group begins first, by the seconds that an
earlier run took (durations.json). `pytest --record-durations` writes that table anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TABLE = Path(__file__).with_name("durations.json")
SHORT = 0.3  # seconds; shorter tests are not in the table
USUAL = 0.02  # seconds that such a test takes
TOGETHER = "tests/neo/"


class Groups(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands a worker one group after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return find_group(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        """A worker begins a test when it knows the next one: it is given two at least."""
        if not self.workqueue:  # the workers before it were given all there is
            return
        super()._assign_work_unit(node)
        if self.workqueue and self._pending_of(self.assigned_work[node]) < 2:
            self._assign_work_unit(node)

    def remove_node(self, node: Any) -> str | None:
        """The test that a worker died of: it has failed and is not run again; what is left goes to others."""
        groups = self.assigned_work[node]
        left = {name: tests for name, tests in groups.items() if not all(tests.values())}
        running = [(tests, test) for tests in left.values() for test, done in tests.items() if not done]
        self.assigned_work[node] = left
        for tests, test in running[:1]:
            tests[test] = True
        super().remove_node(node)
        return running[0][1] if running else None


def find_group(nodeid: str) -> str:
    return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]


def read_table() -> dict[str, float]:
    """The seconds that tests took in an earlier run; none of those that take less than SHORT."""
    found: dict[str, float] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    return found


def arrange(items: list[pytest.Item]) -> None:
    """Put the groups in order, the longest first."""
    seconds = read_table()
    lengths: dict[str, float] = defaultdict(float)
    for item in items:
        lengths[find_group(item.nodeid)] += seconds.get(item.nodeid, USUAL)

    def place(item: pytest.Item) -> tuple[float, str]:
        group = find_group(item.nodeid)
        return -lengths[group], group

    items.sort(key=place)


class Durations:
    """Writes the table at the end of a run; tests that were not run keep their rows."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        rows = {test: seconds for test, seconds in read_table().items() if test not in self._seconds}
        rows |= {test: round(seconds, 1) for test, seconds in self._seconds.items() if seconds >= SHORT}
        TABLE.write_text(json.dumps(dict(sorted(rows.items())), indent=0, ensure_ascii=False) + "\n")
