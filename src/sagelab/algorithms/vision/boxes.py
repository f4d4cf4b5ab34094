"""Boxes around objects: how much two have in common, which of many are kept, and how right they are.

A box is (xmin, ymin, xmax, ymax), in shares of the picture's width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

VARIANCES = np.array([0.1, 0.1, 0.2, 0.2])  # of SSD, https://arxiv.org/abs/1512.02325
MOST = 400  # detections of a picture that are compared with one another

Array = Any  # of NumPy's


def overlaps(one: Array, other: Array) -> Array:
    """(n, m): intersection over union of each of n boxes with each of m."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(2)
    areas = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(1) for each in (one, other)]
    whole = areas[0][:, None] + areas[1][None, :] - common
    return np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)


def assign(anchors: Array, truth: Array, least: float = 0.5) -> tuple[Array, Array]:
    """(classes, offsets) that each anchor (n, 4) should have. truth: (m, 5) of class and box.

    The class is 0 for the background, and one more than the truth's. An anchor has the object that it covers most,
    if that is enough; each object has at least one anchor, the one that is most like it.
    """
    classes, offsets = np.zeros(len(anchors), np.int32), np.zeros((len(anchors), 4), np.float32)
    if not len(truth):
        return classes, offsets
    found = overlaps(anchors, truth[:, 1:])
    chosen, good = found.argmax(1), found.max(1) >= least
    for _ in range(len(truth)):
        anchor, each = np.unravel_index(found.argmax(), found.shape)
        chosen[anchor], good[anchor] = each, True
        found[anchor], found[:, each] = -1, -1
    classes[good] = truth[chosen[good], 0] + 1
    offsets[good] = encode(truth[chosen[good], 1:], anchors[good])
    return classes, offsets


def encode(found: Array, anchors: Array) -> Array:
    """(n, 4): boxes as what an anchor has to move and grow by."""
    (middle, size), (from_middle, from_size) = _centered(found), _centered(anchors)
    size = np.maximum(size, 1e-6)
    moved = np.concatenate([(middle - from_middle) / from_size, np.log(size / from_size)], 1)
    return moved / VARIANCES


def decode(offsets: Array, anchors: Array) -> Array:
    """(n, 4): the boxes again, none of them beyond the picture."""
    moved, (middle, size) = offsets * VARIANCES, _centered(anchors)
    middle, size = middle + moved[:, :2] * size, size * np.exp(np.clip(moved[:, 2:], -10, 10))
    return np.clip(np.concatenate([middle - size / 2, middle + size / 2], 1), 0, 1)


def distinct(scores: Array, found: Array, limit: float) -> list[int]:
    """The numbers of those boxes of one class that no better one overlaps by more than a limit, the best first."""
    left, kept = list(np.argsort(-scores, kind="stable")[:MOST]), []
    while left:
        best, *others = left
        kept.append(int(best))
        near = overlaps(found[[best]], found[others])[0] if others else ()
        left = [other for other, much in zip(others, near, strict=True) if much <= limit]
    return kept


def detect(probabilities: Array, offsets: Array, anchors: Array, limit: float, least: float = 0.01) -> Array:
    """(objects, 6): class, score and box of each object of a picture, the most certain first.

    probabilities: (n, 1 + classes), the background first. limit: of overlaps of one class. least: of scores.
    """
    places, rows = decode(offsets, anchors), []
    for kind in range(1, probabilities.shape[1]):
        scores = probabilities[:, kind]
        sure = np.flatnonzero(scores >= least)
        for index in sure[distinct(scores[sure], places[sure], limit)]:
            rows.append([kind - 1, scores[index], *places[index]])
    found = np.array(rows, np.float64).reshape(-1, 6)
    return found[np.argsort(-found[:, 1], kind="stable")][:MOST]


def mean_average_precision(found: Sequence[Array], truth: Sequence[Array], least: float = 0.5) -> float:
    """The mean over the classes that there are of the area under precision against recall, as PASCAL VOC has it.

    found: (objects, 6) of each picture; truth: (objects, 5). least: overlap that makes a detection right; of
    several detections of one object the most certain alone is right.
    """
    kinds = sorted({int(kind) for each in truth for kind in each[:, 0]})
    return float(np.mean([_average_precision(kind, found, truth, least) for kind in kinds])) if kinds else 0.0


def _average_precision(kind: int, found: Sequence[Array], truth: Sequence[Array], least: float) -> float:
    scores, right, objects = [], [], 0
    for one, real in zip(found, truth, strict=True):
        ours, theirs = one[one[:, 0] == kind], real[real[:, 0] == kind]
        ours, objects = ours[np.argsort(-ours[:, 1], kind="stable")], objects + len(theirs)
        scores += ours[:, 1].tolist()
        right += _are_right(overlaps(ours[:, 2:], theirs[:, 1:]), least)
    if not scores:
        return 0.0
    hits = np.array(right, float)[np.argsort(-np.array(scores), kind="stable")].cumsum()
    recall, precision = hits / objects, hits / np.arange(1, len(hits) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]  # at that recall, or any higher
    return float((np.diff(recall, prepend=0) * highest).sum())


def _are_right(common: Array, least: float) -> list[bool]:
    """common: (detections, objects), the most certain detection first."""
    taken: set[int] = set()
    right = []
    for row in common:
        best = int(row.argmax()) if len(row) else -1
        right.append(best >= 0 and row[best] >= least and best not in taken)
        taken |= {best} if right[-1] else set()
    return right


def _centered(found: Array) -> tuple[Array, Array]:
    return (found[:, :2] + found[:, 2:]) / 2, found[:, 2:] - found[:, :2]
