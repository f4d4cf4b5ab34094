"""Whether a lab ends as it says: lab 3's notebook, down to its test, with other seeds than its own."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from place import new_home
from table import Result

from sagelab.cloud import control
from sagelab.notebooks import execute

ROOT = Path(__file__).parent.parent
TUNING = ROOT / "labs" / "03-tune-the-classifier" / "lab.py"
END = "# ## 8."  # of what is run: the steps after it ask other questions
SEEDS, ENOUGH = 10, 8
P = 0.05


def lessons(quick: bool) -> Iterator[Result]:
    """Lab 3 with ten seeds, each of the first guess, of the search and of all of its jobs."""
    seeds = 2 if quick else SEEDS
    found = [_tune(seed) for seed in range(1, seeds + 1)]
    better = sum(p < P and tuned > first for first, tuned, p in found)
    firsts, winners, values = zip(*found, strict=True)
    seen = (
        f"of {seeds} seeds; digits read right: first guess {min(firsts):.1f} to {max(firsts):.1f} %, tuned "
        f"{min(winners):.1f} to {max(winners):.1f} %; p: median {statistics.median(values):.0e}, largest "
        f"{max(values):.0e}"
    )
    enough = ENOUGH * seeds // SEEDS
    yield Result("lab 3: tuned better by more than luck", better, enough, at_least=True, seen=seen)


def _tune(seed: int) -> tuple[float, float, float]:
    """Run the notebook in a local cloud of its own; (percent of the first guess, of the tuned model, p)."""
    from nbclient.exceptions import CellExecutionError

    notebook = _notebook(seed)
    with new_home() as home, control.running(home):
        try:
            execute(notebook, ROOT / "notebooks", control.surroundings(home))
        except CellExecutionError as error:
            if "AssertionError" not in str(error):  # a seed that finds nothing is counted
                raise
    text = "\n".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    wanted = (r"^First: ([\d.]+)%", r"^Tuned: ([\d.]+)%", r"; p = (\S+)$")
    first, tuned, p = (float(re.findall(pattern, text, re.MULTILINE)[-1]) for pattern in wanted)
    print(f"seed {seed}: first guess {first} %, tuned {tuned} %, p = {p:.1g}", flush=True)
    return first, tuned, p


def _notebook(seed: int) -> Any:
    """The cells of lab 3 before END, with another seed."""
    import jupytext

    head, _, _ = TUNING.read_text().partition(END)
    changed, count = re.subn(r"^SEED = \d+$", f"SEED = {seed}", head, flags=re.MULTILINE)
    assert count == 1
    return jupytext.reads(changed, fmt="py:percent")
