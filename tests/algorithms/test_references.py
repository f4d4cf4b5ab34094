"""Networks, losses and metrics are within one per cent of Keras's, and of what papers say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import forks

PROGRAM = Path(__file__).with_name("references.py")
ROUNDED = {"ResNet-110": 0.05}  # what the paper's digits leave open, in millions


@pytest.mark.long
def test_networks_losses_and_metrics_are_keras_own_and_the_papers(tmp_path: Path) -> None:
    done = forks.tensorflow().run(str(PROGRAM), str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[float]] = json.loads(done.stdout.strip().rpartition("\n")[2])
    sizes = {name: found.pop(name) for name in list(found) if name.startswith("ResNet-") and name != "ResNet-50"}
    assert len(sizes) == 5
    for name, (own, paper) in sizes.items():
        assert abs(own - paper) <= 0.01 * paper + ROUNDED.get(name, 0.005), name
    # Of 90 pictures; a job that reads more of them than Keras's own fit is as good.
    for name in ("shapes", "pairs"):
        own, library = found.pop(name)
        assert own >= 0.99 * library > 0.9, name
    assert found.keys() == {"ResNet-50", "pixels", "mIOU", "boxes", "objects", "perplexity"}
    for name, (own, library) in found.items():
        assert own == pytest.approx(library, rel=0.01), name
