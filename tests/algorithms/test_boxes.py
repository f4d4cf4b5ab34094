"""Overlaps, matches and mAP, against what a hand computes."""

from __future__ import annotations

import numpy as np
import pytest

from sagelab.algorithms.vision import boxes

UNIT = np.array([[0.0, 0.0, 0.4, 0.4]])


def test_overlap_is_intersection_over_union() -> None:
    others = np.array(
        [[0, 0, 0.4, 0.4], [0.2, 0, 0.6, 0.4], [0.2, 0.2, 0.6, 0.6], [0.5, 0.5, 0.9, 0.9], [0, 0, 0, 0]]
    )
    # 0.08 of 0.24 in common; 0.04 of 0.28; nothing.
    assert boxes.overlaps(UNIT, others)[0] == pytest.approx([1, 1 / 3, 1 / 7, 0, 0])


def test_offsets_of_a_box_give_it_back() -> None:
    chance = np.random.default_rng(0)
    low = chance.uniform(0, 0.5, (50, 2))
    found = np.concatenate([low, low + chance.uniform(0.05, 0.5, (50, 2))], 1)
    anchors = found[::-1]
    assert boxes.decode(boxes.encode(found, anchors), anchors) == pytest.approx(found)


def test_each_object_has_an_anchor_though_none_is_like_it() -> None:
    anchors = np.array([[0, 0, 0.5, 0.5], [0.05, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    truth = np.array([[0, 0, 0, 0.5, 0.5], [1, 0.9, 0.9, 1, 1]])
    classes, offsets = boxes.assign(anchors, truth)
    assert classes.tolist() == [1, 1, 2]
    assert offsets[0] == pytest.approx([0, 0, 0, 0])
    assert boxes.decode(offsets, anchors)[2] == pytest.approx(truth[1, 1:])
    assert boxes.assign(anchors, np.empty((0, 5)))[0].tolist() == [0, 0, 0]


def test_of_boxes_that_cover_one_another_the_most_certain_is_kept() -> None:
    found = np.array([[0, 0, 0.4, 0.4], [0, 0, 0.4, 0.38], [0.5, 0.5, 0.9, 0.9], [0.2, 0, 0.6, 0.4]])
    scores = np.array([0.6, 0.9, 0.5, 0.7])
    assert boxes.distinct(scores, found, 0.45) == [1, 3, 2]
    assert boxes.distinct(scores, found, 0.2) == [1, 2]


def test_detections_are_of_each_class_and_the_most_certain_first() -> None:
    anchors = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.45], [0.5, 0.5, 1, 1]])
    chances = np.array([[0.1, 0.2, 0.7], [0.1, 0.3, 0.6], [0.995, 0.004, 0.001]])
    found = boxes.detect(chances, np.zeros((3, 4)), anchors, 0.45)
    assert found[:, :2].tolist() == [[1, 0.7], [0, 0.3]]
    assert found[0, 2:] == pytest.approx(anchors[0])


def detections(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, float).reshape(-1, 6)


def truth(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, float).reshape(-1, 5)


A, B, FAR = (0, 0, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9), (0.5, 0, 0.9, 0.3)


@pytest.mark.parametrize(
    ("found", "real", "expected"),
    [
        # All right.
        ([detections((0, 0.9, *A), (0, 0.8, *B))], [truth((0, *A), (0, *B))], 1.0),
        # Right, wrong, right: precision 1 up to recall 1/2, then 2/3 up to 1.
        (
            [detections((0, 0.9, *A), (0, 0.8, *FAR), (0, 0.7, *B))],
            [truth((0, *A), (0, *B))],
            1 / 2 + 1 / 2 * 2 / 3,
        ),
        # The second detection of one object is wrong; the other object is never found.
        ([detections((0, 0.9, *A), (0, 0.8, *A))], [truth((0, *A), (0, *B))], 1 / 2),
        # Wrong first, in another picture: precision is 1/2 at recall 1.
        ([detections((0, 0.9, *A)), detections((0, 0.8, *B))], [truth(), truth((0, *B))], 1 / 2),
        # Two classes: the one all right, the other never found. A class that is nowhere does not count.
        ([detections((0, 0.9, *A), (7, 0.9, *A))], [truth((0, *A), (1, *B))], 1 / 2),
        # Of the right place and another class.
        ([detections((1, 0.9, *A))], [truth((0, *A))], 0.0),
        ([detections()], [truth((0, *A))], 0.0),
        ([detections((0, 0.9, *A))], [truth()], 0.0),
    ],
)
def test_mean_average_precision_is_what_a_hand_computes(
    found: list[np.ndarray], real: list[np.ndarray], expected: float
) -> None:
    assert boxes.mean_average_precision(found, real) == pytest.approx(expected)


def test_overlap_that_makes_a_detection_right_can_be_set() -> None:
    near = [detections((0, 0.9, 0.2, 0, 0.6, 0.4))]  # a third in common
    assert boxes.mean_average_precision(near, [truth((0, *A))], 0.5) == 0
    assert boxes.mean_average_precision(near, [truth((0, *A))], 0.3) == 1
