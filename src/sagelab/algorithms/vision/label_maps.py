"""What the numbers of a mask mean: a label map between them and the classes, and how right a mask is.

https://docs.aws.amazon.com/sagemaker/latest/dg/semantic-segmentation.html#semantic-segmentation-inputoutput
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sagelab.algorithms.job import UserError
from sagelab.algorithms.vision.images import Pixels

IGNORED = 255


@dataclass(frozen=True)
class LabelMap:
    """classes: (256,): the class of each number. numbers: (256,): the number of each class."""

    classes: Pixels
    numbers: Pixels

    def read(self, mask: Pixels, count: int, name: str) -> Pixels:
        """The classes of a mask. UserError: one of its numbers is no class of that many."""
        found: Pixels = self.classes[mask]
        known = np.unique(found)
        wrong = known[(known >= count) & (known != IGNORED)]
        if wrong.size:
            number = int(mask[found == wrong[0]][0])
            raise UserError(
                f"Label {number} of annotation {name} is not a class from 0 to {count - 1} (num_classes - 1),"
                " nor 255."
            )
        return found


def parse(found: Any, name: str) -> LabelMap:
    """{"scale": "3"}, or {"map": {"0": 5, "1": 0}}: a class, and the number for it. UserError: neither."""
    every = np.arange(256)
    try:
        if isinstance(found, dict) and "map" in found:
            pairs = {int(kind): int(number) for kind, number in found["map"].items()}
            classes, numbers = np.full(256, IGNORED), np.full(256, IGNORED)
            for kind, number in pairs.items():
                if not (0 <= kind < 256 and 0 <= number < 256):
                    raise ValueError
                classes[number], numbers[kind] = kind, number
        else:
            factor = float(found.get("scale", 1))
            if not 1 <= factor <= 255:
                raise ValueError
            classes = np.where(every == IGNORED, IGNORED, every // factor)
            numbers = np.minimum(every * factor, IGNORED)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise UserError(
            f'Label map {name} has neither "scale", from 1 to 255, nor "map" from classes to numbers.'
        ) from None
    return LabelMap(classes.astype(np.uint8), numbers.astype(np.uint8))


PLAIN = parse({"scale": "1"}, "")


class Confusion:
    """How often a pixel of one class was taken for another, or for its own; pixels of none do not count."""

    def __init__(self, count: int) -> None:
        self._counts = np.zeros((count, count), np.int64)

    def add(self, truth: Pixels, found: Any) -> None:
        """Both: classes (height, width), or more of them."""
        counted, count = truth != IGNORED, len(self._counts)
        pairs = truth[counted].astype(np.int64) * count + found[counted]
        self._counts += np.bincount(pairs, minlength=count * count).reshape(count, count)

    @property
    def pixel_accuracy(self) -> float:
        """The share of pixels that are right."""
        return float(self._counts.trace() / max(self._counts.sum(), 1))

    @property
    def mean_overlap(self) -> float:
        """mIOU: the mean, over the classes that there are in the truth or in what was found, of intersection over
        union."""
        common = np.diag(self._counts)
        whole = self._counts.sum(0) + self._counts.sum(1) - common
        return float((common[whole > 0] / whole[whole > 0]).mean()) if whole.any() else 0.0
