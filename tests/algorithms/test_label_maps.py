"""Label maps and mIOU, against what a hand computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sagelab.algorithms.job import UserError
from sagelab.algorithms.vision import label_maps
from sagelab.algorithms.vision.label_maps import Confusion


def test_masks_are_read_by_the_two_examples_of_the_documentation() -> None:
    scaled = label_maps.parse({"scale": "3"}, "m")
    assert scaled.read(np.array([[0, 3, 6, 7, 255]], np.uint8), 3, "a").tolist() == [[0, 1, 2, 2, 255]]
    assert scaled.numbers[[0, 1, 2]].tolist() == [0, 3, 6]
    mapped = label_maps.parse({"map": {"0": 5, "1": 0, "2": 2}}, "m")
    assert mapped.read(np.array([[0, 5, 2, 9]], np.uint8), 3, "a").tolist() == [[1, 0, 2, 255]]
    assert mapped.numbers[[1, 0, 2]].tolist() == [0, 5, 2]
    plain = label_maps.PLAIN
    assert plain.read(np.array([[0, 2, 255]], np.uint8), 3, "a").tolist() == [[0, 2, 255]]


def test_number_of_no_class_is_the_users_error() -> None:
    with pytest.raises(
        UserError, match=r"Label 9 of annotation a is not a class from 0 to 2 \(num_classes - 1\), nor 255"
    ):
        label_maps.parse({"scale": "3"}, "m").read(np.array([[0, 9]], np.uint8), 3, "a")


@pytest.mark.parametrize(
    "found", [{"scale": "0"}, {"scale": "x"}, {"map": {"0": 256}}, {"map": []}, [], 3, {"map": {"a": 1}}]
)
def test_what_is_no_label_map_is_the_users_error(found: Any) -> None:
    with pytest.raises(UserError, match="Label map m"):
        label_maps.parse(found, "m")


def test_mean_overlap_is_what_a_hand_computes() -> None:
    found = Confusion(4)
    found.add(np.array([[0, 0, 0, 1], [1, 1, 255, 2]], np.uint8), np.array([[0, 0, 1, 1], [1, 0, 3, 2]]))
    # Class 0: 2 of 4; class 1: 2 of 4; class 2: 1 of 1; class 3 is nowhere where it counts.
    assert found.mean_overlap == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert found.pixel_accuracy == pytest.approx(5 / 7)
    assert Confusion(2).mean_overlap == Confusion(2).pixel_accuracy == 0
