"""What the algorithms for pictures take to learn small drawn ones to a bar, on this machine's processor alone."""

from __future__ import annotations

import re
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jobs import run_bare
from table import Result

# Draws shapes and streets, trains on them in a container's folder, and prints the algorithm's log.
PROGRAM = Path(__file__).parent.parent / "tests/algorithms/pictures.py"
# Title, the best value of a metric that is wanted, and where the log has it.
BARS = {
    "image-classification": ("Image Classification", "accuracy", 0.95, r"Validation-accuracy=(\S+)"),
    "object-detection": ("Object Detection", "mAP", 0.9, r"validation mAP <score>=\((\S+)\)"),
    "semantic-segmentation": ("Semantic Segmentation", "mIOU", 0.75, r"validation mIOU <score>=\((\S+)\)"),
}
MINUTE = 60


def drawn(quick: bool) -> Iterator[Result]:
    """Each algorithm once, from its Python's start to the model's first answer."""
    for algorithm, (title, metric, bar, expression) in BARS.items():
        with tempfile.TemporaryDirectory() as folder:
            before = _used()
            seconds, log = run_bare(sys.executable, str(PROGRAM), algorithm, folder, *(["light"] if quick else []))
        found = max(map(float, re.findall(expression, log)))
        used = _used() - before
        yield Result(f"{title}: training", seconds, MINUTE, "s", seen=f"{used:.0f} s of processors")
        yield Result(f"{title}: validation:{metric}", found, bar, at_least=True, seen="the best epoch's")


def _used() -> float:
    """Seconds of processors that programs of this one have had."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime
