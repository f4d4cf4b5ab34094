from __future__ import annotations

import numpy as np
import pytest

from sagelab.neo import check
from sagelab.neo.errors import WrongAnswers
from sagelab.neo.program import Arrays, Program
from sagelab.neo.runtime import Tensor

X = Tensor("x", "float32", (2, 3))
DOUBLE = Program((X,), (Tensor("y", "float32", (2, 3)),), "", "", lambda _: None, lambda a: {"y": 2 * a["x"]})


def test_the_difference_is_the_largest_of_all_inputs() -> None:
    assert check.compare(DOUBLE, lambda a: {"y": 2 * a["x"] + np.float32(2e-5)}, 3) == pytest.approx(2e-5, rel=0.2)


WRONG = {
    "too far": lambda a: {"y": 2 * a["x"] + 1e-3},
    "another shape": lambda a: {"y": (2 * a["x"])[:1]},
    "no number": lambda a: {"y": a["x"] * np.nan},
}


@pytest.mark.parametrize("run", WRONG.values(), ids=WRONG)
def test_other_answers_are_wrong(run: object) -> None:
    def call(arrays: Arrays) -> Arrays:
        found: Arrays = run(arrays)  # type: ignore[operator]
        return found

    with pytest.raises(WrongAnswers, match="differ from the original's"):
        check.compare(DOUBLE, call, 2)


def test_large_values_may_differ_by_as_much_of_themselves() -> None:
    assert check.difference(np.array([1e6]), np.array([1e6 + 50])) == pytest.approx(5e-5)
    assert check.difference(np.array([np.inf]), np.array([np.inf])) == 0
