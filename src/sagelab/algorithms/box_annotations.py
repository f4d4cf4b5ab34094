"""The objects of a picture as an annotation names them: JSON, or the numbers of a RecordIO file.

https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html#object-detection-inputoutput
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sagelab.algorithms import image_channels
from sagelab.algorithms.image_channels import Example
from sagelab.algorithms.job import UserError

HEADER, OBJECT = 2, 5  # numbers of a record before its objects, and of each object, at the least
WIDEST = 1 << 16  # numbers of an object
PLACE = ("left", "top", "width", "height")


def read(example: Example, settings: dict[str, Any]) -> Any:
    """(objects, 5) of class and box, in shares of the picture. UserError: it is no annotation, or has a class
    that is not there."""
    if isinstance(example.label, np.ndarray):
        found, width = _recorded(example), len(example.label)
    else:
        found = _annotated(image_channels.parse(example.label, example.name), example.name)
        width = HEADER + found.size
    if width > settings["label_width"]:
        raise UserError(
            f"The annotation of image {example.name} has {width} numbers: label_width must be at least that."
        )
    kinds, count = found[:, 0], settings["num_classes"]
    wrong = kinds[(kinds < 0) | (kinds >= count) | (kinds != np.floor(kinds))]
    if wrong.size:
        raise UserError(
            f"Label {wrong[0]:g} of image {example.name} is not a class from 0 to {count - 1} (num_classes - 1)."
        )
    return found


def write(rows: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """What was detected, (objects, 6), as such an annotation, with the score of each. shape: of the picture."""
    high, wide, depth = shape
    found = []
    for kind, score, *place in rows.tolist():
        left, top, right, bottom = (
            round(share * side) for share, side in zip(place, (wide, high) * 2, strict=True)
        )
        box = dict(zip(PLACE, (left, top, right - left, bottom - top), strict=True))
        found.append({"class_id": int(kind), **box, "score": score})
    return {"image_size": [{"width": wide, "height": high, "depth": depth}], "annotations": found}


def _annotated(found: Any, name: str) -> Any:
    try:
        size = found["image_size"][0]
        wide, high = float(size["width"]), float(size["height"])
        rows = [[each["class_id"], *(each[side] for side in PLACE)] for each in found["annotations"]]
        boxes = np.array(rows, np.float64).reshape(-1, OBJECT)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise UserError(
            f"The annotation of image {name} has not image_size, or annotations without class_id, left, top,"
            " width or height."
        ) from None
    if not (wide > 0 and high > 0 and np.isfinite(boxes).all() and (boxes[:, 3:] >= 0).all()):
        raise UserError(f"The annotation of image {name} has a size that is none.")
    with np.errstate(over="ignore"):  # it ends at the rim
        boxes[:, 3:] += boxes[:, 1:3]
    boxes[:, 1:] = np.clip(boxes[:, 1:] / (wide, high, wide, high), 0, 1)
    return boxes


def _recorded(example: Example) -> Any:
    """Of MXNet's numbers: how long the header is, how long an object; class and corners of each, in shares."""
    numbers = example.label
    header, width = (int(each) for each in numbers[:2]) if len(numbers) >= HEADER else (0, 0)
    if not HEADER <= header <= len(numbers) or not OBJECT <= width <= WIDEST or (len(numbers) - header) % width:
        raise UserError(f"The label of image {example.name} is not a header and objects of five numbers or more.")
    found = numbers[header:].reshape(-1, width)[:, :OBJECT].astype(np.float64)
    found = found[found[:, 0] >= 0]  # what a label was filled up with
    found[:, 1:] = np.clip(found[:, 1:], 0, 1)
    return found
