"""docs/conformance.md and what the tests ran: each test's calls must be on the page, and nothing else of its kind.

`python tools/conformance.py` runs the tests with SAGELAB_CONFORMANCE naming a file: they write down what they ran
instead of comparing it, and the tool makes the page of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
ROW = re.compile(r"^\| `(?P<source>.+)` \| (?P<operation>\w[\w-]*\.\w+) \| (?P<answer>.+) \|$", re.MULTILINE)
# An SDK asks whether something is there (yet), and goes on where it is not: when and how often depends on time.
ASKS = {"HeadBucket", "CreateBucket", "DescribeModel", "DescribeEndpoint", "DescribeEndpointConfig"}
ASKS |= {"DescribeMonitoringSchedule", "DescribeLogStreams", "GetLogEvents", "FilterLogEvents"}

Row = tuple[str, str, str]


def note(source: str, calls: Iterable[dict[str, Any]]) -> None:
    """Compare what a source called with the page, or write it down. source: a script's name, or a command."""
    rows = rows_of(source, calls)
    file = os.environ.get("SAGELAB_CONFORMANCE")
    if file:
        with Path(file).open("a") as out:
            out.writelines(json.dumps(row) + "\n" for row in sorted(rows))
        return
    known = {row for row in page_rows() if row[0] == source}
    assert rows == known, f"docs/conformance.md is not current ({source}): run python tools/conformance.py"


def rows_of(source: str, calls: Iterable[dict[str, Any]]) -> set[Row]:
    """(source, operation, answer) of each operation called: "ok", or the code of its error where it never was."""
    answers: dict[str, set[str]] = {}
    asks = set() if source.startswith("aws ") else ASKS  # a command asks nothing that it was not told to
    for call in calls:
        if call["operation"] not in asks:
            operation = f"{call['service']}.{call['operation']}"
            answers.setdefault(operation, set()).add(call["error"] or "ok")
    return {
        (source, operation, "ok" if "ok" in found else ", ".join(sorted(found)))
        for operation, found in answers.items()
    }


def page_rows() -> set[Row]:
    text = PAGE.read_text() if PAGE.exists() else ""
    return {(row["source"], row["operation"], row["answer"]) for row in ROW.finditer(text)}
