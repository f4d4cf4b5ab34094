"""Measures of bias against values worked out by hand, and their definitions at the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sagelab.clarify import bias
from sagelab.clarify.bias import AFTER, BEFORE, Rows

# Six of the advantaged group, four of the other: labels 4 of 6 and 1 of 4; predicted 3 of 6 and 1 of 4.
LOW = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1], bool)
LABEL = np.array([1, 1, 1, 1, 0, 0, 1, 0, 0, 0], bool)
GUESS = np.array([1, 1, 0, 0, 1, 0, 0, 1, 0, 0], bool)
GROUP = np.array(list("aaabbbaabb"))
HIGH, LOWER = np.array([1 / 3, 2 / 3]), np.array([3 / 4, 1 / 4])
MIDDLE = (HIGH + LOWER) / 2


def kl(one: Any, other: Any) -> float:
    return float((one * np.log(one / other)).sum())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CI", 0.2),
        ("DPL", 2 / 3 - 1 / 4),
        ("KL", kl(HIGH, LOWER)),
        ("JS", (kl(HIGH, MIDDLE) + kl(LOWER, MIDDLE)) / 2),
        ("LP", np.sqrt(2) * (2 / 3 - 1 / 4)),
        ("TVD", 2 / 3 - 1 / 4),
        ("KS", 2 / 3 - 1 / 4),
        # a: 4 accepted, 1 of them low; 1 rejected, low. b: 1 accepted, none low; 4 rejected, 2 of them low.
        ("CDDL", 0.5 * (1 / 1 - 1 / 4) + 0.5 * (2 / 4 - 0)),
        ("DPPL", 3 / 6 - 1 / 4),
        ("DI", (1 / 4) / (3 / 6)),
        ("DCA", 4 / 3 - 1 / 1),
        ("DCR", 3 / 3 - 2 / 3),
        ("RD", 2 / 4 - 0 / 1),
        ("SD", 2 / 3 - 1 / 2),
        ("DAR", 2 / 3 - 0 / 1),
        ("DRR", 2 / 3 - 1 / 3),
        ("AD", 3 / 6 - 2 / 4),
        ("TE", 1 / 1 - 2 / 1),
        ("GE", float(((np.array([1, 1, 0, 0, 2, 1, 0, 2, 1, 1]) / 0.9) ** 2 - 1).mean() / 2)),
    ],
)
def test_each_metric_is_what_its_definition_says(name: str, value: float) -> None:
    rows = Rows(LOW, LABEL, GUESS, GROUP)
    assert (BEFORE | AFTER)[name][1](rows) == pytest.approx(value)


def test_flip_test_asks_those_who_are_most_alike() -> None:
    features = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2], [0.05], [9.05]])
    low = np.array([0, 0, 0, 0, 0, 0, 1, 1], bool)
    guess = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
    rows = Rows(low, guess, guess, features=features)
    found = AFTER["FT"][1]
    assert found(rows) == 0  # three of six neighbours are accepted, no majority
    near = Rows(np.array([0, 1, 1], bool), np.ones(3, bool), np.array([1, 0, 1], bool), features=np.eye(3))
    assert found(near) == 0.5


def test_metric_without_a_value_says_why() -> None:
    found = bias.measure(["CDDL", "CI"], BEFORE, Rows(LOW, LABEL))
    assert found[0]["value"] is None
    assert "Group variable" in found[0]["error"]
    nobody = bias.measure(["DI", "DPPL"], AFTER, Rows(np.zeros(10, bool), LABEL, GUESS))
    assert [one["value"] for one in nobody] == [None, None]
    surely = bias.measure(["KL"], BEFORE, Rows(LOW, LOW))
    assert surely[0]["value"] == "Infinity"
