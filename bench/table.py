"""The results of a run: each a number with its limit, printed as it comes and written into docs/performance.md."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
HEAD = "| measure | value | limit | met | seen |\n|---|---:|---:|---|---|"
GIB = 1 << 30


@dataclass(frozen=True)
class Result:
    """One measure.

    limit: what the value may be at most, or with `at_least` must be at least. unit: "x" for a ratio, "s", "MB",
    or "" for a count. seen: what the value was worked out from.
    """

    measure: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False
    seen: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The row's texts: measure, value, limit, whether it is met, what was seen."""
        bound = ("≥ " if self.at_least else "≤ ") + _text(self.limit, self.unit)
        return self.measure, _text(self.value, self.unit), bound, "yes" if self.met else "**no**", self.seen


def show(result: Result) -> None:
    """Print a result as a line of the table."""
    measure, value, limit, met, seen = result.cells
    print(f"{measure:60} {value:>10} {limit:>10}  {met.strip('*'):3}  {seen}", flush=True)


def write(block: str, results: Sequence[Result], load: float) -> None:
    """Replace the block `<!-- block -->` to `<!-- /block -->` of docs/performance.md. ValueError: no such one.

    load: the machine's load average of the five minutes before.
    """
    rows = "\n".join(f"| {' | '.join(result.cells)} |" for result in results)
    text = f"<!-- {block} -->\n{machine(load)}\n\n{HEAD}\n{rows}\n<!-- /{block} -->"
    whole, count = re.subn(
        rf"<!-- {block} -->.*<!-- /{block} -->", lambda _: text, DOCUMENT.read_text(), count=1, flags=re.DOTALL
    )
    if not count:
        raise ValueError(f"{DOCUMENT} has no block {block}")
    DOCUMENT.write_text(whole)


def machine(load: float) -> str:
    """What the numbers were measured on, and when, in a sentence."""
    cores, memory = len(os.sched_getaffinity(0)), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    tensorflow, moto = (importlib.metadata.version(name) for name in ("tensorflow", "moto"))
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {cores} cores of {_processor()} with {memory:.0f} GiB, "
        f"Linux, Python {platform.python_version()}, TensorFlow {tensorflow}, moto {moto}; "
        f"load average before the run {load:.1f}."
    )


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _text(value: float, unit: str) -> str:
    if not unit:
        return f"{value:.4g}"
    digits = 0 if unit == "MB" else 2
    return f"{value:.{digits}f} {unit.replace('x', '×')}"  # noqa: RUF001 - the sign of "times"
