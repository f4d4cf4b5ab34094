"""A single shot detector in Keras, of Liu et al. (https://arxiv.org/abs/1512.02325), made small.

Its base networks are VGG-16's and ResNet-50's plans with an eighth and a quarter of their filters; VGG-16 begins
at half the resolution, and has batch normalization. Each of five maps of the picture, ever coarser, says of each
place which object is there, and how the boxes that are tried there have to be moved.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from keras import Model, layers

from sagelab.algorithms.vision import boxes, residual_networks
from sagelab.algorithms.vision.residual_networks import Step, convolve

VGG = ((8, 2), (16, 2), (32, 3), (64, 3), (64, 3))  # filters and convolutions of each stage
VGG_16, RESNET_50 = "vgg-16", "resnet-50"
MAPS = 5
SCALES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the boxes of each map, and of one more, in shares of the picture
RATIOS = ((1, 2, 0.5), (1, 2, 0.5, 3, 1 / 3), (1, 2, 0.5, 3, 1 / 3), (1, 2, 0.5, 3, 1 / 3), (1, 2, 0.5))
NEGATIVES = 3  # places without an object that count, for each with one: those that are most wrong


def detector(base: str, side: int, classes: int) -> tuple[Model, Any]:
    """(network, anchors (n, 4)): from pictures (b, side, side, 3) of 0 to 255 to (b, n, 1 + classes + 4), of which
    the first are logits, the background's first, and the last four offsets."""
    given = layers.Input((side, side, 3))
    maps = _maps(base, residual_networks.scaled(given))
    while len(maps) < MAPS:
        name = f"extra{len(maps)}"
        x = convolve(maps[-1], 32, 1, Step(f"{name}_1"))
        maps.append(convolve(x, 64, 3, Step(f"{name}_2", 2)))
    heads = []
    for number, (x, ratios) in enumerate(zip(maps, RATIOS, strict=True)):
        count = len(ratios) + 1
        found = layers.Conv2D(count * (1 + classes + 4), 3, padding="same", name=f"head{number}")(x)
        heads.append(layers.Reshape((-1, 1 + classes + 4))(found))
    model = Model(given, layers.Concatenate(axis=1)(heads))
    return model, anchors([tuple(x.shape[1:3]) for x in maps])


def anchors(shapes: list[tuple[int, ...]]) -> Any:
    """(n, 4): the boxes that are tried at each place of each map (height, width), in the order of the heads."""
    found = []
    for (high, wide), ratios, (scale, above) in zip(shapes, RATIOS, pairwise(SCALES), strict=True):
        sizes = [(scale * ratio**0.5, scale / ratio**0.5) for ratio in ratios] + [((scale * above) ** 0.5,) * 2]
        y, x = np.mgrid[:high, :wide]
        middle = np.stack([(x + 0.5) / wide, (y + 0.5) / high], -1)[:, :, None]
        half = np.array(sizes)[None, None] / 2
        found.append(np.concatenate([middle - half, middle + half], -1).reshape(-1, 4))
    return np.concatenate(found)


def freeze(model: Model, pattern: str) -> int:
    """How many layers there are whose name has the pattern: they stay as they are."""
    frozen = [layer for layer in model.layers if re.match(pattern, layer.name)]
    for layer in frozen:
        layer.trainable = False
    return len(frozen)


def loss(target: Any, found: Any) -> Any:
    """(b,): cross entropy of the classes and smooth L1 of the offsets, each a mean over the objects of a picture.

    target: (b, n, 5) of class and offsets.
    """
    return tf.add(*losses(target, found))


def losses(target: Any, found: Any) -> tuple[Any, Any]:
    """(cross entropy, smooth L1), (b,) each."""
    classes, logits = tf.cast(target[..., 0], tf.int32), found[..., :-4]
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
    positive = tf.cast(classes > 0, entropy.dtype)
    objects = tf.maximum(tf.reduce_sum(positive, 1), 1)
    negative = entropy * (1 - positive)
    most = tf.cast(tf.minimum(NEGATIVES * objects, tf.cast(tf.shape(classes)[1], objects.dtype)), tf.int32)
    ranked = tf.sort(negative, 1, "DESCENDING")
    hard = tf.cast(tf.range(tf.shape(ranked)[1])[None] < most[:, None], ranked.dtype)
    away = tf.abs(target[..., 1:] - found[..., -4:])
    smooth = tf.reduce_sum(tf.where(away < 1, away**2 / 2, away - 0.5), -1)
    counted = tf.reduce_sum(entropy * positive, 1) + tf.reduce_sum(ranked * hard, 1)
    return counted / objects, tf.reduce_sum(smooth * positive, 1) / objects


def cross_entropy(target: Any, found: Any) -> Any:
    """A metric of its own: the first part of the loss."""
    return losses(target, found)[0]


def smooth_l1(target: Any, found: Any) -> Any:
    """The second."""
    return losses(target, found)[1]


def targets(places: Any, truth: list[Any]) -> Any:
    """(b, n, 5): what the network should say of each picture."""
    return np.stack(
        [
            np.concatenate([kinds[:, None], moved], 1)
            for kinds, moved in (boxes.assign(places, each) for each in truth)
        ]
    ).astype(np.float32)


def probabilities(found: Any) -> tuple[Any, Any]:
    """(probabilities, offsets) of what the network says."""
    logits = found[..., :-4].astype(np.float64)
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True), found[..., -4:]


def _maps(base: str, x: Any) -> list[Any]:
    """The two finest maps: strides 16 and 32."""
    if base == RESNET_50:
        return residual_networks.stages(x, 50, 16)[2:]
    found = []
    for stage, (filters, count) in enumerate(VGG, 1):
        for number in range(1, count + 1):
            x = convolve(x, filters, 3, Step(f"conv{stage}_{number}", 2 if stage == number == 1 else 1))
        found.append(x)
        if stage < len(VGG):
            x = layers.MaxPooling2D(2, padding="same", name=f"pool{stage}")(x)
    return found[-2:]
