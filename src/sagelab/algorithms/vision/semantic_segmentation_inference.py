"""A model of Semantic Segmentation answers: a picture in; a mask, or the probabilities of each pixel, out.

https://docs.aws.amazon.com/sagemaker/latest/dg/semantic-segmentation.html#semantic-segmentation-inputoutput
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sagelab.algorithms import recordio
from sagelab.algorithms.answers import Answer, Unanswered
from sagelab.algorithms.job import UserError
from sagelab.algorithms.semantic_segmentation import (
    MAP,
    NETWORK,
    PARAMETERS,
    SETTINGS,
    STRIDE,
    WEIGHTS,
    scaled_size,
)
from sagelab.algorithms.vision import image_channels, image_requests, images, training
from sagelab.algorithms.vision import semantic_segmentation_network as network
from sagelab.algorithms.vision.image_requests import PNG, kind_of

RECORDIO = "application/x-recordio-protobuf"
MOST_NUMBERS = 1 << 26  # of an answer: 256 MB


def masks(model: Any, pictures: Sequence[images.Pixels], base_size: int) -> list[images.Pixels]:
    """The classes (height, width) of each picture."""
    found = []
    for picture, logits in zip(pictures, _logits(model, pictures, base_size), strict=True):
        classes = logits.argmax(-1).astype(np.uint8)
        found.append(images.scale(classes, *picture.shape[:2], exact=True))
    return found


def probabilities(model: Any, picture: images.Pixels, base_size: int) -> Any:
    """(1, classes, height, width). Unanswered: so many numbers are not sent."""
    (logits,) = _logits(model, [picture], base_size)
    if logits.shape[-1] * picture.shape[0] * picture.shape[1] > MOST_NUMBERS:
        raise Unanswered(f"unable to evaluate payload provided: the answer has more than {MOST_NUMBERS} numbers")
    found = tf.image.resize(tf.nn.softmax(logits)[None], picture.shape[:2], "bilinear")
    return tf.transpose(found, (0, 3, 1, 2)).numpy()


def load(folder: Path) -> Answer:
    """UserError: the folder has no model of Semantic Segmentation."""
    settings, numbers = _settings_of(folder)
    depth, base_size = int(settings["backbone"][-3:].strip("-")), settings["base_size"]
    model = network.segmenter(settings["algorithm"], depth, settings["num_classes"])
    training.load_weights((folder / WEIGHTS).read_bytes(), model)

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        picture = image_requests.picture(body, kind)
        for part in (accept or PNG).split(","):
            wanted = kind_of(part)
            if wanted in (PNG, "*/*", "image/*"):
                (mask,) = masks(model, [picture], base_size)
                return images.encode_mask(numbers[mask]), PNG
            if wanted == RECORDIO:
                found = probabilities(model, picture, base_size)
                tensors = {"target": found.astype(np.float32), "shape": np.array(found.shape, np.int32)}
                return recordio.write_tensors(tensors), RECORDIO
        raise Unanswered(f"Accept type '{accept[:80]}' is not supported.", 406)

    return answer


def _logits(model: Any, pictures: Sequence[images.Pixels], base_size: int) -> list[Any]:
    """(height, width, classes) of each picture with its longest side as long as the pictures were trained with."""
    sizes = [scaled_size(picture.shape, base_size) for picture in pictures]
    ready = [_filled(images.scale(picture, *size)) for picture, size in zip(pictures, sizes, strict=True)]
    found: list[Any] = [None] * len(ready)
    for shape in {each.shape for each in ready}:  # those that are of one size go together
        alike = [index for index, each in enumerate(ready) if each.shape == shape]
        for index, logits in zip(alike, model.predict_on_batch(np.stack([ready[i] for i in alike])), strict=True):
            found[index] = logits[: sizes[index][0], : sizes[index][1]]
    return found


def _filled(picture: images.Pixels) -> images.Pixels:
    """The sides are multiples of the network's stride: the last pixels are repeated."""
    below, right = -picture.shape[0] % STRIDE, -picture.shape[1] % STRIDE
    return np.pad(picture, ((0, below), (0, right), (0, 0)), "edge")


def _settings_of(folder: Path) -> tuple[dict[str, Any], images.Pixels]:
    """(hyperparameters, the number of each class in a mask)."""
    if not all((folder / name).is_file() for name in (SETTINGS, WEIGHTS, MAP)):
        raise UserError(f"The model has no {SETTINGS}, {WEIGHTS} and {MAP} of Semantic Segmentation.")
    found, labels = (image_channels.parse(folder / name, name) for name in (SETTINGS, MAP))
    numbers = labels.get("numbers") if isinstance(labels, dict) else None
    if not isinstance(found, dict) or not isinstance(numbers, list) or len(numbers) != 256:
        raise UserError(f"The model's {SETTINGS} or {MAP} cannot be read.")
    names = (*NETWORK, "base_size")
    settings = training.kept(found, {name: PARAMETERS[name] for name in names}, SETTINGS)
    try:
        return settings, np.array(numbers).astype(np.uint8)
    except (ValueError, TypeError):
        raise UserError(f"The model's {MAP} cannot be read.") from None
