"""Networks of different kinds, compiled and compared: those of bench/zoo.py that need most of the compiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import forks

ZOO = Path(__file__).parents[2] / "bench" / "zoo.py"


@pytest.mark.slow
def test_networks_of_different_kinds_answer_as_keras_does() -> None:
    names = ["depthwise", "lstm", "several inputs", "several outputs"]
    done = forks.tensorflow().run(str(ZOO), *names)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("OUTCOME")]
    assert [one["network"] for one in found if one["target"] == "x86-64"] == names
    for one in found:
        checked = one["difference"] is not None
        assert one["difference"] < 1e-4 if checked else one["words"].startswith("not checked"), one
