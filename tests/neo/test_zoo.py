"""Networks of different kinds, compiled and compared: two of bench/zoo.py, and in the long tests four."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import forks

ZOO = Path(__file__).parents[2] / "bench" / "zoo.py"
FEW = ["lstm", "several inputs"]
MANY = ["depthwise", *FEW, "several outputs"]


@pytest.mark.slow
@pytest.mark.parametrize("names", [FEW, pytest.param(MANY, marks=pytest.mark.long)], ids=["few", "many"])
def test_networks_of_different_kinds_answer_as_keras_does(names: list[str]) -> None:
    done = forks.tensorflow().run(str(ZOO), *names)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("OUTCOME")]
    assert [one["network"] for one in found if one["target"] == "x86-64"] == names
    for one in found:
        checked = one["difference"] is not None
        assert one["difference"] < 1e-4 if checked else one["words"].startswith("not checked"), one
